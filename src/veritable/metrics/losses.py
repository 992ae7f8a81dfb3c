"""Losses of single rows, whose weighted means are metrics: the log loss and the Brier score."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from veritable.metrics.checks import check_probabilities
from veritable.metrics.intervals import FloatArray

MIN_PROBABILITY = float(np.finfo(np.float64).eps)  # as in scikit-learn: a probability of 0 counts as this in a logarithm
_CHUNK_CELLS = 2**22  # 32 MB of probabilities are copied at once


def negative_log(p: FloatArray) -> FloatArray:
    """Return -log(p) with p clipped to [eps, 1 - eps]. Any shape."""
    clipped: FloatArray = -np.log(np.clip(p, MIN_PROBABILITY, 1 - MIN_PROBABILITY))
    return clipped


def log_losses(y_true: NDArray[Any], y_prob: NDArray[Any]) -> FloatArray:
    """Compute the log loss of each row, in nats. A probability of 0 counts as 2.2e-16, as in scikit-learn.

    Shape: y_true (n,), y_prob (n, K) -> (n,)

    Raises
    ------
    ValueError
        The shapes do not match, there is no row, a code is out of range or a probability is invalid.

    Examples
    --------
    >>> log_losses(np.array([0, 1]), np.array([[0.5, 0.5], [0.0, 1.0]])).round(4).tolist()
    [0.6931, 0.0]
    """
    y_true, y_prob = check_probabilities(y_true, y_prob)
    return negative_log(y_prob[np.arange(y_true.size), y_true])


def expected_log_losses(y_prob: NDArray[Any]) -> FloatArray:
    """Compute the log loss of each row that its probabilities expect, their entropy, in nats. Shape: (n, K) -> (n,)

    If the probabilities are calibrated, its mean is that of the log loss.

    Examples
    --------
    >>> expected_log_losses(np.array([[0.5, 0.5], [0.0, 1.0]])).round(4).tolist()
    [0.6931, 0.0]
    """
    chunks = np.array_split(np.asarray(y_prob, dtype=np.float64), -(-y_prob.size // _CHUNK_CELLS))
    return np.concatenate([np.sum(chunk * negative_log(chunk), axis=1) for chunk in chunks])


def brier_losses(y_true: NDArray[Any], y_prob: NDArray[Any]) -> FloatArray:
    """Compute the squared error of each row: of the positive class if there are two, summed over the classes if there are more.

    Shape: y_true (n,), y_prob (n, K) -> (n,)

    Raises
    ------
    ValueError
        The shapes do not match, there is no row, a code is out of range or a probability is invalid.

    Examples
    --------
    >>> brier_losses(np.array([1, 0]), np.array([[0.5, 0.5], [0.0, 1.0]])).tolist()
    [0.25, 1.0]
    """
    y_true, y_prob = check_probabilities(y_true, y_prob)
    if y_prob.shape[1] == 2:
        squared: FloatArray = np.square(y_prob[:, 1] - y_true)
        return squared
    chunks = np.array_split(np.arange(y_true.size), -(-y_prob.size // _CHUNK_CELLS))
    return np.concatenate([_summed_squares(y_true[chunk], y_prob[chunk]) for chunk in chunks])


def _summed_squares(y_true: NDArray[np.intp], y_prob: FloatArray) -> FloatArray:
    error = y_prob.copy()
    error[np.arange(y_true.size), y_true] -= 1
    total: FloatArray = np.square(error, out=error).sum(axis=1)
    return total
