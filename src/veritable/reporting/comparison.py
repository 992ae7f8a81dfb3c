"""Collect all that differs between two versions in one dict, from which the page and the text for a pull request are made."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from veritable.evaluation.comparison import (
    Change,
    Judged,
    compare_predictions,
    describe_caution,
    describe_flips,
    overall_outcome,
    write_headline,
)
from veritable.evaluation.params import EvaluateParams
from veritable.evaluation.repeats import RepeatedComparison
from veritable.figures.style import STYLE
from veritable.metrics.labels import LABELS
from veritable.reporting.comparison_figures import figures_of
from veritable.reporting.render import flatten_params, make_environment, make_policy

TEMPLATES = Path(__file__).parent / "templates"
CURVES = {
    "roc": ("fpr", "tpr", "False positive rate", "True positive rate", "ROC curve"),
    "pr": ("recall", "precision", "Recall", "Precision", "Precision and recall"),
    "calibration": ("predicted", "observed", "Predicted probability", "Observed share", "Calibration"),
}
_GROUP_METRICS = ("accuracy", "recall", "precision", "log_loss")
_IN_METRICS = {"better": "better in", "worse": "worse in", "tied": "not told apart in"}
_MAX_CLASSES, _MAX_COLUMNS, _MAX_LINES = 3, 15, 100  # shown


@dataclass(frozen=True)
class Side:
    """One of the two versions.

    Attributes
    ----------
    name
        What the user calls it.
    judged
        Its predictions for the test part; None if they cannot be had.
    metrics
        Headline metrics by name, shown where there are no predictions.
    curves
        Points of the curves by name, each with a column `class`.
    importance
        Importance of each column; None if it cannot be had.
    params
        Params by section.
    inputs
        Hashes of the files of the table by path.
    classifier
        Hash of the classifier; empty if it is not known.
    code
        Versions of libraries and hashes of modules by stage.
    notes
        Sentences about what is missing or outdated.
    """

    name: str
    judged: Judged | None
    metrics: Mapping[str, Any] = field(default_factory=dict)
    curves: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    importance: pd.DataFrame | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
    classifier: str = ""
    code: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    notes: Sequence[str] = ()


def summarize_comparison(old: Side, new: Side, evaluate: EvaluateParams) -> dict[str, Any]:
    """Compare two versions.

    Returns
    -------
    A dict: `old` and `new` (names), `headline`, `outcome` (of the headline), `flips` and `caution` (sentences, or empty),
    `notes`, `metrics`, `groups`, `params`, `code`, `inputs`, `importance` (rows of tables), `curves` (points of both
    versions), `same` (which causes do not differ), `classifiers` (hashes), `confidence`, `identical` (whether all predictions
    are equal) and `paired` (whether the intervals are).
    """
    facts: dict[str, Any] = {
        "old": old.name,
        "new": new.name,
        "classifiers": [old.classifier, new.classifier],
        "notes": [*old.notes, *new.notes],
        "confidence": evaluate.confidence_level,
        "params": list_differences(dict(flatten_params(old.params)), dict(flatten_params(new.params))),
        "inputs": list_differences(old.inputs, new.inputs),
        "code": _code_differences(old.code, new.code),
        "importance": _importance(old, new),
        "same": _describe_same(old, new),
        "curves": [],
        "groups": {},
        "identical": False,
        "paired": False,
        "outcome": "tied",
        "flips": "",
        "caution": "",
    }
    if old.judged is None or new.judged is None:
        known = [key for key in LABELS if key in old.metrics and key in new.metrics]
        return facts | {
            "headline": f"{new.name} cannot be told apart from {old.name}, because predictions are missing.",
            "metrics": [_row(key, _bare(old.metrics[key]), _bare(new.metrics[key]), _bare(None), None) for key in known],
        }
    compared = compare_predictions(old.judged, new.judged, evaluate, new.params.get("data", {}).get("min_count", 1))
    return facts | {
        "headline": write_headline(compared, old.name),
        "flips": describe_flips(compared),
        "caution": describe_caution(compared),
        "identical": compared.identical,
        "paired": not compared.unpaired,
        "outcome": overall_outcome(compared),
        "metrics": [_row_of(key, compared.changes[key]) for key in LABELS],
        "groups": {
            column: [
                {
                    "group": each.group,
                    "rows": each.rows,
                    "metrics": None if each.changes is None else [_row_of(key, each.changes[key]) for key in _GROUP_METRICS],
                }
                for each in groups
            ]
            for column, groups in compared.groups.items()
        },
        "curves": _curves(old, new),
    }


def render_comparison_html(facts: Mapping[str, Any]) -> str:
    """Render one self-contained page with the style and the script of the report."""
    template = make_environment(TEMPLATES / "html", escape=True).get_template("comparison.html.j2")
    script = (TEMPLATES / "html" / "report.js").read_text("utf-8")
    style = {"figure_style": STYLE, "script": script, "policy": make_policy(script)}
    return template.render(comparison=facts, **figures_of(facts), **style)


def render_comparison_markdown(facts: Mapping[str, Any]) -> str:
    """Render the comment for a pull request."""
    template = make_environment(TEMPLATES / "markdown", escape=False).get_template("comparison.md.j2")
    return template.render(comparison=facts)


def render_repeats(compared: RepeatedComparison, facts: Mapping[str, Any]) -> str:
    """Render the comparison of two versions over several runs as Markdown.

    Parameters
    ----------
    facts
        `old` and `new` (name of the first run of each version), `params` (see `list_differences`), `runs` (names of the runs of
        each pair) and `alone` (names of runs without a partner).
    """
    template = make_environment(TEMPLATES / "markdown", escape=False).get_template("repeats.md.j2")
    found = {
        outcome: [LABELS[key][0] for key, each in compared.changes.items() if each.outcome == outcome]
        for outcome in _IN_METRICS
    }
    said = [f"{words} {', '.join(found[outcome])}" for outcome, words in _IN_METRICS.items() if found[outcome]]
    where, other = f"{compared.splits} splits of the table", "another split"
    if compared.splits == 1:
        where, other = "the same test rows", "other seeds and other test rows"
    return template.render(
        facts,
        compared=compared,
        labels={key: label for key, (label, _) in LABELS.items()},
        headline=f"{'; '.join(said)[:1].upper()}{'; '.join(said)[1:]}.",
        basis=f"The runs were judged on {where}: the intervals say how much {other} would change the mean difference.",
    )


def list_differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[dict[str, str]]:
    """List the keys whose values differ, with both values as text; a dash stands for an absent key.

    >>> list_differences({"seed": 1, "l1": 0.0}, {"seed": 2, "l1": 0.0})
    [{'key': 'seed', 'old': '1', 'new': '2'}]
    """

    def text(values: Mapping[str, Any], key: str) -> str:
        if key not in values:
            return "–"
        return values[key] if isinstance(values[key], str) else json.dumps(values[key], ensure_ascii=False)

    keys = sorted(key for key in old.keys() | new.keys() if key not in old or key not in new or old[key] != new[key])
    return [{"key": key, "old": text(old, key), "new": text(new, key)} for key in keys[:_MAX_LINES]]


def _describe_same(old: Side, new: Side) -> str:
    """Say which of params, table and code are known of both versions and do not differ; empty if none."""
    causes = {"params": (old.params, new.params), "table": (old.inputs, new.inputs), "code": (old.code, new.code)}
    same = [f"the {name}" for name, (before, after) in causes.items() if before and before == after]
    return f"Both versions have the same: {', '.join(same)}." if same else ""


def _code_differences(old: Mapping[str, Mapping[str, str]], new: Mapping[str, Mapping[str, str]]) -> list[dict[str, Any]]:
    """List modules and libraries that differ, each with the stages that use it. Hashes of modules are not shown."""
    stages: dict[tuple[str, str, str], list[str]] = {}
    for stage in sorted(old.keys() | new.keys()):
        for change in list_differences(old.get(stage, {}), new.get(stage, {})):
            kind, _, name = change["key"].partition(" ")
            before, after = change["old"], change["new"]
            if kind == "module":
                before, after = ("–" if value == "–" else "" for value in (before, after))
            stages.setdefault((name or kind, before, after), []).append(stage)
    return [{"key": key, "old": old, "new": new, "stages": used} for (key, old, new), used in sorted(stages.items())]


def _importance(old: Side, new: Side) -> list[dict[str, Any]]:
    """List the most important columns of both versions, with their importance; empty if the two are in different units."""
    outputs = [side.params.get("explain", {}).get("output") for side in (old, new)]
    if old.importance is None or new.importance is None or outputs[0] != outputs[1]:
        return []
    values = [dict(zip(each["column"], each["importance"], strict=True)) for each in (old.importance, new.importance)]
    ranks = [{name: rank for rank, name in enumerate(sorted(each, key=lambda name: -each[name]), 1)} for each in values]
    top = sorted(values[0].keys() | values[1].keys(), key=lambda name: (-max(each.get(name, 0.0) for each in values), name))
    return [
        {
            "column": name,
            "old": values[0].get(name),
            "new": values[1].get(name),
            "old_rank": ranks[0].get(name),
            "new_rank": ranks[1].get(name),
        }
        for name in top[:_MAX_COLUMNS]
    ]


def _curves(old: Side, new: Side) -> list[dict[str, Any]]:
    """Return the curves that both versions have: of the positive class, or of the most frequent classes."""
    assert old.judged is not None
    assert new.judged is not None
    names = list(new.judged.classes)
    if len(names) > 2:
        rows = np.bincount(new.judged.predictions.y_true, minlength=len(names))
        shown = [names[code] for code in np.argsort(-rows, kind="stable")[:_MAX_CLASSES]]
    else:
        shown = names[1:]
    found = []
    for curve, (x, y, x_title, y_title, title) in CURVES.items():
        if curve not in old.curves or curve not in new.curves:
            continue
        for name in shown:
            frames = [each.curves[curve] for each in (old, new)]
            lines = [frame.loc[frame["class"] == name, [x, y]].astype(float).to_numpy().tolist() for frame in frames]
            if all(lines):
                words = {"title": f"{title}: {name}", "x_title": x_title, "y_title": y_title, "names": [old.name, new.name]}
                found.append({"lines": lines, **words})
    return found


def _row_of(key: str, change: Change) -> dict[str, Any]:
    return _row(key, asdict(change.old), asdict(change.new), asdict(change.difference), change.outcome)


def _row(key: str, old: Any, new: Any, difference: Any, outcome: str | None) -> dict[str, Any]:
    label, help_ = LABELS[key]
    return {"key": key, "label": label, "help": help_, "old": old, "new": new, "difference": difference, "outcome": outcome}


def _bare(value: float | None) -> dict[str, Any]:
    return {"value": value, "low": None, "high": None}
