"""Correct probabilities by a line in log-odds, fitted on few rows with a prior that leaves them as they are.

Platt (1999), "Probabilistic outputs for support vector machines", with a normal prior around slope 1 and intercept 0 instead of
his smoothed labels, so that a few rows change good probabilities little.
"""

import numpy as np
from numpy.typing import NDArray

from veritable.metrics.intervals import FloatArray

_PRIOR = np.array([5.0, 1.0])  # precision of slope and intercept: standard deviations of 0.45 and 1
_MAX_STEP, _MAX_STEPS, _TOLERANCE = 1.0, 100, 1e-9
_MIN_PROBABILITY = 1e-9


def recalibrate(score: FloatArray, positive: FloatArray, negative: FloatArray) -> FloatArray:
    """Compute corrected probabilities for m samples of the same scores at once.

    Parameters
    ----------
    score
        Probabilities of the positive class. Shape: (n,)
    positive, negative
        Number of positive and negative rows with each score, by weight. Shape: (m, n)

    Returns
    -------
    Shape: (m, n)
    """
    p = np.clip(score, _MIN_PROBABILITY, 1 - _MIN_PROBABILITY)
    z = np.log(p) - np.log1p(-p)
    total = positive + negative
    slope, intercept = np.ones((len(total), 1)), np.zeros((len(total), 1))
    for _ in range(_MAX_STEPS):
        corrected = _sigmoid(slope * z + intercept)
        excess, spread = positive - total * corrected, total * corrected * (1 - corrected)
        gradient = _sums(excess * z) - _PRIOR[0] * (slope - 1), _sums(excess) - _PRIOR[1] * intercept
        a, b, c = _sums(spread * z**2) + _PRIOR[0], _sums(spread * z), _sums(spread) + _PRIOR[1]
        determinant = a * c - b**2
        steps = (c * gradient[0] - b * gradient[1]) / determinant, (a * gradient[1] - b * gradient[0]) / determinant
        slope, intercept = (
            old + np.clip(step, -_MAX_STEP, _MAX_STEP) for old, step in zip((slope, intercept), steps, strict=True)
        )
        if max(np.abs(step).max() for step in steps) < _TOLERANCE:
            break
    return _sigmoid(slope * z + intercept)


def _sums(values: FloatArray) -> FloatArray:
    summed: FloatArray = values.sum(axis=1, keepdims=True)
    return summed


def _sigmoid(x: NDArray[np.float64]) -> FloatArray:
    result: FloatArray = 1 / (1 + np.exp(-np.clip(x, -500, 500)))
    return result
