"""How well a classifier predicts new rows whose classes are known, compared with the rows held out when it was trained."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from veritable.metrics.counts import Counts
from veritable.metrics.goals import Goal
from veritable.metrics.intervals import FloatArray, Interval, percentile_interval, resample_weights
from veritable.metrics.outcomes import CONFIDENCE, Outcomes
from veritable.metrics.thresholds import choose_threshold

MIN_ROWS, MIN_CLASS_ROWS = 100, 10  # labeled rows, and rows of a class that is not the only one
MAX_LOST_GAIN, MIN_LOSS = 0.1, 0.01  # share of the gain that may be lost, and the least loss in nats that matters
MAX_AUC_LOSS = 0.03
MAX_THRESHOLD_GAIN, MAX_SAVING = 0.03, 0.1  # of the metric, and as a share of the cost
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
        By how much the metric of the decision rises, or the cost per row falls, if the threshold is chosen anew on other new
        rows; None if that does not apply.
    threshold_limit
        Above which gain the threshold no longer fits.
    goal
        What the decision aims at, in words.
    unlabeled
        Number of rows without a class; they are left out.
    """

    outcomes: Outcomes
    differences: Mapping[str, Interval]
    margin: float
    held_out_gain: float
    threshold: Interval | None
    threshold_limit: float
    goal: str
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
            found.append(f"The log loss is {metrics['log_loss'].value:.3f}, {_signed(loss)} above that of the rows held out")
        if auc.value is not None and auc.high is not None and auc.value < -MAX_AUC_LOSS and auc.high < 0:
            found.append(f"ROC AUC is {metrics['roc_auc'].value:.3f}, {_signed(auc)} compared with the rows held out")
        low = metrics["log_loss"].low
        entropy = self.outcomes.gain + (metrics["log_loss"].value or 0.0)
        if self.held_out_gain > 0 and low is not None and low > entropy:
            found.append("Predicting the shares of the classes for every row has a lower log loss than the classifier")
        if self.threshold is not None and _above(self.threshold, self.threshold_limit):
            found.append(
                f"The threshold no longer fits: one chosen on other rows of this table, for {self.goal}, is better by "
                f"{_signed(self.threshold)}"
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
            "goal": self.goal,
            "unlabeled": self.unlabeled,
            "few": self.few,
            "faults": self.faults,
            "held": self.held,
        }


def judge_truth(
    outcomes: Outcomes, held_out: Outcomes, threshold: tuple[Interval, float] | None, goal: Goal | None, unlabeled: int
) -> Truth:
    """Compare the metrics of new rows with those of the rows held out."""
    differences = {name: difference(each, held_out.metrics[name]) for name, each in outcomes.metrics.items()}
    assert outcomes.actual is not None
    assert held_out.actual is not None
    if ((outcomes.actual > 0) != (held_out.actual > 0)).any():  # means over different classes cannot be compared
        differences |= {name: Interval(None, None, None, differences[name].n) for name in ("roc_auc", "average_precision")}
    margin = max(MAX_LOST_GAIN * held_out.gain, MIN_LOSS)
    gain, limit = threshold or (None, MAX_THRESHOLD_GAIN)
    return Truth(outcomes, differences, margin, held_out.gain, gain, limit, goal.describe() if goal else "", unlabeled)


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
    y_true: NDArray[Any], y_prob: FloatArray, y_pred: NDArray[Any], goal: Goal, weight: FloatArray | None
) -> tuple[Interval, float] | None:
    """Return by how much the goal is served better if the threshold is chosen anew, and above which gain it no longer fits.

    The rows must be in random order. Each half of them is judged at the threshold that is best for the other half, so that
    chance does not count as a gain. None if there are more than two classes or too few rows.
    """
    n = len(y_true)
    if y_prob.shape[1] != 2 or n < MIN_THRESHOLD_ROWS or min(np.bincount(y_true, minlength=2)) < MIN_CLASS_ROWS:
        return None
    anew = np.empty(n, dtype=np.int64)
    halves = (slice(0, n // 2), slice(n // 2, n))
    for own, other in (halves, halves[::-1]):
        chosen = choose_threshold(y_true[other], y_prob[other], goal, weight=None if weight is None else weight[other])
        assert chosen is not None, "there are two classes"
        anew[own] = y_prob[own, 1] >= chosen
    weights = np.ones(n) if weight is None else weight
    before = _evaluate(goal, y_true, y_pred, weights[None])
    gain = _evaluate(goal, y_true, anew, weights[None]) - before
    resampled = [
        _evaluate(goal, y_true, anew, times * weights) - _evaluate(goal, y_true, y_pred, times * weights)
        for times in resample_weights(n, _RESAMPLES, _SEED)
    ]
    limit = MAX_THRESHOLD_GAIN if goal.costs is None else MAX_SAVING * abs(float(before[0]))
    return percentile_interval(float(gain[0]), np.concatenate(resampled), n=n, confidence_level=CONFIDENCE), limit


def _evaluate(goal: Goal, y_true: NDArray[Any], y_pred: NDArray[Any], weights: FloatArray) -> FloatArray:
    """Compute how good a decision is for each row of weights. Shape: (n,), (n,), (m, n) -> (m,)"""
    hits, actual, predicted = (
        np.stack([np.einsum("rn,n->r", weights, each.astype(np.float64)) for each in by_class], axis=1)
        for by_class in (
            [(y_true == code) & (y_pred == code) for code in (0, 1)],
            [y_true == code for code in (0, 1)],
            [y_pred == code for code in (0, 1)],
        )
    )
    return goal.evaluate(Counts(hits, actual, predicted))


def _above(interval: Interval, limit: float) -> bool:
    return interval.value is not None and interval.low is not None and interval.value > limit and interval.low > 0


def _signed(interval: Interval) -> str:
    return f"{interval.value:+.3f} [{interval.low:+.3f}, {interval.high:+.3f}]"
