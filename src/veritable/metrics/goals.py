"""What a decision aims at: a metric, the least cost, or the best under a constraint."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from veritable.errors import UserError
from veritable.metrics.counts import COUNT_METRICS, Counts
from veritable.metrics.intervals import FloatArray, divide
from veritable.metrics.params import CONSTRAINED, DecisionParams, ThresholdMetric, parse_constraint
from veritable.stored import STRICT

_NAMES = {"f1": "F1", "balanced_accuracy": "balanced accuracy", "accuracy": "accuracy", "mcc": "Matthews correlation"}
_BEST_UNDER = {"recall": "precision", "precision": "recall", "flagged": "recall"}  # what is maximized under each constraint
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Goal:
    """What a decision aims at. Exactly one of the three is not None.

    Attributes
    ----------
    metric
        Key of `COUNT_METRICS` that is maximized.
    costs
        Cost of each actual class (row) predicted as each class (column); a gain is negative. Shape: (K, K) as nested tuples
    constraint
        A text of `decision.constraint`, for two classes.
    """

    __pydantic_config__ = STRICT
    metric: ThresholdMetric | None = None
    costs: tuple[tuple[float, ...], ...] | None = None
    constraint: str | None = None

    def __post_init__(self) -> None:
        if [self.metric, self.costs, self.constraint].count(None) != 2:
            raise ValueError("must hold one of a metric, costs and a constraint as decision, but does not")
        if self.constraint is not None:
            parse_constraint(self.constraint)

    @classmethod
    def of(cls, params: DecisionParams, classes: Sequence[str]) -> Self:
        """Resolve the names of the classes.

        Raises
        ------
        UserError
            A class does not exist, a wrong prediction costs less than the right one, a class is free to predict, or a
            constraint is given for more than two classes.
        """
        if params.costs is not None:
            return cls(costs=_matrix(params.costs, classes))
        if params.constraint is not None and len(classes) != 2:
            raise UserError(
                f"decision.constraint must be null for more than two classes, but is '{params.constraint}', and there are "
                f"{len(classes):,} classes. Set decision.costs or decision.metric in params.yaml instead."
            )
        return cls(metric=params.metric, constraint=params.constraint)

    @property
    def cost_matrix(self) -> FloatArray | None:
        """Costs as an array. Shape: (K, K)"""
        return None if self.costs is None else np.array(self.costs)

    @property
    def limit(self) -> tuple[str, float]:
        """Name and limit of the constraint."""
        assert self.constraint is not None, "the caller has checked it"
        return parse_constraint(self.constraint)

    def evaluate(self, counts: Counts) -> FloatArray:
        """Compute how good m decisions are; higher is better. Two classes. Shape: (m,)

        The value is the metric, or minus the cost per row. Under a constraint it is the other metric; where the constraint is
        not met it lies below 0, the lower the farther.
        """
        if self.metric is not None:
            return COUNT_METRICS[self.metric](counts)
        if self.costs is not None:
            ((c_tn, c_fp), (c_fn, c_tp)) = self.costs
            (tn, tp), (negatives, positives) = counts.hits.T, counts.actual.T
            cost = c_tn * tn + c_fp * (negatives - tn) + c_fn * (positives - tp) + c_tp * tp
            return -divide(cost, negatives + positives)
        name, limit = self.limit
        margin = (constrained(name, counts) - limit) * (1 if CONSTRAINED[name] == ">=" else -1)
        return np.where(margin >= -_ROUNDING, COUNT_METRICS[_BEST_UNDER[name]](counts), margin - 1)

    def describe(self) -> str:
        """Return, for example, "the highest F1"."""
        if self.metric is not None:
            return f"the highest {_NAMES[self.metric]}"
        if self.costs is not None:
            return "the least cost"
        name, limit = self.limit
        return f"the highest {_BEST_UNDER[name]} with {_constrained_text(name)} {_WORDS[CONSTRAINED[name]]} {limit:g}"

    def to_json(self) -> dict[str, Any]:
        """Return the goal as a JSON object."""
        costs = None if self.costs is None else [list(row) for row in self.costs]
        return {"metric": self.metric, "costs": costs, "constraint": self.constraint}

    def check(self, n_classes: int) -> None:
        """Check that the goal is one for so many classes.

        Raises
        ------
        ValueError
            It is not.
        """
        if self.costs is not None and [len(row) for row in self.costs] != [n_classes] * n_classes:
            raise ValueError(f"must hold costs of Shape ({n_classes}, {n_classes}), but holds others")
        if self.constraint is not None and n_classes != 2:
            raise ValueError(f"must hold no constraint for {n_classes} classes, but does")


_WORDS = {">=": "at least", "<=": "at most"}


def constrained(name: str, counts: Counts) -> FloatArray:
    """Compute what a constraint limits: recall, precision, or the share of rows that are flagged. Shape: (m,)"""
    if name == "flagged":
        return divide(counts.predicted[:, 1], counts.actual.sum(axis=1))
    return np.nan_to_num(COUNT_METRICS[name](counts), nan=1.0)  # without a positive row, none is missed


def _constrained_text(name: str) -> str:
    return "a share of flagged rows of" if name == "flagged" else f"a {name} of"


def _matrix(costs: Mapping[str, Mapping[str, float]], classes: Sequence[str]) -> tuple[tuple[float, ...], ...]:
    """Return the costs as a matrix; pairs that are not given cost 0."""
    matrix = np.zeros((len(classes), len(classes)))
    for actual, row in costs.items():
        for predicted, cost in row.items():
            matrix[_code(actual, classes), _code(predicted, classes)] = cost
    wrong, right = matrix.copy(), matrix.diagonal()
    np.fill_diagonal(wrong, np.inf)
    cheapest, nearest = wrong.min(axis=1), wrong.argmin(axis=1)
    # of two classes, one that costs nothing to miss would never be predicted
    odd = np.flatnonzero(cheapest <= right if len(classes) == 2 else cheapest < right)
    if odd.size:
        code = int(odd[0])
        at_least = "more than" if len(classes) == 2 else "at least as much as"
        raise UserError(
            f"decision.costs must make a wrong prediction cost {at_least} the right one, but for actual '{classes[code]}', "
            f"predicting '{classes[int(nearest[code])]}' costs {cheapest[code]:g} and predicting '{classes[code]}' "
            f"{right[code]:g}. A pair that is not listed costs 0, and a gain is negative."
        )
    if (free := np.flatnonzero((matrix <= matrix.min(axis=1, keepdims=True)).all(axis=0))).size:
        raise UserError(
            f"decision.costs must make each class cost something to predict, but '{classes[int(free[0])]}' never costs more "
            "than another, so it would be predicted for every row. List what it costs for rows of the other classes."
        )
    return tuple(tuple(float(cost) for cost in row) for row in matrix)


def _code(name: str, classes: Sequence[str]) -> int:
    """Return the code of a class; YAML's true, which is read as True, also names 'true'."""
    for code, each in enumerate(classes):
        if name == each or (name in {"True", "False"} and name.lower() == each.lower()):
            return code
    near = difflib.get_close_matches(name, classes, n=1, cutoff=0.0)
    raise UserError(
        f"decision.costs must name classes of the target, but '{name}' is none of {len(classes):,}. Did you mean '{near[0]}'?"
    )
