"""For whom the classifier is good: its metrics on each group of a sensitive column."""

import itertools
import math
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.markup import escape

from veritable.evaluation.params import EvaluateParams
from veritable.evaluation.predictions import PartPredictions
from veritable.metrics.checks import check_weight
from veritable.metrics.metrics import compute_metrics
from veritable.progress import progress

MOST_GROUPS = 20  # of a column, the commonest; numbers of more values are cut at their quartiles
FEWEST_ROWS = 30  # of a group: metrics of fewer rows, and their intervals even more so, say nothing


def measure_groups(predictions: PartPredictions, params: EvaluateParams) -> dict[str, Any]:
    """Metrics with intervals per group of each sensitive column, as JSON can hold it.

    Column -> `groups`, a dict each, the commonest first unless they are cut from numbers; and of the groups that are too many,
    `further_groups` and `further_rows`. A group has `group` (its name, None where the value is missing), `rows`, `metrics`
    (None where it has fewer than 30 rows or no weight) and, of two classes, `positive` and `predicted_positive`, the weighted
    shares of rows that are positive and that are said to be; so one sees who is given the good or the bad news.
    """
    measured = {}
    with progress() as bar:
        for column, values in predictions.sensitive.items():
            names, group = group_rows(values)
            rows = np.bincount(group, minlength=len(names))
            shown = list(enumerate(names[:MOST_GROUPS]))
            measured[column] = {
                "groups": [
                    {"group": name, "rows": int(rows[code])} | _measure(predictions, np.flatnonzero(group == code), params)
                    for code, name in bar.track(shown, description=f"resampling groups of {escape(column)}")
                ],
                "further_groups": len(names) - len(shown),
                "further_rows": int(rows[len(shown) :].sum()),
            }
    return measured


def group_rows(values: NDArray[Any]) -> tuple[list[str | None], NDArray[np.intp]]:
    """Names of the groups, and each row's group. Shape (n,) texts, None where missing -> (n,).

    Each value is a group, the commonest first; of more than 20 values that all are numbers, each quarter of the rows is one.
    """
    missing = np.array([value is None for value in values], dtype=bool)
    present = np.array([str(value) for value in values[~missing]], dtype=object)
    levels, code = np.unique(present, return_inverse=True) if present.size else (present, np.zeros(0, dtype=np.intp))
    numbers = _numbers(levels) if len(levels) > MOST_GROUPS else None
    group = np.full(len(values), -1, dtype=np.intp)
    names: list[str | None]
    if numbers is None:
        names, group[~missing] = [str(level) for level in levels], code
    else:
        quartiles = np.quantile(numbers[code], [0.25, 0.5, 0.75], method="inverted_cdf")
        edges = np.unique(np.minimum(quartiles, np.unique(numbers)[-2]))  # above the last there must be rows
        names, group[~missing] = _ranges(edges), np.searchsorted(edges, numbers[code], side="left")
    if missing.any():
        names, group[missing] = [*names, None], len(names)
    if numbers is None:
        order = np.argsort(-np.bincount(group, minlength=len(names)), kind="stable")
        names, group = [names[place] for place in order], np.argsort(order)[group]
    return names, group


def _measure(predictions: PartPredictions, rows: NDArray[np.intp], params: EvaluateParams) -> dict[str, Any]:
    y_true, y_pred = predictions.y_true[rows], predictions.y_pred[rows]
    weight = None if predictions.weight is None else predictions.weight[rows]
    if len(rows) < FEWEST_ROWS or (weight is not None and not weight.any()):
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


def _numbers(levels: NDArray[Any]) -> NDArray[np.float64] | None:
    """Texts as numbers, or None where one is none or they are few after all. Shape (k,)."""
    try:
        numbers = np.array([float(level) for level in levels])
    except ValueError:
        return None
    return numbers if np.isfinite(numbers).all() and len(np.unique(numbers)) > MOST_GROUPS else None


def _ranges(edges: NDArray[np.float64]) -> list[str | None]:
    """Names of the ranges that the edges part; an edge belongs to the range below it."""
    texts = [f"{edge:,.{_decimals(edges)}f}" for edge in edges]
    between = [f"above {low} to {high}" for low, high in itertools.pairwise(texts)]
    return [f"up to {texts[0]}", *between, f"above {texts[-1]}"]


def _decimals(edges: NDArray[np.float64]) -> int:
    """As many as it takes to tell the edges as they are, six at most."""
    return next((n for n in range(6) if all(math.isclose(round(edge, n), edge, rel_tol=1e-9) for edge in edges)), 6)
