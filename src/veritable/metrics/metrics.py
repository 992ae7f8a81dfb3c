"""The metrics of a classifier on a part, each with its bootstrap interval.

Two classes: precision, recall, F1, average precision, ROC AUC and Brier score are those of the positive class, the last one.
More: precision, recall, F1 are means over the classes, ROC AUC and average precision means over the classes
of one against the rest, and the Brier score is the sum over classes of the squared error.

A class without a row among those evaluated is left out of every such mean, and a metric that is then undefined is None:
precision, recall, F1 and average precision without a positive row, ROC AUC and MCC with only one class. As in scikit-learn,
precision is 0 for a class that is never predicted, and MCC is 0 when one class is always predicted.

Where rows have weights, each counts by its weight in every metric, and a class has rows where it has weight. Resamples draw
every row equally often, whatever its weight: the weight says what a row stands for, not how often it was seen.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from veritable.metrics.counts import COUNT_METRICS, Counts, mean_where
from veritable.metrics.intervals import FloatArray, Interval, percentile_interval, resample_weights, weighted_mean
from veritable.metrics.ranking import Ranking
from veritable.metrics.sums import GroupSums
from veritable.metrics.weights import check_weight

__all__ = ["METRICS", "Interval", "Predictions", "compute_metrics", "row_losses"]

_CELLS_PER_BLOCK = 2**22  # 32 MB of probabilities are copied at once

METRICS = (
    "accuracy",
    "balanced_accuracy",
    "precision",
    "recall",
    "f1",
    "roc_auc",
    "average_precision",
    "log_loss",
    "brier",
    "mcc",
)


def compute_metrics(
    y_true: NDArray[Any],
    y_prob: NDArray[Any],
    y_pred: NDArray[Any],
    *,
    weight: NDArray[Any] | None = None,
    resamples: int = 1000,
    seed: int,
    confidence: float = 0.95,
    advance: Callable[[int], object] = lambda resamples: None,
) -> dict[str, Interval]:
    """Compute every metric of `METRICS` with its percentile interval from a bootstrap over rows.

    Two classifiers judged on the same rows with the same seed are judged on the same resamples.

    Parameters
    ----------
    y_true, y_pred
        Codes of the classes, 0 to K - 1. Shape (n,).
    y_prob
        Probabilities; each row sums to 1. Shape (n, K).
    weight
        How much each row counts; None: all the same. Shape (n,).
    resamples
        Bootstrap resamples; those in which a metric is undefined are left out of its interval.
    advance
        Called with a number of resamples whenever so many are done.

    Raises
    ------
    ValueError
        The shapes do not match, there is no row, a code is out of range or a probability is not one.
    UserError
        A weight is below 0 or not finite, or all are 0.
    """
    predictions = Predictions(y_true, y_prob, y_pred)
    n = predictions.n
    weight = check_weight(weight, n)
    values = predictions.measure(weight[None])
    chunks = []
    for times in resample_weights(n, resamples, seed):
        times *= weight
        chunks.append(predictions.measure(times))
        advance(len(times))
    return {
        name: percentile_interval(
            float(values[name][0]), np.concatenate([chunk[name] for chunk in chunks]), n=n, confidence=confidence
        )
        for name in METRICS
    }


def row_losses(y_true: NDArray[Any], y_prob: NDArray[Any]) -> dict[str, FloatArray]:
    """Each row's own loss, whose mean is the metric: `log_loss` (in nats) and `brier`. Shape (n,) each.

    A probability of 0 counts as 2.2e-16 in the log loss, as in scikit-learn.

    Raises
    ------
    ValueError
        The shapes do not match, there is no row, a code is out of range or a probability is not one.
    """
    y_true, y_prob = check_rows(y_true, y_prob)
    rows = np.arange(y_true.size)
    smallest = np.finfo(np.float64).eps
    log_loss = -np.log(np.clip(y_prob[rows, y_true], smallest, 1 - smallest))
    if y_prob.shape[1] == 2:
        brier = np.square(y_prob[:, 1] - y_true)
    else:
        blocks = np.array_split(rows, -(-y_prob.size // _CELLS_PER_BLOCK))
        brier = np.concatenate([_squared_error(y_true[block], y_prob[block]) for block in blocks])
    return {"log_loss": log_loss, "brier": brier}


class Predictions:
    """What a classifier predicted for rows whose classes are known, sorted once so that any weighting is cheap.

    Parameters and errors are those of `compute_metrics`.
    """

    def __init__(self, y_true: NDArray[Any], y_prob: NDArray[Any], y_pred: NDArray[Any]) -> None:
        y_true, y_prob = check_rows(y_true, y_prob)
        y_pred = check_codes("y_pred", y_pred, n=y_true.size, n_classes=y_prob.shape[1])
        self.n, n_classes = y_prob.shape
        self._n_classes = n_classes
        self._actual = GroupSums(y_true, n_classes)
        self._predicted = GroupSums(y_pred, n_classes)
        self._hits = GroupSums(np.where(y_true == y_pred, y_true, n_classes), n_classes + 1)
        ranked = [1] if n_classes == 2 else range(n_classes)
        self._rankings = [Ranking(y_true == code, y_prob[:, code]) for code in ranked]
        self._losses = row_losses(y_true, y_prob)

    def measure(self, weights: FloatArray) -> dict[str, FloatArray]:
        """Every metric under each row of weights, Shape (m, n): Shape (m,) each, NaN where undefined."""
        by_row = np.ascontiguousarray(weights.T)
        sums = (groups.of(by_row)[: self._n_classes] for groups in (self._hits, self._actual, self._predicted))
        counts = Counts(*(np.ascontiguousarray(each.T) for each in sums))
        ranked = [ranking.measure(by_row) for ranking in self._rankings]
        metrics = {name: metric(counts) for name, metric in COUNT_METRICS.items()}
        for name, per_class in zip(("roc_auc", "average_precision"), zip(*ranked, strict=True), strict=True):
            stacked = np.stack(per_class, axis=1)
            metrics[name] = mean_where(stacked, ~np.isnan(stacked))
        for name, losses in self._losses.items():
            metrics[name] = weighted_mean(losses, weights)
        return metrics


def _squared_error(y_true: NDArray[np.intp], y_prob: FloatArray) -> FloatArray:
    """Each row's squared error, summed over the classes. Shape (n, K) -> (n,)."""
    error = y_prob.copy()
    error[np.arange(y_true.size), y_true] -= 1
    total: FloatArray = np.square(error, out=error).sum(axis=1)
    return total


def check_rows(y_true: NDArray[Any], y_prob: NDArray[Any]) -> tuple[NDArray[np.intp], FloatArray]:
    """Codes and probabilities as integers and float64, checked. Shape (n,) and (n, K)."""
    y_prob = np.asarray(y_prob, dtype=np.float64)
    if y_prob.ndim != 2 or y_prob.shape[0] < 1 or y_prob.shape[1] < 2:
        raise ValueError(f"y_prob must have Shape (n, K) with n >= 1 and K >= 2, however: y_prob.shape={y_prob.shape}")
    if not (np.isfinite(y_prob).all() and y_prob.min() >= 0 and np.allclose(y_prob.sum(axis=1), 1, atol=1e-4)):
        raise ValueError("y_prob must hold probabilities, each row of them summing to 1, however it does not")
    return check_codes("y_true", y_true, n=y_prob.shape[0], n_classes=y_prob.shape[1]), y_prob


def check_codes(name: str, codes: NDArray[Any], *, n: int, n_classes: int) -> NDArray[np.intp]:
    """Codes as integers, checked. Shape (n,)."""
    codes = np.asarray(codes)
    if codes.shape != (n,) or codes.dtype.kind not in "iu":
        raise ValueError(f"{name} must be integers of Shape ({n},), however: {codes.dtype}, shape={codes.shape}")
    if codes.min() < 0 or codes.max() >= n_classes:
        raise ValueError(f"{name} must be codes from 0 to {n_classes - 1}, however: {codes.min()} to {codes.max()}")
    return codes.astype(np.intp)
