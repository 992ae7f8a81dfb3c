"""Cross-validation: how much the metrics vary from fold to fold."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from veritable.evaluation.predictions import PartPredictions
from veritable.metrics.checks import check_weight
from veritable.metrics.metrics import METRICS, Predictions


def measure_folds(folds: Iterable[PartPredictions]) -> dict[str, dict[str, Any]]:
    """Of each metric its `mean` over the folds, its `spread` (the standard deviation) and its `values`, one a fold.

    A fold where the metric is undefined (None) is left out of the first two.

    Parameters
    ----------
    folds
        Of each the rows held back, predicted by a classifier that has not seen them.
    """
    measured = []
    for each in folds:
        weight = check_weight(each.weight, len(each.row))
        measured.append(Predictions(each.y_true, each.y_prob, each.y_pred).measure(weight[None]))
    found = {name: np.array([float(metrics[name][0]) for metrics in measured]) for name in METRICS}
    return {name: _summary(values) for name, values in found.items()}


def _summary(values: np.ndarray) -> dict[str, Any]:
    known = values[~np.isnan(values)]
    return {
        "mean": float(known.mean()) if len(known) else None,
        "spread": float(known.std(ddof=1)) if len(known) > 1 else None,
        "values": [None if np.isnan(value) else float(value) for value in values],
    }
