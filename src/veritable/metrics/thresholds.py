"""From probabilities to classes: the threshold of a binary classifier, chosen on the valid part."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from veritable.metrics.checks import check_weight
from veritable.metrics.counts import COUNT_METRICS, Counts
from veritable.metrics.intervals import FloatArray
from veritable.metrics.params import ThresholdMetric

_TOLERANCE = 1e-12  # metric values closer than this differ only by rounding


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


def sweep(positive: NDArray[np.bool_], score: FloatArray, weight: FloatArray) -> Sweep:
    """Count hits and predictions by weight for every distinct score; some row must have weight. Shape: (n,) each"""
    weighty = weight > 0
    if not weighty.all():
        positive, score, weight = positive[weighty], score[weighty], weight[weighty]
    order = np.argsort(-score, kind="stable")
    falling, weight = score[order], weight[order]
    last = np.flatnonzero(np.r_[falling[1:] != falling[:-1], True])  # last row of each group of equal scores
    hits, false_hits = (np.cumsum(weight * chosen)[last] for chosen in (positive[order], ~positive[order]))
    positives, negatives = float(hits[-1]), float(false_hits[-1])
    predicted = hits + false_hits
    counts = Counts(
        hits=np.stack([negatives - false_hits, hits], axis=1),
        actual=np.broadcast_to([negatives, positives], (last.size, 2)).copy(),
        predicted=np.stack([negatives + positives - predicted, predicted], axis=1),
    )
    return Sweep(falling[last], counts)


def choose_threshold(
    y_true: NDArray[Any], y_prob: NDArray[Any], metric: ThresholdMetric, *, weight: NDArray[Any] | None = None
) -> float | None:
    """Find the threshold that maximizes the metric on these rows; None if there are more than two classes.

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
        There is no row, the shapes do not match, a probability is outside [0, 1] or the metric is unknown.
    UserError
        A weight is negative or not finite, or all are 0.

    Examples
    --------
    >>> positive = np.array([0.1, 0.2, 0.3, 0.9])
    >>> choose_threshold(np.array([0, 0, 1, 1]), np.column_stack([1 - positive, positive]), "f1")
    0.25
    """
    y_true, y_prob = np.asarray(y_true), np.asarray(y_prob, dtype=np.float64)
    if y_prob.ndim != 2 or y_true.shape != y_prob.shape[:1] or y_true.size == 0:
        raise ValueError(
            f"y_true and y_prob must have Shape (n,) and (n, K) with n >= 1, but have {y_true.shape} and {y_prob.shape}"
        )
    if not ((y_prob >= 0) & (y_prob <= 1)).all():
        raise ValueError(f"y_prob must be between 0 and 1, but ranges from {y_prob.min()} to {y_prob.max()}")
    if metric not in COUNT_METRICS:
        raise ValueError(f"metric must be one of {', '.join(COUNT_METRICS)}, but is {metric!r}")
    if y_prob.shape[1] > 2:
        return None

    swept = sweep(y_true == 1, y_prob[:, 1], check_weight(weight, y_true.size))
    values = np.nan_to_num(COUNT_METRICS[metric](_with_none_predicted(swept.counts)), nan=-np.inf)
    above, below = np.r_[1.0, swept.thresholds], np.r_[swept.thresholds, 0.0]
    candidates = (above + below) / 2
    candidates = np.where(candidates > below, candidates, above)  # adjacent floats have no midpoint
    if swept.thresholds[0] == 1.0:  # then every threshold up to 1 predicts some row as positive
        values, candidates = values[1:], candidates[1:]
    best = candidates[values >= values.max() - _TOLERANCE]
    return float(best[np.argmin(np.abs(best - 0.5))])


def predict_classes(y_prob: NDArray[Any], threshold: float | None) -> NDArray[np.int64]:
    """Return the codes of the predicted classes. Shape: (n, K) -> (n,)

    With two classes, the positive class (1) is predicted if its probability is at least the threshold (0.5 if None). With more
    classes, the most probable class is predicted.

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
    codes: NDArray[np.int64] = y_prob.argmax(axis=1).astype(np.int64)
    return codes


def _with_none_predicted(counts: Counts) -> Counts:
    """Prepend the counts of a threshold above every score."""
    actual = counts.actual[:1]
    hits = actual * [1.0, 0.0]
    predicted = np.array([[actual.sum(), 0.0]])
    return Counts(
        hits=np.concatenate([hits, counts.hits]),
        actual=np.concatenate([actual, counts.actual]),
        predicted=np.concatenate([predicted, counts.predicted]),
    )
