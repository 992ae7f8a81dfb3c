"""Make summaries of invented runs, for the tests of the report."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from tests.rooms import section
from veritable.evaluation.classes import describe_classes
from veritable.evaluation.decision import judge_decisions
from veritable.evaluation.evaluate import compare_models, make_curves
from veritable.evaluation.groups import compute_group_metrics
from veritable.evaluation.params import EvaluateParams
from veritable.evaluation.predictions import PartPredictions
from veritable.metrics.goals import Goal
from veritable.reporting.card import FIELDS, parse_card
from veritable.reporting.profile import describe_profile
from veritable.reporting.summary import make_summary


def explanation_facts(classes: list[str], columns: list[str]) -> dict[str, Any]:
    """Facts that the stage `explain` writes."""
    return {
        "output": "log_odds",
        "rows": 100,
        "background_rows": 50,
        "train_rows": 3000,
        "class": classes[-1],
        "each_row_its_class": len(classes) > 10,
        "dependences": [{"column": name, "partner": columns[-1]} for name in columns[:4]],
        "deletion": {"difference": 0.9, "low": 0.7, "high": 1.1},
        "gap": 1e-12,
        "shared": [columns[:2]] if len(columns) > 1 else [],
        "worst": {
            "row": 17,
            "of_rows": 100,
            "actual": classes[0],
            "predicted": classes[-1],
            "class": classes[-1],
            "probability": 0.93,
            "against": classes[0] if len(classes) > 2 else None,
            "other_probability": 0.02 if len(classes) > 2 else None,
            "base": -0.5,
            "output": 2.5,
            "change": {"predicted": classes[0], "columns": [{"column": columns[0], "before": "3", "after": classes[-1]}]},
        },
        "errors": {"mean": 0.031, "worst_row": 0.049, "background": 0.042},
    }


def record_facts(columns: list[str]) -> dict[str, Any]:
    """What `make_record` returns."""
    return {
        "hashes": [
            {"path": "data/prepared/train", "sha256": "0" * 64, "is_main": True},
            {"path": "dvc.yaml", "sha256": "f" * 64, "is_main": False},
        ],
        "pipeline": [{"name": "generate", "after": []}, {"name": "preprocess", "after": ["generate"]}],
        "changed_params": [
            {"key": "data.id", "value": columns[0], "default": None},
            {"key": "data.drop", "value": columns, "default": []},
        ],
        "further_params": 0,
        "commands": [{"command": "make repro", "effect": "run what is missing"}],
    }


def importance(columns: list[str]) -> pd.DataFrame:
    """Importance of the columns; only the first twenty have a permutation importance."""
    value = np.linspace(0.3, 0.1, len(columns))
    loss = np.where(np.arange(len(columns)) < 20, value / 10, np.nan)
    frame = pd.DataFrame({"column": columns, "importance": value, "low": value - 0.05, "high": value + 0.05})
    return frame.assign(loss_increase=loss, loss_increase_low=loss - 0.01, loss_increase_high=loss + 0.01)


def explained_frames(classes: list[str], columns: list[str]) -> dict[str, pd.DataFrame]:
    """Tables that the stage `explain` writes; the last column is a category."""
    draw, shown, top = np.random.default_rng(0), columns[:12], columns[:4]
    points = [
        pd.DataFrame({"column": name, "row": range(30), "value": draw.normal(size=30), "number": draw.normal(size=30)})
        for name in shown
    ]
    frame = pd.concat(points, ignore_index=True)
    category = frame["column"] == columns[-1]
    frame = frame.assign(text=frame["number"].round(1).astype(str), rank=frame["number"].rank(pct=True))
    frame.loc[category, ["number", "rank"]] = np.nan
    effects = [
        pd.DataFrame(
            {"column": name, "text": list("abc"), "number": np.nan if name == columns[-1] else [0.0, 1.0, 3.0],
             "output": [-1.0, 0.5, 1.0], "share": [0.2, 0.5, 0.3]}
        )
        for name in top
    ]  # fmt: skip
    pairs = [{"one": top[0], "other": name, "strength": 0.2, "low": 0.1, "high": 0.3} for name in top[1:]]
    return {
        "points": frame,
        "effects": pd.concat(effects, ignore_index=True),
        "interactions": pd.DataFrame(pairs, columns=["one", "other", "strength", "low", "high"]),
        "deletion": pd.DataFrame({"removed": [0, 1, 2], "ordered": [0.0, 1.5, 2.0], "random": [0.0, 0.6, 2.0]}),
        "waterfall": pd.DataFrame(
            {"column": columns, "text": "7", "value": draw.normal(size=len(columns)), "standard_error": 0.1}
        ),
        "importance_by_class": pd.concat(
            [
                pd.DataFrame(
                    {"class": name, "column": columns, "rows": 5 + i, "importance": np.linspace(0.1, 0.2, len(columns))}
                )
                for i, name in enumerate(classes)
            ]
        ),
    }


def mistakes(classes: list[str], columns: list[str]) -> dict[str, Any]:
    """Mistakes that the stage `evaluate` lists."""
    listed = [
        {
            "row": row,
            "actual": classes[0],
            "predicted": classes[-1],
            "actual_probability": 0.01 * (row + 1),
            "predicted_probability": 0.9,
            "values": dict.fromkeys(columns, "7"),
        }
        for row in range(6)
    ]
    return {"wrong_rows": 12, "mistakes": listed}


def slices(columns: list[str]) -> dict[str, Any]:
    """Slices that the stage `evaluate` finds."""
    interval = {"value": 0.3, "low": 0.1, "high": 0.5, "n": 40}
    found = {
        "conditions": [{"column": name, "text": f"{name} above 7"} for name in columns[:2]],
        "rows": 40,
        "share": 0.1,
        "loss": 0.6,
        "other_loss": 0.3,
        "difference": interval,
        "excess": interval,
        "shown": True,
    }
    return {"found_rows": 60, "judged_rows": 60, "slices": [found], "sentence": f"Worst is {columns[0]} above 7."}


def profiles(columns: list[str]) -> list[dict[str, Any]]:
    """Profiles that the stage `preprocess` writes, of train and of test."""
    counts = {"train": [0, 30, 30, 0, 3], "test": [0, 12, 8, 0, 1]}
    return [
        {
            "columns": [
                {"name": name, "edges": [0.0, 1.0, 4.0], "kind": "number", "counts": {part: counts[part]}} for name in columns
            ]
        }
        for part in ("train", "test")
    ]


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
    goal = Goal(metric="f1" if len(classes) == 2 else "accuracy")
    decided = judge_decisions(goal, classes, network, network, {}, params).to_json()
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
        "explanation": explanation_facts(classes, columns),
        "importance": importance(columns),
        "explained": explained_frames(classes, columns),
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
        "evaluation": {
            "classes": describe_classes(network, classes, params.confidence_level),
            "decision": decided | {"baseline_thresholds": {}},
            "groups": compute_group_metrics(network, params, classes),
            "mistakes": mistakes(classes, columns),
            "slices": slices(columns),
        },
        "reference": None,
        "profile": describe_profile(*profiles(columns)),
        "params": {"train": section("train"), "data": section("data", target=target)},
        "versions": {"python": "3.11", "torch": "2.13.0", "numpy": "2.4.6", "idna": "3"},
        "card": parse_card("\n\n".join(f"# {name}\n\nThe {name.lower()}.\n\n- one\n- two" for name in FIELDS)),
        "card_file": "docs/model-card.md",
        "record": record_facts(columns),
    }
