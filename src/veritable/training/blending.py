"""Choose the weights of the members on rows that they were not fitted on."""

from collections.abc import Sequence

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax

from veritable.tables.encoding.parts import Part

MIN_SHARE = 0.01  # a member with a smaller share of the weights is left out
_PRIOR_ROWS = 5  # weight of the prior, in rows: with few rows, the weights stay near it
_MAX_CELLS = 2**22  # scores of one member that are used: with more rows, a sample
_DIGITS = 4  # significant digits of a weight


def prior_weights(n_members: int) -> np.ndarray:
    """Return the weights without any data: half for the first member, the networks, and equal weights for the others."""
    others = n_members - 1
    return np.array([0.5, *[0.5 / others] * others]) if others else np.ones(1)


def choose_weights(scores: Sequence[np.ndarray], part: Part, seed: int) -> list[float]:
    """Find the weights of 0 or more that minimize the log loss of the blend, with a quadratic penalty around `prior_weights`.

    The problem is convex (a multinomial logistic regression with one coefficient per member). Members whose share is below
    `MIN_SHARE` get a weight of 0, and the others are weighed again.

    Parameters
    ----------
    scores
        Scores of the members for the rows. Shape: (n, classes) each
    part
        The rows, with their classes and weights.
    seed
        Seed of the sample, if there are too many rows.
    """
    rows = np.arange(len(part))
    if len(rows) > (most := _MAX_CELLS // scores[0].shape[1]):
        rows = np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))
    weight = np.ones(len(rows)) if part.weight is None else part.weight[rows] / part.weight.mean()
    kept = np.arange(len(scores))
    prior = prior_weights(len(scores))
    while True:
        used = [each[rows] for i, each in enumerate(scores) if i in kept]
        found = _minimize(used, part.y[rows], weight, prior[kept] / prior[kept].sum())
        heavy = found >= MIN_SHARE * found.sum()
        if heavy.all():
            break
        kept = kept[heavy]
    weights = np.zeros(len(scores))
    weights[kept] = found
    return [float(f"{each:.{_DIGITS}g}") for each in weights]


def _minimize(scores: Sequence[np.ndarray], y: np.ndarray, weight: np.ndarray, prior: np.ndarray) -> np.ndarray:
    rows = np.arange(len(y))
    of_true = np.stack([each[rows, y] for each in scores]) @ weight

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        total = np.zeros(scores[0].shape)
        for factor, each in zip(weights, scores, strict=True):
            total += factor * each
        log_prob = log_softmax(total, axis=1)
        y_prob = np.exp(log_prob) * weight[:, None]
        expected = np.array([np.vdot(each, y_prob) for each in scores])
        change = weights - prior
        penalty = _PRIOR_ROWS * (change**2 / prior).sum()
        return float(penalty - weight @ log_prob[rows, y]), 2 * _PRIOR_ROWS * change / prior + expected - of_true

    bounds = [(0, None)] * len(prior)
    found = minimize(loss, prior, jac=True, method="L-BFGS-B", bounds=bounds).x
    return found if found.sum() > 0 else prior  # every member is worse than no opinion: scores against the classes
