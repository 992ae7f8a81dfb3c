"""Evaluate a cross-validated classifier: how much do its metrics vary between folds?"""

from collections.abc import Iterable
from typing import Any

import numpy as np

from veritable.evaluation.predictions import PartPredictions
from veritable.metrics.checks import check_weight
from veritable.metrics.metrics import METRICS, Predictions


def compute_fold_metrics(folds: Iterable[PartPredictions]) -> dict[str, dict[str, Any]]:
    """Compute each metric on every fold: its `mean`, its `spread` (standard deviation) and its `values`, one per fold.

    Folds on which a metric is undefined (None) do not count towards its mean and spread.

    Parameters
    ----------
    folds
        Predictions for the rows held out in each fold, by a classifier that was not trained on them.
    """
    computed = []
    for each in folds:
        weight = check_weight(each.weight, len(each.row))
        computed.append(Predictions(each.y_true, each.y_prob, each.y_pred).measure(weight[None]))
    by_metric = {name: np.array([float(metrics[name][0]) for metrics in computed]) for name in METRICS}
    return {name: _aggregate(values) for name, values in by_metric.items()}


def _aggregate(values: np.ndarray) -> dict[str, Any]:
    known = values[~np.isnan(values)]
    return {
        "mean": float(known.mean()) if len(known) else None,
        "spread": float(known.std(ddof=1)) if len(known) > 1 else None,
        "values": [None if np.isnan(value) else float(value) for value in values],
    }
