"""How well each class is predicted, and which classes are confused."""

from dataclasses import asdict
from typing import Any

import numpy as np

from veritable.evaluation.predictions import PartPredictions
from veritable.metrics.checks import check_weight
from veritable.metrics.per_class import compute_class_metrics

MAX_CONFUSIONS = 10


def describe_classes(predictions: PartPredictions, classes: list[str], confidence_level: float) -> dict[str, Any]:
    """Compute the metrics of each class, and count the most frequent confusions.

    Returns
    -------
    A dict for JSON: `classes`, in their order, each with `class`, `rows` and `predicted_rows` (unweighted counts), and the
    intervals that `compute_class_metrics` returns; and `confusions`, up to ten pairs with the most rows, each with `actual`,
    `predicted`, `rows` and `share`, the weighted share of the rows of the actual class (None if they have no weight).
    """
    y_true, y_pred, k = predictions.y_true, predictions.y_pred, len(classes)
    intervals = compute_class_metrics(
        y_true, predictions.y_prob, y_pred, weight=predictions.weight, confidence_level=confidence_level
    )
    rows, predicted = (np.bincount(codes, minlength=k).tolist() for codes in (y_true, y_pred))
    described = [
        {"class": name, "rows": rows[code], "predicted_rows": predicted[code]}
        | {metric: asdict(each[code]) for metric, each in intervals.items()}
        for code, name in enumerate(classes)
    ]
    return {"classes": described, "confusions": _count_confusions(predictions, classes)}


def _count_confusions(predictions: PartPredictions, classes: list[str]) -> list[dict[str, Any]]:
    y_true, y_pred, k = predictions.y_true, predictions.y_pred, len(classes)
    weight = check_weight(predictions.weight, len(y_true))
    mass = np.bincount(y_true, weights=weight, minlength=k)
    wrong = np.flatnonzero(y_true != y_pred)
    pairs, pair = np.unique(y_true[wrong] * k + y_pred[wrong], return_inverse=True)
    rows, weights = np.bincount(pair, minlength=len(pairs)), np.bincount(pair, weights=weight[wrong], minlength=len(pairs))
    order = np.argsort(-rows, kind="stable")[:MAX_CONFUSIONS]  # equally frequent pairs in the order of the classes
    return [
        {
            "actual": classes[pairs[place] // k],
            "predicted": classes[pairs[place] % k],
            "rows": int(rows[place]),
            "share": float(weights[place] / mass[pairs[place] // k]) if mass[pairs[place] // k] else None,
        }
        for place in order
    ]
