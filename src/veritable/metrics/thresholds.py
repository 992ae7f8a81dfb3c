"""From probabilities to classes: the threshold of a binary classifier, chosen on the valid part, never on test."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from veritable.metrics.counts import COUNT_METRICS, Counts
from veritable.metrics.intervals import FloatArray
from veritable.metrics.params import ThresholdMetric
from veritable.metrics.weights import check_weight

_SAME = 1e-12  # values nearer than this differ by rounding alone


@dataclass(frozen=True)
class Sweep:
    """What becomes of the rows as the threshold falls over the m distinct scores, the highest first.

    Attributes
    ----------
    thresholds
        The distinct scores of rows with weight, falling; rows with score >= threshold are predicted positive. Shape (m,).
    counts
        Of the negative (0) and the positive class (1). Shape (m, 2) each.
    """

    thresholds: FloatArray
    counts: Counts


def sweep(positive: NDArray[np.bool_], score: FloatArray, weight: FloatArray) -> Sweep:
    """Count hits and misses at every distinct score at once, by weight, of which some row has some. Shape (n,) each."""
    weighty = weight > 0
    if not weighty.all():
        positive, score, weight = positive[weighty], score[weighty], weight[weighty]
    order = np.argsort(-score, kind="stable")
    falling, weight = score[order], weight[order]
    last = np.flatnonzero(np.r_[falling[1:] != falling[:-1], True])  # of each group of equal scores
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
    y_true: NDArray[Any], y_score: NDArray[Any], metric: ThresholdMetric, *, weight: NDArray[Any] | None = None
) -> float:
    """Find the threshold with the highest value of the metric on these rows, those of the valid part.

    Tried are the midpoints between neighbours among 0, the distinct scores and 1; of equally good ones the nearest
    to 0.5 is taken.

    Parameters
    ----------
    y_true
        1 for the positive class, else 0. Shape (n,).
    y_score
        Probability of the positive class. Shape (n,).
    weight
        How much each row counts; None: all the same. Shape (n,).

    Raises
    ------
    ValueError
        There is no row, the shapes differ, a score lies outside 0 to 1 or the metric is unknown.
    UserError
        A weight is below 0 or not finite, or all are 0.
    """
    y_true, y_score = np.asarray(y_true), np.asarray(y_score, dtype=np.float64)
    if y_true.shape != y_score.shape or y_score.ndim != 1 or y_score.size == 0:
        raise ValueError(f"y_true and y_score must have Shape (n,), n >= 1, however: {y_true.shape} and {y_score.shape}")
    if not ((y_score >= 0) & (y_score <= 1)).all():
        raise ValueError(f"y_score must lie between 0 and 1, however: {y_score.min()} to {y_score.max()}")
    if metric not in COUNT_METRICS:
        raise ValueError(f"metric must be one of {', '.join(COUNT_METRICS)}, however: metric={metric!r}")

    swept = sweep(y_true == 1, y_score, check_weight(weight, y_true.size))
    values = np.nan_to_num(COUNT_METRICS[metric](_with_none_predicted(swept.counts)), nan=-np.inf)
    above, below = np.r_[1.0, swept.thresholds], np.r_[swept.thresholds, 0.0]
    candidates = (above + below) / 2
    candidates = np.where(candidates > below, candidates, above)  # neighbouring floats have no midpoint
    if swept.thresholds[0] == 1.0:  # no threshold up to 1 predicts no row as positive
        values, candidates = values[1:], candidates[1:]
    best = candidates[values >= values.max() - _SAME]
    return float(best[np.argmin(np.abs(best - 0.5))])


def predict_labels(y_prob: NDArray[Any], threshold: float | None) -> NDArray[np.int64]:
    """Codes of the predicted classes. Shape (n, K) -> (n,).

    Two classes: the positive one (1) from the threshold on; without a threshold, from 0.5 on. More: the likeliest class.

    Raises
    ------
    ValueError
        A threshold is given for more than two classes.
    """
    y_prob = np.asarray(y_prob, dtype=np.float64)  # a float32 column would round the threshold before comparing
    if y_prob.shape[1] == 2:
        return (y_prob[:, 1] >= (0.5 if threshold is None else threshold)).astype(np.int64)
    if threshold is not None:
        raise ValueError(f"threshold must be None for {y_prob.shape[1]} classes, however: threshold={threshold}")
    labels: NDArray[np.int64] = y_prob.argmax(axis=1).astype(np.int64)
    return labels


def _with_none_predicted(counts: Counts) -> Counts:
    """The counts, and before them those of a threshold above every score."""
    actual = counts.actual[:1]
    hits = actual * [1.0, 0.0]
    predicted = np.array([[actual.sum(), 0.0]])
    return Counts(
        hits=np.concatenate([hits, counts.hits]),
        actual=np.concatenate([actual, counts.actual]),
        predicted=np.concatenate([predicted, counts.predicted]),
    )
