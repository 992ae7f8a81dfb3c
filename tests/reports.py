"""Make summaries of invented runs, for the tests of the report."""

import base64
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from tests.rooms import section
from veritable.evaluation.evaluate import compare_models, make_curves
from veritable.evaluation.groups import compute_group_metrics
from veritable.evaluation.params import EvaluateParams
from veritable.evaluation.predictions import PartPredictions
from veritable.reporting.summary import make_summary

PIXEL = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")


def predictions(
    classes: int, rows: int, seed: int, sharpness: float = 2.0, *, positive_share: float | None = None
) -> PartPredictions:
    """Make predictions that are usually correct."""
    draw = np.random.default_rng(seed)
    y_true = np.random.default_rng(0).permutation(np.arange(rows) % classes)
    if positive_share is not None:
        y_true = (np.random.default_rng(0).permutation(rows) < positive_share * rows).astype(np.int64)
    odds = np.exp(sharpness * (y_true[:, None] == np.arange(classes)) + draw.normal(size=(rows, classes)))
    y_prob = odds / odds.sum(axis=1, keepdims=True)
    return PartPredictions(np.arange(rows), y_true, y_prob.argmax(axis=1), y_prob)


def summary(
    classes: list[str] | None = None,
    columns: list[str] | None = None,
    target: str = "target",
    rows: int = 120,
    *,
    sensitive: Mapping[str, list[str | None]] | None = None,
    positive_share: float | None = None,
    **changes: Any,
) -> dict[str, Any]:
    """Make the summary of a run with these names; `changes` replace arguments of `make_summary`."""
    gathered = facts(
        classes or ["no", "yes"], columns or ["age", "colour"], target, rows, sensitive=sensitive, positive_share=positive_share
    )
    return make_summary(**gathered | changes)


def facts(
    classes: list[str],
    columns: list[str],
    target: str,
    rows: int,
    *,
    sensitive: Mapping[str, list[str | None]] | None = None,
    positive_share: float | None = None,
) -> dict[str, Any]:
    """Return the arguments of `make_summary`.

    Parameters
    ----------
    sensitive
        Values of sensitive columns, assigned to the rows in turn.
    """
    network = predictions(len(classes), rows, 1, positive_share=positive_share)
    values_by_column = {
        name: np.array([values[row % len(values)] for row in range(rows)], dtype=object)
        for name, values in (sensitive or {}).items()
    }
    network = replace(network, sensitive=values_by_column)
    names = ("gradient_boosting", "logistic_regression", "majority")[len(classes) > 100 :]
    baselines = {name: predictions(len(classes), rows, 2, 1.0, positive_share=positive_share) for name in names}
    params = EvaluateParams(n_resamples=100, confidence_level=0.95, seed=0)
    compared = compare_models(network, baselines.items(), params)
    return {
        "table": {
            "rows": 5 * rows,
            "target": target,
            "classes": [{"name": name, "rows": int((network.y_true == i).sum()) * 5} for i, name in enumerate(classes)],
            "parts": {"train": 3 * rows, "valid": rows, "test": rows},
            "columns": [{"name": name, "kind": "number", "missing": 3, "distinct": 1234} for name in columns],
        },
        "history": pd.DataFrame(
            {"network": [1] * 3, "epoch": [1, 2, 3], "train_loss": [0.7, 0.5, 0.4], "valid_loss": [0.71, 0.55, 0.6]}
        ),
        "results": compared
        | {
            "classes": classes,
            "threshold": 0.42 if len(classes) == 2 else None,
            "weighted": False,
            "fitted": {"rows": 3 * rows, "total_rows": 3 * rows},
            "folds": {},
            "members": {
                "network": "tabm",
                "blend": [{"kind": "network", "models": 1, "share": 0.44}, {"kind": "trees", "models": 4, "share": 0.56}],
                "temperature": 0.95,
            },
        },
        "curves": make_curves(network, classes),
        "explanation": {
            "base_values": dict.fromkeys(classes, 1 / len(classes)),
            "rows": 100,
            "background_rows": 50,
            "class": classes[-1],
            "additivity_error": 1e-8,
            "worst_relative_error": 0.12,
            "shown_row": 17,
            "shown_actual": classes[0],
            "shown_probability": 0.93,
        },
        "importance": pd.DataFrame({"column": columns, "importance": np.linspace(0.3, 0.1, len(columns))}),
        "figures": dict.fromkeys(("importance", "beeswarm", "waterfall"), PIXEL),
        "findings_file": "findings.json",
        "findings": [
            {
                "code": "identifier",
                "level": "warning",
                "column": columns[0],
                "sentence": f"{columns[0]} names each row.",
                "numbers": {},
            }
        ],
        "groups": compute_group_metrics(network, params),
        "params": {"train": section("train"), "data": section("data", target=target)},
        "versions": {"python": "3.11", "torch": "2.13.0", "numpy": "2.4.6", "idna": "3"},
    }
