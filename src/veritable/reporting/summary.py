"""Collect all facts of a run in one dict, from which the page, the text and the metrics file are made."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from veritable.metrics.labels import LABELS
from veritable.reporting.card import find_missing
from veritable.reporting.confusion import order_confusion
from veritable.reporting.findings import group_findings

MODELS = {
    "classifier": "classifier",
    "gradient_boosting": "gradient boosting",
    "explainable_boosting": "explainable boosting",
    "plain_network": "plain network",
    "logistic_regression": "logistic regression",
    "majority": "class shares",
}
CARDS = ("roc_auc", "average_precision", "log_loss", "brier", "accuracy")
RARE_CLASS_CARDS = ("average_precision", "roc_auc", "recall", "precision", "log_loss")  # accuracy misleads with a rare class
RARE = 0.1  # a positive class with a smaller share of rows is rare
MAX_CLASSES, MAX_COLUMNS, MAX_FINDINGS = 30, 500, 100  # shown in the report
_CLASS_COLUMNS = 5  # shown of each class
_SHOWN_VERSIONS = (
    "python", "torch", "pytorch-lightning", "tabm", "rtdl-num-embeddings", "lightgbm", "scikit-learn", "interpret-core", "shap",
    "pandas", "numpy", "scipy", "pyarrow",
)  # fmt: skip


def make_summary(
    *,
    table: Mapping[str, Any],
    history: pd.DataFrame,
    results: Mapping[str, Any],
    curves: Mapping[str, pd.DataFrame],
    explanation: Mapping[str, Any],
    importance: pd.DataFrame,
    explained: Mapping[str, pd.DataFrame],
    params: Mapping[str, Any],
    versions: Mapping[str, str],
    findings: Sequence[Mapping[str, Any]],
    findings_file: str,
    evaluation: Mapping[str, Any],
    reference: Mapping[str, Any] | None,
    card: Mapping[str, Any],
    card_file: str,
    record: Mapping[str, Any],
    profile: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    """Collect what the stages wrote, and compute nothing that a stage could have computed.

    Parameters
    ----------
    findings
        Findings of the checks, errors first, each with `level`, `code`, `sentence` and more.
    findings_file
        Name of the file that holds all findings, for reports that show only some.
    evaluation
        What else the stage `evaluate` wrote, by name: classes, decision, mistakes, slices and, where
        params ask for them, groups and learning_curve.
    reference
        Comparison with the reference; None without one.
    card, card_file
        The model card (see `parse_card`) and the name of its file. A finding lists what it does not state.
    record
        What identifies the run and makes it again: see `make_record`.
    profile
        Distribution, missing values and drift of each column that is used: see `describe_profile`.
    """
    classes, findings = results["classes"], [*findings, *find_missing(card, card_file)]
    positive = classes[1] if len(classes) == 2 else None
    models = {"classifier": results["classifier"], **results["baselines"]}
    kept = history.iloc[int(history["valid_loss"].argmin())]
    history = history[history["network"] == kept["network"]]
    return {
        "table": table,
        "profile": profile,
        "classes": classes,
        "positive": positive,
        "threshold": results["threshold"],
        "confidence": results["confidence"],
        "rows": results["classifier"]["accuracy"]["n"],
        "weight": params["data"]["weight"] if results["weighted"] else None,
        "fitted": results["fitted"],
        "folds": results["folds"],
        "members": results["members"],
        "verdict": results["verdict"],
        "opacity": results["opacity"],
        "findings": findings,
        "grouped_findings": group_findings(findings, params["data"]),
        "findings_file": findings_file,
        "cards": list(RARE_CLASS_CARDS if _is_rare(positive, table) else CARDS),
        "metrics": {
            key: {"label": label, "help": help_, "models": {name: models[name][key] for name in MODELS if name in models}}
            for key, (label, help_) in LABELS.items()
        },
        "models": {name: label for name, label in MODELS.items() if name in models},
        "confusion": order_confusion(curves["confusion"], classes),
        "class_metrics": evaluation["classes"]["classes"],
        "top_confusions": evaluation["classes"]["confusions"],
        "decision": evaluation["decision"],
        "baseline_differences": results["differences"],
        "groups": evaluation.get("groups", {}),
        "mistakes": evaluation["mistakes"],
        "slices": evaluation["slices"],
        "learning_curve": evaluation.get("learning_curve"),
        "reference": reference,
        "listed_classes": sorted(table["classes"], key=lambda each: -each["rows"])[:MAX_CLASSES],
        "curves": curves,
        "history": history,
        "best": {"epoch": int(kept["epoch"]), "epochs": len(history), "valid_loss": float(kept["valid_loss"])},
        "explanation": explanation,
        "importance": importance,
        "explained": explained,
        "numeric": sorted(set(explained["points"].dropna(subset="rank")["column"])),
        "by_class": _rank_by_class(explained["importance_by_class"]) if positive is None else [],
        "params": params,
        "versions": {name: versions[name] for name in _SHOWN_VERSIONS if name in versions},
        "card": card,
        "record": record,
    }


def _rank_by_class(importance: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the most important columns of each explained class, the class with the most rows first."""
    ranked: list[dict[str, Any]] = []
    for name, own in importance.groupby("class", sort=False):
        top = own.sort_values("importance", ascending=False, kind="stable").head(_CLASS_COLUMNS)
        pairs = [[column, value] for column, value in zip(top["column"], top["importance"].tolist(), strict=True)]
        ranked.append({"class": name, "rows": int(own["rows"].iloc[0]), "columns": pairs})
    return sorted(ranked, key=lambda each: -each["rows"])[:MAX_CLASSES]


def _is_rare(positive: str | None, table: Mapping[str, Any]) -> bool:
    rows = {each["name"]: each["rows"] for each in table["classes"]}
    return positive is not None and rows[positive] < RARE * sum(rows.values())


def select_metrics(summary: Mapping[str, Any]) -> dict[str, float | None]:
    """Return the headline metrics, which git tracks and `dvc metrics diff` and `dvc exp show` list.

    They are the metrics of the classifier, its threshold, and `lead`: by how much its log loss is below that of the best
    baseline. Intervals, baselines and folds are in the metrics of the stage `evaluate`.
    """
    metrics = {key: metric["models"]["classifier"]["value"] for key, metric in summary["metrics"].items()}
    return metrics | {"threshold": summary["threshold"], "lead": summary["verdict"]["difference"]["value"]}


def parse_code(code: str) -> dict[str, str]:
    """Return what the text of a stage's code file lists: hashes of modules and versions of libraries.

    >>> parse_code("# The code\\npython 3.11\\npackage torch 2.13.0")
    {'python': '3.11', 'package torch': '2.13.0'}
    """
    return dict(line.rpartition(" ")[::2] for line in code.splitlines() if not line.startswith("#"))


def parse_versions(code: str) -> dict[str, str]:
    """Return the versions of Python and the libraries that the text of a stage's code file lists.

    >>> parse_versions("python 3.11\\nmodule src/veritable/files.py 0123\\npackage torch 2.13.0")
    {'python': '3.11', 'torch': '2.13.0'}
    """
    listed = {key.removeprefix("package "): value for key, value in parse_code(code).items()}
    return {name: version for name, version in listed.items() if " " not in name}
