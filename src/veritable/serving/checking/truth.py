"""How well a classifier predicts new rows whose classes are known, compared with the rows held out when it was trained."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from veritable.metrics.counts import COUNT_METRICS, Counts
from veritable.metrics.intervals import FloatArray, Interval, percentile_interval, resample_weights
from veritable.metrics.outcomes import CONFIDENCE, Outcomes
from veritable.metrics.params import ThresholdMetric
from veritable.metrics.thresholds import choose_threshold

MIN_ROWS, MIN_CLASS_ROWS = 100, 10  # labeled rows, and rows of a class that is not the only one
MAX_LOST_GAIN, MIN_LOSS = 0.1, 0.01  # share of the gain that may be lost, and the least loss in nats that matters
MAX_AUC_LOSS = 0.03
MAX_THRESHOLD_GAIN = 0.03
MIN_THRESHOLD_ROWS = 200
_RESAMPLES, _SEED = 1_000, 0


@dataclass(frozen=True)
class Truth:
    """Metrics of new rows whose classes are known.

    Attributes
    ----------
    outcomes
        Predictions for these rows, with metrics.
    differences
        Each metric less that of the rows held out, with an interval.
    margin
        Increase of the log loss that is too much: a tenth of what the classifier gains over the shares of the classes.
    threshold
        By how much the metric of the threshold rises if the threshold is chosen anew on other new rows; None if that does not
        apply.
    unlabeled
        Number of rows without a class; they are left out.
    """

    outcomes: Outcomes
    differences: Mapping[str, Interval]
    margin: float
    held_out_gain: float
    threshold: Interval | None
    metric: ThresholdMetric
    unlabeled: int

    @property
    def few(self) -> bool:
        """Whether there are too few rows to judge."""
        assert self.outcomes.actual is not None
        rows = self.outcomes.metrics["log_loss"].n
        present = self.outcomes.actual[self.outcomes.actual > 0]
        return rows < MIN_ROWS or (len(present) > 1 and float(np.sort(present)[-2]) * rows < MIN_CLASS_ROWS)

    @property
    def faults(self) -> list[str]:
        """What is worse than on the rows held out, and by how much; empty if nothing is shown to be."""
        if self.few:
            return []
        metrics, found = self.outcomes.metrics, []
        loss, auc = self.differences["log_loss"], self.differences["roc_auc"]
        if _above(loss, self.margin):
            found.append(f"the log loss is {metrics['log_loss'].value:.3f}, {_signed(loss)} above that of the rows held out")
        if auc.value is not None and auc.high is not None and auc.value < -MAX_AUC_LOSS and auc.high < 0:
            found.append(f"ROC AUC is {metrics['roc_auc'].value:.3f}, {_signed(auc)} compared with the rows held out")
        low = metrics["log_loss"].low
        entropy = self.outcomes.gain + (metrics["log_loss"].value or 0.0)
        if self.held_out_gain > 0 and low is not None and low > entropy:
            found.append("predicting the shares of the classes for every row has a lower log loss than the classifier")
        if self.threshold is not None and _above(self.threshold, MAX_THRESHOLD_GAIN):
            found.append(
                "the threshold no longer fits: with one chosen on other rows of this table, "
                f"{self.metric.replace('_', ' ')} changes by {_signed(self.threshold)}"
            )
        return found

    @property
    def held(self) -> bool:
        """Whether it is shown that the log loss has not increased by more than the margin, and nothing else is worse."""
        high = self.differences["log_loss"].high
        return not self.few and not self.faults and high is not None and high <= self.margin and self.outcomes.gain > 0

    def to_json(self) -> dict[str, Any]:
        """Return a dict of JSON types."""
        return {
            "outcomes": self.outcomes.to_json(),
            "differences": {name: asdict(each) for name, each in self.differences.items()},
            "margin": self.margin,
            "threshold_gain": None if self.threshold is None else asdict(self.threshold),
            "metric": self.metric,
            "unlabeled": self.unlabeled,
            "few": self.few,
            "faults": self.faults,
            "held": self.held,
        }


def judge_truth(
    outcomes: Outcomes, held_out: Outcomes, threshold: Interval | None, metric: ThresholdMetric, unlabeled: int
) -> Truth:
    """Compare the metrics of new rows with those of the rows held out."""
    differences = {name: difference(each, held_out.metrics[name]) for name, each in outcomes.metrics.items()}
    assert outcomes.actual is not None
    assert held_out.actual is not None
    if ((outcomes.actual > 0) != (held_out.actual > 0)).any():  # means over different classes cannot be compared
        differences |= {name: Interval(None, None, None, differences[name].n) for name in ("roc_auc", "average_precision")}
    margin = max(MAX_LOST_GAIN * held_out.gain, MIN_LOSS)
    return Truth(outcomes, differences, margin, held_out.gain, threshold, metric, unlabeled)


def difference(new: Interval, old: Interval) -> Interval:
    """Return new - old with the interval of Zou & Donner 2008 for independent samples ("square-and-add")."""
    if None in (new.value, new.low, new.high, old.value, old.low, old.high):
        return Interval(None, None, None, new.n)
    assert new.value is not None and new.low is not None and new.high is not None
    assert old.value is not None and old.low is not None and old.high is not None
    value = new.value - old.value
    low = value - np.hypot(new.value - new.low, old.high - old.value)
    high = value + np.hypot(new.high - new.value, old.value - old.low)
    return Interval(value, float(low), float(high), new.n)


def threshold_gain(
    y_true: NDArray[Any], y_prob: FloatArray, y_pred: NDArray[Any], metric: ThresholdMetric, weight: FloatArray | None
) -> Interval | None:
    """Return by how much the metric rises if the threshold is chosen anew. The rows must be in random order.

    Each half of the rows is judged at the threshold that is best for the other half, so that chance does not count as a gain.
    None if there are more than two classes or too few rows.
    """
    n = len(y_true)
    if y_prob.shape[1] != 2 or n < MIN_THRESHOLD_ROWS or min(np.bincount(y_true, minlength=2)) < MIN_CLASS_ROWS:
        return None
    anew = np.empty(n, dtype=np.int64)
    halves = (slice(0, n // 2), slice(n // 2, n))
    for own, other in (halves, halves[::-1]):
        chosen = choose_threshold(y_true[other], y_prob[other], metric, weight=None if weight is None else weight[other])
        assert chosen is not None
        anew[own] = y_prob[own, 1] >= chosen
    weights = np.ones(n) if weight is None else weight
    gain = _count_metric(metric, y_true, anew, weights[None]) - _count_metric(metric, y_true, y_pred, weights[None])
    resampled = [
        _count_metric(metric, y_true, anew, times * weights) - _count_metric(metric, y_true, y_pred, times * weights)
        for times in resample_weights(n, _RESAMPLES, _SEED)
    ]
    return percentile_interval(float(gain[0]), np.concatenate(resampled), n=n, confidence_level=CONFIDENCE)


def _count_metric(metric: ThresholdMetric, y_true: NDArray[Any], y_pred: NDArray[Any], weights: FloatArray) -> FloatArray:
    """Compute a metric for each row of weights. Shape: (n,), (n,), (m, n) -> (m,)"""
    hits, actual, predicted = (
        np.stack([np.einsum("rn,n->r", weights, each.astype(np.float64)) for each in by_class], axis=1)
        for by_class in (
            [(y_true == code) & (y_pred == code) for code in (0, 1)],
            [y_true == code for code in (0, 1)],
            [y_pred == code for code in (0, 1)],
        )
    )
    return COUNT_METRICS[metric](Counts(hits, actual, predicted))


def _above(interval: Interval, limit: float) -> bool:
    return interval.value is not None and interval.low is not None and interval.value > limit and interval.low > 0


def _signed(interval: Interval) -> str:
    return f"{interval.value:+.3f} [{interval.low:+.3f}, {interval.high:+.3f}]"
