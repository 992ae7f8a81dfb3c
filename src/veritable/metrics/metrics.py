"""Metrics of a classifier on a part, each with its interval: of the bootstrap, or Wilson's where that has no width.

With two classes, precision, recall, F1, average precision, ROC AUC and Brier score are those of the positive class (code 1).
With more classes, precision, recall and F1 are means over the classes, ROC AUC and average precision are means of one class
against the rest, and the Brier score is the squared error summed over the classes.

Classes without a row are excluded from these means. A metric that is then undefined is None: precision, recall, F1 and average
precision without a positive row, ROC AUC and MCC with only one class. As in scikit-learn, precision is 0 for a class that is
never predicted, and MCC is 0 if one class is always predicted.

If rows have weights, each row counts by its weight in every metric, and a class is present if it has weight. The resamples draw
every row with the same probability whatever its weight: the weight says what a row stands for, not how often it was observed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from veritable.metrics.checks import check_codes, check_probabilities, check_weight
from veritable.metrics.counts import COUNT_METRICS, Counts, mean_where
from veritable.metrics.intervals import FloatArray, Interval, percentile_interval, resample_weights, weighted_mean
from veritable.metrics.losses import brier_losses, log_losses
from veritable.metrics.ranking import Ranking
from veritable.metrics.shares import effective_rows, normal_quantile, wilson_interval
from veritable.metrics.sums import GroupSums

__all__ = ["METRICS", "Interval", "Predictions", "Resampled", "compute_metrics", "resample_metrics"]

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
_ROUNDING = 1e-9  # more than metrics that are equal differ by rounding


@dataclass(frozen=True)
class Resampled:
    """Metrics of one classifier on some rows, and on bootstrap resamples of them.

    Attributes
    ----------
    values
        Metrics on the rows by name; NaN if undefined.
    resampled
        Metrics on the resamples by name; NaN if undefined. Shape: (n_resamples,) each
    n
        Number of rows.
    effective
        Effective number of rows, at least, that each metric between fixed limits is computed from, by name.
    """

    values: Mapping[str, float]
    resampled: Mapping[str, FloatArray]
    n: int
    effective: Mapping[str, float]

    def intervals(self, confidence_level: float) -> dict[str, Interval]:
        """Return the percentile interval of each metric. Resamples in which it is undefined are excluded.

        Resamples of rows that are all right, or all wrong, give the same value each time, which does not make it certain. A
        metric at the end of its range then has Wilson's interval for the rows of its rarest class. That is the interval of a
        share; means over classes, and ROC AUC (van Dantzig, 1951), vary no more than such a share; for F1, average precision
        and MCC it is an approximation.
        """
        found = {}
        for name, value in self.values.items():
            own = percentile_interval(value, self.resampled[name], n=self.n, confidence_level=confidence_level)
            lowest = -1.0 if name == "mcc" else 0.0
            share = (value - lowest) / (1 - lowest)
            narrow = own.low is not None and own.high is not None and own.high - own.low < _ROUNDING
            if narrow and min(share, 1 - share) < _ROUNDING and name in self.effective:
                rows, z = np.array([self.effective[name]]), normal_quantile(confidence_level)
                low, high = (lowest + (1 - lowest) * float(end[0]) for end in wilson_interval(np.array([share]), rows, z))
                own = Interval(value, low, high, self.n)
            found[name] = own
        return found


def compute_metrics(
    y_true: NDArray[Any],
    y_prob: NDArray[Any],
    y_pred: NDArray[Any],
    *,
    weight: NDArray[Any] | None = None,
    n_resamples: int = 1000,
    seed: int,
    confidence_level: float = 0.95,
) -> dict[str, Interval]:
    """Compute every metric of `METRICS` with its percentile interval from a bootstrap over the rows.

    Parameters and errors are those of `resample_metrics`.
    """
    resampled = resample_metrics(y_true, y_prob, y_pred, weight=weight, n_resamples=n_resamples, seed=seed)
    return resampled.intervals(confidence_level)


def resample_metrics(
    y_true: NDArray[Any],
    y_prob: NDArray[Any],
    y_pred: NDArray[Any],
    *,
    weight: NDArray[Any] | None = None,
    n_resamples: int = 1000,
    seed: int,
    advance: Callable[[int], object] = lambda resamples: None,
) -> Resampled:
    """Compute every metric of `METRICS` on the rows and on bootstrap resamples of them.

    Two classifiers evaluated on the same rows with the same seed use the same resamples.

    Parameters
    ----------
    y_true, y_pred
        Class codes, 0 to K - 1. Shape: (n,)
    y_prob
        Probabilities; each row sums to 1. Shape: (n, K)
    weight
        Weight of each row; None: all weights are 1. Shape: (n,)
    n_resamples
        Number of bootstrap resamples.
    advance
        Progress callback, called with the number of resamples computed since the last call.

    Raises
    ------
    ValueError
        The shapes do not match, there is no row, a code is out of range or a probability is invalid.
    UserError
        A weight is negative or not finite, or all are 0.
    """
    predictions = Predictions(y_true, y_prob, y_pred)
    n = predictions.n
    weight = check_weight(weight, n)
    values = predictions.measure(weight[None])
    chunks = []
    for times in resample_weights(n, n_resamples, seed):
        times *= weight
        chunks.append(predictions.measure(times))
        advance(len(times))
    return Resampled(
        {name: float(values[name][0]) for name in METRICS},
        {name: np.concatenate([chunk[name] for chunk in chunks]) for name in METRICS},
        n,
        predictions.count_rows(weight),
    )


class Predictions:
    """Predictions for rows whose classes are known, sorted once so that metrics can be computed for any weighting.

    Parameters and errors are those of `resample_metrics`.
    """

    def __init__(self, y_true: NDArray[Any], y_prob: NDArray[Any], y_pred: NDArray[Any]) -> None:
        y_true, y_prob = check_probabilities(y_true, y_prob)
        y_pred = check_codes("y_pred", y_pred, n=y_true.size, n_classes=y_prob.shape[1])
        self.n, n_classes = y_prob.shape
        self._n_classes = n_classes
        self._actual = GroupSums(y_true, n_classes)
        self._predicted = GroupSums(y_pred, n_classes)
        self._hits = GroupSums(np.where(y_true == y_pred, y_true, n_classes), n_classes + 1)
        ranked = [1] if n_classes == 2 else range(n_classes)
        self._rankings = [Ranking(y_true == code, y_prob[:, code]) for code in ranked]
        self._losses = {"log_loss": log_losses(y_true, y_prob), "brier": brier_losses(y_true, y_prob)}

    def measure(self, weights: FloatArray) -> dict[str, FloatArray]:
        """Compute every metric for each row of weights; NaN if undefined. Shape: (m, n) -> (m,) each"""
        by_row = np.ascontiguousarray(weights.T)
        sums = (groups.compute(by_row)[: self._n_classes] for groups in (self._hits, self._actual, self._predicted))
        counts = Counts(*(np.ascontiguousarray(each.T) for each in sums))
        ranked = [ranking.measure(by_row) for ranking in self._rankings]
        metrics = {name: metric(counts) for name, metric in COUNT_METRICS.items()}
        for name, per_class in zip(("roc_auc", "average_precision"), zip(*ranked, strict=True), strict=True):
            stacked = np.stack(per_class, axis=1)
            metrics[name] = mean_where(stacked, ~np.isnan(stacked))
        for name, losses in self._losses.items():
            metrics[name] = weighted_mean(losses, weights)
        return metrics

    def count_rows(self, weight: FloatArray) -> dict[str, float]:
        """Count the effective rows, at least, that each metric between fixed limits is computed from. Shape: (n,) -> by name"""
        squares = np.square(weight)
        total = float(effective_rows(weight.sum(), squares.sum()))
        sums = [
            [groups.compute(each[:, None])[:, 0] for each in (weight, squares)] for groups in (self._actual, self._predicted)
        ]
        actual, predicted = (effective_rows(*each) for each in sums)
        present = actual > 0
        rarest = float(actual[present].min())
        positive, flagged = (actual[1], predicted[1]) if self._n_classes == 2 else (rarest, predicted[present].min())
        counted = dict.fromkeys(("balanced_accuracy", "roc_auc", "mcc"), rarest)
        counted |= dict.fromkeys(("recall", "f1", "average_precision"), float(positive))
        return counted | {"accuracy": total, "precision": float(flagged)}
