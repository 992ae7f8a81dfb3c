"""From probabilities to classes: the threshold of a binary classifier, chosen on rows that the models were not fitted on.

The best threshold on a few positive rows is mostly noise. Labels are therefore mixed with what recalibrated probabilities
expect: the fewer rows of the rarer class there are, the more the threshold is the one that holds for a calibrated model, such
as cost_fp / (cost_fp + cost_fn) for costs or half of the best F1 (Lipton et al. 2014, "Optimal thresholding of classifiers to
maximize F1 measure"). docs/decisions/0020-decision.md has the measurements.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from veritable.metrics.checks import check_probabilities, check_weight
from veritable.metrics.counts import Counts
from veritable.metrics.goals import Goal
from veritable.metrics.intervals import FloatArray, Interval, percentile_interval, resample_weights
from veritable.metrics.recalibration import recalibrate

PRIOR_ROWS = 50  # with as many rows of the rarer class, labels and recalibrated probabilities count the same
_TOLERANCE = 1e-12  # metric values closer than this differ only by rounding
_MAX_CELLS = 1000  # different scores that the resamples distinguish
_MAX_RESAMPLES = 500


@dataclass(frozen=True)
class Sweep:
    """Counts for every threshold among the m distinct scores, in descending order.

    Attributes
    ----------
    thresholds
        Distinct scores of the rows with weight, descending; rows with score >= threshold are predicted positive. Shape: (m,)
    counts
        Counts of the negative class (0) and the positive class (1). Shape: (m, 2) each
    """

    thresholds: FloatArray
    counts: Counts


def sweep(positive: NDArray[Any], score: FloatArray, weight: FloatArray) -> Sweep:
    """Count hits and predictions by weight for every distinct score; some row must have weight. Shape: (n,) each"""
    thresholds, last, order = _distinct(score, weight)
    hits, false_hits = (np.cumsum((weight * share)[order])[last] for share in (positive, 1.0 - positive))
    return Sweep(thresholds, _counts(hits[None], false_hits[None]))


def choose_threshold(
    y_true: NDArray[Any], y_prob: NDArray[Any], goal: Goal, *, weight: NDArray[Any] | None = None
) -> float | None:
    """Find the threshold that serves the goal best; None if there are more than two classes.

    The candidates are the midpoints between neighbors among 0, the distinct probabilities and 1. Of equally good candidates,
    the one nearest to 0.5 is chosen.

    Parameters
    ----------
    y_true
        Class codes; 1 is the positive class. Shape: (n,)
    y_prob
        Probabilities. Shape: (n, K)
    weight
        Weight of each row; None: all weights are 1. Shape: (n,)

    Raises
    ------
    ValueError
        There is no row, the shapes do not match, a code is out of range or a probability is invalid.
    UserError
        A weight is negative or not finite, or all are 0.
    """
    y_true, y_prob = check_probabilities(y_true, y_prob)
    if y_prob.shape[1] > 2:
        return None
    weight = check_weight(weight, y_true.size)
    thresholds, last, order = _distinct(y_prob[:, 1], weight)
    positive, negative = (_group(weight * (y_true == code), order, last) for code in (1, 0))
    scale, trust = _trust(y_true, weight)
    return float(_best(thresholds, scale * positive[None], scale * negative[None], goal, trust)[0])


def threshold_interval(
    y_true: NDArray[Any],
    y_prob: NDArray[Any],
    goal: Goal,
    *,
    weight: NDArray[Any] | None = None,
    n_resamples: int = 1000,
    seed: int,
    confidence_level: float = 0.95,
) -> Interval:
    """Compute how far the chosen threshold depends on the rows: the percentile interval of `choose_threshold`, two classes.

    The resamples, at most 500, distinguish at most 1,000 different scores. Parameters and errors are those of
    `choose_threshold`.
    """
    threshold = choose_threshold(y_true, y_prob, goal, weight=weight)
    assert threshold is not None, "the caller has two classes"
    y_true, y_prob = check_probabilities(y_true, y_prob)
    weight = check_weight(weight, y_true.size)
    thresholds, last, order = _distinct(y_prob[:, 1], weight)
    kept = np.unique(np.linspace(0, last.size - 1, min(last.size, _MAX_CELLS)).round().astype(np.intp))
    thresholds, last = thresholds[kept], last[kept]
    scale, trust = _trust(y_true, weight)
    y, w = y_true[order], weight[order]
    starts = np.r_[0, last[:-1] + 1]
    chosen = []
    for times in resample_weights(len(weight), min(n_resamples, _MAX_RESAMPLES), seed):
        drawn = scale * w * times[:, order]
        positive, total = (np.add.reduceat(each, starts, axis=1) for each in (drawn * y, drawn))
        chosen.append(_best(thresholds, positive, total - positive, goal, trust))
    found = percentile_interval(threshold, np.concatenate(chosen), n=y_true.size, confidence_level=confidence_level)
    # the threshold itself is chosen among all scores, so it can lie just outside
    return replace(found, low=min(threshold, float(found.low or 0)), high=max(threshold, float(found.high or 0)))


def best_threshold(positive: NDArray[Any], score: FloatArray, weight: FloatArray, goal: Goal) -> float:
    """Find the threshold that serves the goal best on these rows alone. Shape: (n,) each

    Parameters
    ----------
    positive
        Whether each row is positive, or with which probability.
    """
    swept = sweep(positive, score, weight)
    hits = swept.counts.hits[:, 1]
    return float(_search(swept.thresholds, hits[None], (swept.counts.predicted[:, 1] - hits)[None], goal)[0])


def predict_classes(y_prob: NDArray[Any], threshold: float | None, costs: FloatArray | None = None) -> NDArray[np.int64]:
    """Return the codes of the predicted classes. Shape: (n, K) -> (n,)

    With two classes, the positive class (1) is predicted if its probability is at least the threshold (0.5 if None). With more
    classes, the class of the least expected cost is predicted, or the most probable one without costs and among equal costs.

    Parameters
    ----------
    costs
        Cost of each actual class (row) predicted as each class (column); two classes do not use them. Shape: (K, K)

    Raises
    ------
    ValueError
        A threshold is given for more than two classes.
    """
    y_prob = np.asarray(y_prob, dtype=np.float64)  # a float32 column would round the threshold before the comparison
    if y_prob.shape[1] == 2:
        return (y_prob[:, 1] >= (0.5 if threshold is None else threshold)).astype(np.int64)
    if threshold is not None:
        raise ValueError(f"threshold must be None for {y_prob.shape[1]} classes, but is {threshold}")
    if costs is None:
        codes: NDArray[np.int64] = y_prob.argmax(axis=1).astype(np.int64)
        return codes
    expected = np.einsum("nk,kj->nj", y_prob, costs)  # BLAS may add in a different order for a different number of rows
    equal = expected <= expected.min(axis=1, keepdims=True) + _TOLERANCE * np.abs(costs).max()
    cheapest: NDArray[np.int64] = np.where(equal, y_prob, -1.0).argmax(axis=1).astype(np.int64)
    return cheapest


def _trust(y_true: NDArray[np.intp], weight: FloatArray) -> tuple[float, float]:
    """Return the factor that makes weights rows (Kish's effective number), and how much labels count against expectations."""
    totals = np.bincount(y_true, weight, minlength=2)
    effective = totals.sum() / np.square(weight).sum()
    rows = float(totals.min() * effective)
    return float(effective), rows / (rows + PRIOR_ROWS)


def _best(thresholds: FloatArray, positive: FloatArray, negative: FloatArray, goal: Goal, trust: float) -> FloatArray:
    """Find the best threshold of m samples of the same scores. Shape: (n,), (m, n) rows by score each -> (m,)"""
    total, expected = positive + negative, recalibrate(thresholds, positive, negative)
    mixed = trust * positive + (1 - trust) * total * expected
    return _search(thresholds, np.cumsum(mixed, axis=1), np.cumsum(total - mixed, axis=1), goal)


def _search(thresholds: FloatArray, hits: FloatArray, false_hits: FloatArray, goal: Goal) -> FloatArray:
    """Find the best of the midpoints for m samples at once. Shape: (n,), (m, n) each -> (m,)"""
    above, below = np.r_[1.0, thresholds], np.r_[thresholds, 0.0]
    candidates = (above + below) / 2
    candidates = np.where(candidates > below, candidates, above)  # adjacent floats have no midpoint
    none = np.zeros((len(hits), 1))
    counts = _counts(np.hstack([none, hits]), np.hstack([none, false_hits]))
    values = np.nan_to_num(goal.evaluate(counts), nan=-np.inf).reshape(len(hits), -1)
    if thresholds[0] == 1.0:  # then every threshold up to 1 predicts some row as positive
        values, candidates = values[:, 1:], candidates[1:]
    top = values.max(axis=1, keepdims=True)
    best = values >= top - _TOLERANCE * np.maximum(1, np.abs(top))
    chosen: FloatArray = candidates[np.where(best, np.abs(candidates - 0.5), np.inf).argmin(axis=1)]
    return chosen


def _counts(hits: FloatArray, false_hits: FloatArray) -> Counts:
    """Return the counts of two classes at each threshold; the last predicts every row positive. Shape: (m, n) -> (m * n, 2)"""
    positives, negatives = (np.broadcast_to(each[:, -1:], each.shape) for each in (hits, false_hits))
    predicted = hits + false_hits
    right, actual, assigned = (
        np.stack([first.ravel(), second.ravel()], axis=1)
        for first, second in (
            (negatives - false_hits, hits),
            (negatives, positives),
            (negatives + positives - predicted, predicted),
        )
    )
    return Counts(right, actual, assigned)


def _distinct(score: FloatArray, weight: FloatArray) -> tuple[FloatArray, NDArray[np.intp], NDArray[np.intp]]:
    """Return the distinct scores of rows with weight, descending, the last place of each in that order, and the order."""
    weighty = np.flatnonzero(weight > 0)
    order = weighty[np.argsort(-score[weighty], kind="stable")]
    falling = score[order]
    last = np.flatnonzero(np.r_[falling[1:] != falling[:-1], True])
    return falling[last], last, order


def _group(values: FloatArray, order: NDArray[np.intp], last: NDArray[np.intp]) -> FloatArray:
    """Sum the values of each distinct score."""
    summed: FloatArray = np.add.reduceat(values[order], np.r_[0, last[:-1] + 1])
    return summed
