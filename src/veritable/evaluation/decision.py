"""What the decisions of a classifier mean on the test part: counts and costs of 1,000 rows, and the fit of the threshold."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from veritable.evaluation.params import EvaluateParams
from veritable.evaluation.predictions import PartPredictions
from veritable.metrics.checks import check_weight
from veritable.metrics.counts import Counts
from veritable.metrics.goals import Goal, constrained
from veritable.metrics.intervals import (
    FloatArray,
    Interval,
    divide,
    percentile_interval,
    resample_weights,
    weighted_mean,
)
from veritable.metrics.sums import GroupSums
from veritable.metrics.thresholds import choose_threshold, predict_classes, threshold_interval

MIN_CLASS_ROWS = 30  # of the rarer class: with fewer, a threshold is mostly its prior, and no half of them can choose one


@dataclass(frozen=True)
class Decision:
    """Facts about the decisions of a classifier.

    Attributes
    ----------
    goal
        What the threshold was chosen for.
    classes
        Names of the classes; of two, the second is the positive one.
    rows
        Rows of each class by part: "held_out", on which the threshold was chosen, and "test". Shape: (K,) each
    threshold
        The threshold with its interval over other held-out rows; None if there are more than two classes.
    of_1000
        Of 1,000 test rows: `flagged`, flagged `right`, and `missed`; empty if there are more than two classes.
    flagged
        Share of the rows that are flagged by part, and their `difference`, test minus held_out; empty as above.
    refit
        By how much the goal would improve on test if the threshold were chosen there, on the other half of the rows each; None
        with a constraint, more than two classes, or too few rows.
    limited
        What the constraint limits, by part; empty without one.
    costs
        Cost of 1,000 test rows of the `classifier`, of always predicting the `commonest_class` and the `cheapest_class` of the
        held-out rows, and of each baseline; empty without costs.
    saved
        Cost of the cheapest class minus that of the classifier; None without costs.
    constants
        Names of the commonest and the cheapest class.
    """

    goal: Goal
    classes: list[str]
    rows: Mapping[str, NDArray[np.intp]]
    threshold: Interval | None
    of_1000: Mapping[str, Interval]
    flagged: Mapping[str, Interval]
    refit: Interval | None
    limited: Mapping[str, Interval]
    costs: Mapping[str, Interval]
    saved: Interval | None
    constants: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """Return the facts as a JSON object, with the sentences `rule` and `counts`."""
        facts = asdict(self) | {"goal": self.goal.to_json(), "rows": {part: rows.tolist() for part, rows in self.rows.items()}}
        return facts | {"rule": self.rule(), "counts": self.counts()}

    def rule(self) -> str:
        """State in words how a class is predicted."""
        held_out = int(self.rows["held_out"].sum())
        if self.threshold is None:
            return f"The class of {'the least expected cost' if self.goal.costs else 'the highest probability'} is predicted."
        at, low, high = (f"{float(end or 0):.3g}" for end in (self.threshold.value, self.threshold.low, self.threshold.high))
        return (
            f"'{self.classes[1]}' is predicted from a probability of {at} [{low}, {high}] upwards, chosen for "
            f"{self.goal.describe()} on {held_out:,} rows that the models were not fitted on."
        )

    def counts(self) -> str:
        """State how many of 1,000 test rows are flagged, how many of them rightly, and how many are missed."""
        if not self.of_1000:
            return ""
        flagged, right, missed = (_number(self.of_1000[name].value) for name in ("flagged", "right", "missed"))
        return f"Of 1,000 rows {flagged} are flagged as '{self.classes[1]}', {right} of them rightly, and {missed} are missed."


def judge_decisions(
    goal: Goal,
    classes: list[str],
    test: PartPredictions,
    held_out: PartPredictions,
    baselines: Mapping[str, NDArray[Any]],
    params: EvaluateParams,
) -> Decision:
    """Compute the facts about the decisions of a classifier.

    Parameters
    ----------
    held_out
        The rows that the threshold was chosen on.
    baselines
        Classes that each baseline predicts for the test rows. Shape: (n,) each
    """
    weight, own_weight = (check_weight(each.weight, len(each.row)) for each in (test, held_out))
    n_classes = len(classes)
    rows = {name: np.bincount(each.y_true, minlength=n_classes) for name, each in (("held_out", held_out), ("test", test))}
    binary, matrix = n_classes == 2, goal.cost_matrix
    quantities: dict[str, Callable[[FloatArray], FloatArray]] = {}
    if binary:
        cells = _Cells(test.y_true, test.y_pred)
        quantities |= {
            "flagged": lambda weights: 1000 * cells.shares(weights)[:, [1, 3]].sum(axis=1),
            "right": lambda weights: 1000 * cells.shares(weights)[:, 3],
            "missed": lambda weights: 1000 * cells.shares(weights)[:, 2],
        }
        if goal.constraint is not None:
            quantities["limited"] = lambda weights: constrained(goal.limit[0], cells.counts(weights))
        elif min(rows["test"]) >= MIN_CLASS_ROWS:
            refitted = _Cells(test.y_true, _cross_fit(test, weight, goal, params.seed))
            quantities["refit"] = lambda weights: goal.evaluate(refitted.counts(weights)) - goal.evaluate(cells.counts(weights))
    constants = {}
    if matrix is not None:
        masses = np.bincount(held_out.y_true, own_weight, minlength=n_classes)
        chosen = {"commonest_class": int(masses.argmax()), "cheapest_class": int((masses @ matrix).argmin())}
        constants = {name: classes[code] for name, code in chosen.items()}
        predicted = {"classifier": test.y_pred} | {name: np.full(len(test.row), code) for name, code in chosen.items()}
        losses = {name: 1000 * matrix[test.y_true, y_pred] for name, y_pred in (predicted | dict(baselines)).items()}
        losses["saved"] = losses["cheapest_class"] - losses["classifier"]
        quantities |= {f"cost {name}": partial(weighted_mean, each) for name, each in losses.items()}
    found = _resample(quantities, weight, params)
    costs = {name.removeprefix("cost "): each for name, each in found.items() if name.startswith("cost ")}
    saved = costs.pop("saved", None)
    return Decision(
        goal=goal,
        classes=classes,
        rows=rows,
        threshold=threshold_interval(held_out.y_true, held_out.y_prob, goal, weight=held_out.weight, **params.model_dump())
        if binary
        else None,
        of_1000={name: found[name] for name in ("flagged", "right", "missed") if name in found},
        flagged=_compare_flagged(held_out, own_weight, test, weight, params.confidence_level) if binary else {},
        refit=found.get("refit"),
        limited={"held_out": _limited(held_out, own_weight, goal), "test": found["limited"]} if "limited" in found else {},
        costs=costs,
        saved=saved,
        constants=constants,
    )


class _Cells:
    """Shares of the rows that are true negative, false positive, false negative and true positive."""

    def __init__(self, y_true: NDArray[Any], y_pred: NDArray[Any]) -> None:
        self._sums = GroupSums(2 * y_true + y_pred, 4)

    def shares(self, weights: FloatArray) -> FloatArray:
        """Compute the shares for each row of weights. Shape: (m, n) -> (m, 4)"""
        sums = self._sums.compute(np.ascontiguousarray(weights.T)).T
        return divide(sums, sums.sum(axis=1, keepdims=True))

    def counts(self, weights: FloatArray) -> Counts:
        """Compute the margins for each row of weights. Shape: (m, n) -> (m, 2) each"""
        tn, fp, fn, tp = self.shares(weights).T
        pairs = ((tn, tp), (tn + fp, fn + tp), (tn + fn, fp + tp))
        return Counts(*(np.stack(pair, axis=1) for pair in pairs))


def _resample(
    quantities: Mapping[str, Callable[[FloatArray], FloatArray]], weight: FloatArray, params: EvaluateParams
) -> dict[str, Interval]:
    """Compute each quantity with its bootstrap interval, all on the same resamples."""
    if not quantities:
        return {}
    n, values = len(weight), {name: float(compute(weight[None])[0]) for name, compute in quantities.items()}
    chunks: dict[str, list[FloatArray]] = {name: [] for name in quantities}
    for times in resample_weights(n, params.n_resamples, params.seed):
        times *= weight
        for name, compute in quantities.items():
            chunks[name].append(compute(times))
    return {
        name: percentile_interval(values[name], np.concatenate(chunk), n=n, confidence_level=params.confidence_level)
        for name, chunk in chunks.items()
    }


def _cross_fit(test: PartPredictions, weight: FloatArray, goal: Goal, seed: int) -> NDArray[np.int64]:
    """Predict each half of the test rows at the threshold that the other half chooses. Shape: (n,)

    A threshold chosen on the rows that it is judged on would always seem better than the classifier's.
    """
    y_pred = test.y_pred.copy()
    half = np.zeros(len(test.row), dtype=bool)
    for code in (0, 1):  # half of the rows with weight of each class
        rows = np.random.default_rng(seed).permutation(np.flatnonzero((test.y_true == code) & (weight > 0)))
        half[rows[: rows.size // 2]] = True
    for chosen in (half, ~half):
        threshold = choose_threshold(test.y_true[chosen], test.y_prob[chosen], goal, weight=weight[chosen])
        y_pred[~chosen] = predict_classes(test.y_prob[~chosen], threshold)
    return y_pred


def _limited(rows: PartPredictions, weight: FloatArray, goal: Goal) -> Interval:
    """Return what the constraint limits on the rows that the threshold was chosen on, without an interval."""
    value = float(constrained(goal.limit[0], _Cells(rows.y_true, rows.y_pred).counts(weight[None]))[0])
    return Interval(value, None, None, len(rows.row))


def _compare_flagged(
    held_out: PartPredictions, own_weight: FloatArray, test: PartPredictions, weight: FloatArray, confidence_level: float
) -> dict[str, Interval]:
    """Compare the flagged shares of two samples, with Wald's interval of the difference and Kish's numbers of rows."""
    z, found, variance = NormalDist().inv_cdf((1 + confidence_level) / 2), dict[str, Interval](), 0.0
    for name, each, w in (("held_out", held_out, own_weight), ("test", test, weight)):
        share = float(np.average(each.y_pred, weights=w))
        own = share * (1 - share) * float(np.square(w).sum() / w.sum() ** 2)
        variance += own
        found[name] = Interval(share, max(0.0, share - z * own**0.5), min(1.0, share + z * own**0.5), len(w))
    difference, error = float(found["test"].value or 0) - float(found["held_out"].value or 0), z * variance**0.5
    return found | {"difference": replace(found["test"], value=difference, low=difference - error, high=difference + error)}


def _number(value: float | None) -> str:
    """Format a count of 1,000 rows: whole, or with one decimal below 10."""
    value = float(value or 0)
    return f"{value:,.0f}" if value >= 10 or value == round(value) else f"{value:.1f}"
