"""All facts of a run as one dict: the page, the text and the metrics are thin views of it."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

LABELS = {
    "roc_auc": ("ROC AUC", "chance that a random row of the class scores above a random other row"),
    "average_precision": ("Average precision", "area under the precision-recall curve"),
    "log_loss": ("Log loss", "mean surprise at the true class, in nats; lower is better"),
    "brier": ("Brier score", "mean squared error of the probabilities; lower is better"),
    "accuracy": ("Accuracy", "share of rows predicted right"),
    "balanced_accuracy": ("Balanced accuracy", "mean share predicted right of each class"),
    "f1": ("F1", "harmonic mean of precision and recall"),
    "precision": ("Precision", "share of predicted positives that are positive"),
    "recall": ("Recall", "share of positives that are predicted"),
    "mcc": ("MCC", "correlation of prediction and truth, from -1 to 1"),
}
MODELS = {
    "network": "network",
    "gradient_boosting": "gradient boosting",
    "logistic_regression": "logistic regression",
    "majority": "class shares",
}
CARDS = ("roc_auc", "average_precision", "log_loss", "brier", "accuracy")
CARDS_OF_A_RARE_CLASS = ("average_precision", "roc_auc", "recall", "precision", "log_loss")  # always "no" is accurate there
RARE = 0.1  # a share of rows below it
MOST_CLASSES, MOST_COLUMNS, MOST_FINDINGS = 30, 500, 100  # are listed
_CHECKED = (
    "Looked for: columns that give the target away, name the rows, are constant or empty; texts that hide missing values; "
    "rare categories and classes; values that stand for another; duplicates across parts; drift from train to test."
)
_SHOWN_VERSIONS = ("python", "torch", "pytorch-lightning", "scikit-learn", "pandas", "numpy")


def summarise(
    *,
    table: Mapping[str, Any],
    history: pd.DataFrame,
    results: Mapping[str, Any],
    curves: Mapping[str, pd.DataFrame],
    explanation: Mapping[str, Any],
    importance: pd.DataFrame,
    figures: Mapping[str, bytes],
    params: Mapping[str, Any],
    versions: Mapping[str, str],
    findings: Sequence[Mapping[str, Any]],
    groups: Mapping[str, Any],
) -> dict[str, Any]:
    """Gather what the stages wrote; nothing is computed here that a stage could have computed.

    Parameters
    ----------
    findings
        What preprocess found, errors first: `level`, `code`, `sentence` and more.
    groups
        Metrics by group of each sensitive column; empty where there is none.
    """
    classes = results["classes"]
    positive = classes[1] if len(classes) == 2 else None
    models = {"network": results["network"], **results["baselines"]}
    kept = history.iloc[int(history["valid_loss"].argmin())]
    history = history[history["network"] == kept["network"]]
    return {
        "table": table,
        "classes": classes,
        "positive": positive,
        "threshold": results["threshold"],
        "confidence": results["confidence"],
        "rows": results["network"]["accuracy"]["n"],
        "weight": params["data"]["weight"] if results["weighted"] else None,
        "fitted": results["fitted"],
        "folds": results["folds"],
        "verdict": results["verdict"],
        "findings": findings,
        "checked": _CHECKED,
        "cards": list(CARDS_OF_A_RARE_CLASS if _is_rare(positive, table) else CARDS),
        "metrics": {
            key: {"label": label, "help": help_, "models": {name: models[name][key] for name in MODELS if name in models}}
            for key, (label, help_) in LABELS.items()
        },
        "models": {name: label for name, label in MODELS.items() if name in models},
        "confusion": _confusion(curves["confusion"], classes),
        "groups": groups,
        "listed_classes": sorted(table["classes"], key=lambda each: -each["rows"])[:MOST_CLASSES],
        "curves": curves,
        "history": history,
        "best": {"epoch": int(kept["epoch"]), "epochs": len(history), "valid_loss": float(kept["valid_loss"])},
        "explanation": explanation,
        "importance": importance,
        "figures": figures,
        "params": params,
        "versions": {name: versions[name] for name in _SHOWN_VERSIONS if name in versions},
    }


def _is_rare(positive: str | None, table: Mapping[str, Any]) -> bool:
    rows = {each["name"]: each["rows"] for each in table["classes"]}
    return positive is not None and rows[positive] < RARE * sum(rows.values())


def _confusion(frame: pd.DataFrame, classes: Sequence[str]) -> list[dict[str, Any]]:
    """A line per actual class; of many classes the last line, and the last cell of each, are all that have none."""
    size = math.isqrt(len(frame))
    names, counts = frame["predicted"].tolist()[:size], frame["rows"].to_numpy().reshape(size, size)

    def kind(actual: int, predicted: int) -> str:
        if actual != predicted:
            return "wrong"
        return "right" if names[actual] in classes else "mixed"

    return [
        {
            "actual": name,
            "cells": [
                {"rows": int(n), "share": float(n / row.sum()) if row.sum() else 0.0, "kind": kind(i, j)}
                for j, n in enumerate(row)
            ],
        }
        for i, (name, row) in enumerate(zip(names, counts, strict=True))
    ]


def headline(summary: Mapping[str, Any]) -> dict[str, Any]:
    """What git holds and `dvc metrics diff` compares: every metric of the network with its interval, and the simple models'."""
    metrics = {key: metric["models"] for key, metric in summary["metrics"].items()}
    rivals = [name for name in summary["models"] if name != "network"]
    folds = {key: {end: found[end] for end in ("mean", "spread")} for key, found in summary["folds"].items()}
    return {
        "rows": summary["rows"],
        "threshold": summary["threshold"],
        "network": {key: {end: models["network"][end] for end in ("value", "low", "high")} for key, models in metrics.items()},
        "baselines": {name: {key: models[name]["value"] for key, models in metrics.items()} for name in rivals},
        **({"folds": folds} if folds else {}),
    }


def versions_in(code: str) -> dict[str, str]:
    """Python's and the libraries' versions, from the text that a stage's code file holds."""
    words = (line.split() for line in code.splitlines())
    return {each[-2]: each[-1] for each in words if each[0] in ("python", "package")}
