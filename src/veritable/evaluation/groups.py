"""Evaluate the classifier on each group of a sensitive column."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.markup import escape

from veritable.evaluation.params import EvaluateParams
from veritable.evaluation.predictions import PartPredictions
from veritable.evaluation.rates import compare_groups
from veritable.metrics.checks import check_weight
from veritable.metrics.metrics import compute_metrics
from veritable.progress import progress
from veritable.tables.encoding.gate import share_edges

MAX_GROUPS = 20  # per column; a numeric column with more values is split at its quartiles
MIN_ROWS = 30  # per group: with fewer rows, metrics and especially their intervals are unreliable


def compute_group_metrics(
    predictions: PartPredictions, params: EvaluateParams, classes: Sequence[str], min_count: int = 1
) -> dict[str, Any]:
    """Compute metrics and rates with intervals for each group of each sensitive column, and compare the groups.

    Groups of fewer than `min_count` rows are not named; they are among the further groups.

    Returns
    -------
    A dict for JSON that maps each column to `groups` (a list of dicts, the most frequent group first, ranges of numbers in
    order), and to `further_groups` and `further_rows`, the numbers of groups that are not among the 20 shown and of their rows.
    A group has `group` (its name, None where the value is missing), `rows`, `small` (whether it has fewer than 30 rows),
    `rates` (see `rates.py`; with few rows their intervals are wide, but hold), `metrics` (None for a small group or one without
    weight) and, for two classes, `positive` and `predicted_positive`: the weighted shares of rows that are positive and that
    are predicted to be.

    Of the groups that are not small, `gaps` has the clearest difference of each rate, for more than two classes `recall_gaps`
    that of the recall of each class, and `sentence` what is shown.
    """
    by_column = {}
    with progress() as bar:
        for column, values in predictions.sensitive.items():
            names, group = assign_groups(values, min_count)
            rows = np.bincount(group, minlength=len(names))
            shown = names[: min(MAX_GROUPS, int((rows >= min_count).sum()))]  # ranges are large, and levels are in order
            compared = compare_groups(
                predictions,
                np.minimum(group, len(shown)),  # the further groups together have the last number
                shown,
                rows[: len(shown)] >= MIN_ROWS,
                classes,
                params.confidence_level,
            )
            rates = compared.pop("rates")
            by_column[column] = compared | {
                "groups": [
                    {"group": name, "rows": int(rows[code]), "small": bool(rows[code] < MIN_ROWS), "rates": rates[code]}
                    | _compute(predictions, np.flatnonzero(group == code), params)
                    for code, name in bar.track([*enumerate(shown)], description=f"resampling groups of {escape(column)}")
                ],
                "further_groups": len(names) - len(shown),
                "further_rows": int(rows[len(shown) :].sum()),
            }
    return by_column


def assign_groups(values: NDArray[Any], min_count: int = 1) -> tuple[list[str | None], NDArray[np.intp]]:
    """Return the names of the groups and the group of each row.

    Each value is a group, the most frequent first. A numeric column with more than 20 values is split at its quartiles instead,
    each rounded until `min_count` rows share it.

    Shape: (n,) texts, None where missing -> (n,)

    Examples
    --------
    >>> names, group = assign_groups(np.array(["north", "south", "south", None], dtype=object))
    >>> names, group.tolist()
    (['south', 'north', None], [1, 0, 0, 2])
    """
    missing = np.array([value is None for value in values], dtype=bool)
    present = np.array([str(value) for value in values[~missing]], dtype=object)
    levels, code = np.unique(present, return_inverse=True) if present.size else (present, np.zeros(0, dtype=np.intp))
    numbers = _parse_numbers(levels) if len(levels) > MAX_GROUPS else None
    group = np.full(len(values), -1, dtype=np.intp)
    names: list[str | None]
    if numbers is None:
        names, group[~missing] = [str(level) for level in levels], code
    else:
        quartiles = np.quantile(numbers[code], [0.25, 0.5, 0.75], method="inverted_cdf")
        edges = np.unique(np.minimum(quartiles, np.unique(numbers)[-2]))  # the range above the last edge must not be empty
        edges = share_edges(edges, numbers[code], min_count)
        names, group[~missing] = range_names(edges), np.searchsorted(edges, numbers[code], side="left")
    if missing.any():
        names, group[missing] = [*names, None], len(names)
    if numbers is None:
        order = np.argsort(-np.bincount(group, minlength=len(names)), kind="stable")
        names, group = [names[place] for place in order], np.argsort(order)[group]
    return names, group


def _compute(predictions: PartPredictions, rows: NDArray[np.intp], params: EvaluateParams) -> dict[str, Any]:
    y_true, y_pred = predictions.y_true[rows], predictions.y_pred[rows]
    weight = None if predictions.weight is None else predictions.weight[rows]
    if len(rows) < MIN_ROWS or (weight is not None and not weight.any()):
        return {"metrics": None}
    intervals = compute_metrics(
        y_true,
        predictions.y_prob[rows],
        y_pred,
        weight=weight,
        n_resamples=params.n_resamples,
        seed=params.seed,
        confidence_level=params.confidence_level,
    )
    facts: dict[str, Any] = {"metrics": {name: asdict(interval) for name, interval in intervals.items()}}
    if predictions.y_prob.shape[1] == 2:
        weight = check_weight(weight, len(rows))
        shares = {"positive": y_true, "predicted_positive": y_pred}
        facts |= {name: float(np.average(codes, weights=weight)) for name, codes in shares.items()}
    return facts


def _parse_numbers(levels: NDArray[Any]) -> NDArray[np.float64] | None:
    """Return the levels as numbers, or None if some are not numbers or few values remain. Shape: (k,)"""
    try:
        numbers = np.array([float(level) for level in levels])
    except ValueError:
        return None
    return numbers if np.isfinite(numbers).all() and len(np.unique(numbers)) > MAX_GROUPS else None


def range_names(edges: NDArray[np.float64]) -> list[str | None]:
    """Return the names of the ranges between the edges; an edge belongs to the range below it."""
    if not len(edges):
        return ["any number"]
    texts = [f"{edge:,.{_decimals(edges)}f}" for edge in edges]
    between = [f"above {low} to {high}" for low, high in itertools.pairwise(texts)]
    return [f"up to {texts[0]}", *between, f"above {texts[-1]}"]


def _decimals(edges: NDArray[np.float64]) -> int:
    """Return the number of decimals, at most 6, that shows all edges exactly."""
    return next((n for n in range(6) if all(math.isclose(round(edge, n), edge, rel_tol=1e-9) for edge in edges)), 6)
