"""The first screen: what was made, whether to use it, what its decisions mean, and what to look at before."""

from collections.abc import Mapping
from typing import Any, Literal

import pandas as pd

from veritable.evaluation.comparison import find_outcome
from veritable.figures.axes import Axis
from veritable.figures.bars import Difference, draw_forest
from veritable.figures.svg import Figure

_SHOWN_METRICS = ("roc_auc", "log_loss", "brier", "accuracy", "recall")
_COUNTS = ("tp", "fp", "fn", "tn")
_MIN_CLASS_ROWS = 10  # of the class that is named as the worst
_QUALITIES = {
    "recall": "recall",
    "false_positive_rate": "the false positive rate",
    "precision": "precision",
    "accuracy": "accuracy",
    "calibration": "calibration",
}
_HEADLINES = {
    "better": "Better than {best}, the best simple model",
    "tied": "A tie with {best}, the best simple model",
    "worse": "Worse than {best}, a simple model",
}
_ADVICE = {
    "better": "Nothing speaks against using it.",
    "tied": "As far as these rows can tell, the simpler {best} is as good.",
    "worse": "Use {best} instead.",
}
_POSITIONS = {"better": "ahead of", "tied": "not told apart from", "worse": "behind"}


def make_opening(summary: Mapping[str, Any]) -> dict[str, Any]:
    """Return the texts of the first screen. They have names from the table in them and are to be escaped.

    Returns
    -------
    `context` (what the headline is about), `headline`, `outcome` (its color), `advice`, `counts` (what the decisions mean),
    `against` (what `differences` compares with) and `before` (sentences: what to know before the classifier is used).
    """
    verdict, reference = summary["verdict"], summary["reference"]
    best, outcome = summary["models"][verdict["best_baseline"]], verdict["outcome"]
    headline = _HEADLINES[outcome].format(best=best)
    if reference is not None:
        headline = f"{reference['headline'].removesuffix('.')}; {_POSITIONS[outcome]} {best}"
    problems = [each for each in summary["findings"] if each["level"] != "note"]
    advice = "Look at what the checks found before you use it." if outcome == "better" and problems else _ADVICE[outcome]
    return {
        "context": _context(summary),
        "headline": headline,
        "outcome": outcome,
        "advice": advice.format(best=best),
        "counts": _counts(summary),
        "against": best if reference is None else reference["old"],
        "before": [_problems(len(problems)), _certainty(summary), *_weakest(summary)],
    }


def draw_differences(summary: Mapping[str, Any]) -> Figure:
    """Draw the paired differences from the reference, or without one from the best baseline."""
    reference, best = summary["reference"], summary["verdict"]["best_baseline"]
    if reference is None:
        differences = summary["baseline_differences"][best]
    else:
        differences = {each["key"]: each["difference"] for each in reference["metrics"]}
    shown = [
        Difference(summary["metrics"][key]["label"], each["value"], each["low"], each["high"], _shown(key, each))
        for key in _SHOWN_METRICS
        if (each := differences.get(key)) is not None and each["low"] is not None
    ]
    described = "Each metric minus that of the other version, with its interval."
    return draw_forest("Differences", shown, Axis("Difference"), description=described)


def _shown(key: str, difference: Mapping[str, Any]) -> Literal["better", "worse", "open"]:
    outcome = find_outcome(key, difference["low"], difference["high"])
    return outcome if outcome in ("better", "worse") else "open"


def make_slider(summary: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what each threshold would give on 1,000 rows like the test rows; None if there are more than two classes.

    Returns
    -------
    `points` (lists by name: threshold, tp, fp, fn, tn and, with costs, cost), `chosen` (place of the threshold of the
    classifier in them) and `now` (texts for it).
    """
    if summary["positive"] is None:
        return None
    of_1000 = {key: each["value"] for key, each in summary["decision"]["of_1000"].items()}
    right, missed = of_1000["right"], of_1000["missed"]
    own = {"threshold": summary["threshold"], "tp": right, "fp": of_1000["flagged"] - right, "fn": missed}
    own["tn"] = 1000 - sum(own[name] for name in _COUNTS[:3])
    frame = summary["curves"]["thresholds"]
    points = frame[["threshold", *_COUNTS]].assign(**{name: 1000 * frame[name] for name in _COUNTS})
    metrics = {name: summary["metrics"][name]["models"]["classifier"]["value"] for name in ("precision", "recall", "f1")}
    now = {name: f"{own[name]:,.0f}" for name in _COUNTS} | {name: f"{each or 0:.3f}" for name, each in metrics.items()}
    if "cost" in frame:
        points = points.assign(cost=frame["cost"])
        own["cost"] = summary["decision"]["costs"]["classifier"]["value"]
        now["cost"] = f"{own['cost']:,.1f}"
    points = pd.concat([points[points["threshold"] != own["threshold"]], pd.DataFrame([own])])
    points = points.sort_values("threshold", kind="stable", ignore_index=True)
    chosen = int((points["threshold"] < own["threshold"]).sum())
    return {"points": {name: points[name].round(4).tolist() for name in points}, "chosen": chosen, "now": now}


def _context(summary: Mapping[str, Any]) -> str:
    """Return, for example, "adult.csv → income = >50K · 32,561 rows, 6,512 to judge by · against v1"."""
    table, positive = summary["table"], summary["positive"]
    name = summary["params"]["data"]["path"].rstrip("/").rsplit("/", 1)[-1]
    classes = f"{len(summary['classes']):,} classes of {table['target']}"
    target = classes if positive is None else f"{table['target']} = {positive}"
    parts = [f"{name} → {target}", f"{table['rows']:,} rows, {summary['rows']:,} of them to judge by"]
    if summary["reference"] is not None:
        parts.append(f"against {summary['reference']['old']}")
    return " · ".join(parts)


def _counts(summary: Mapping[str, Any]) -> str:
    accuracy = summary["metrics"]["accuracy"]["models"]["classifier"]["value"]
    digits = int(accuracy < 1 and round(1000 * accuracy) == 1000)  # all of them would hide the mistakes
    return summary["decision"]["counts"] or f"Of 1,000 rows, {1000 * accuracy:,.{digits}f} get the right class."


def _problems(n: int) -> str:
    return f"The checks found {n:,} problem{'s' if n > 1 else ''}: see Findings." if n else "The checks found no problem."


def _certainty(summary: Mapping[str, Any]) -> str:
    """Say how well the accuracy is known, or with a rare positive class, where accuracy misleads, the recall."""
    name = "accuracy" if "accuracy" in summary["cards"] else "recall"
    own = summary["metrics"][name]["models"]["classifier"]
    if own["low"] is None:
        return f"With {summary['rows']:,} test rows, the {name} is not known."
    return (
        f"With {summary['rows']:,} test rows, the {name} of {own['value']:.1%} is known to lie between {own['low']:.1%} and "
        f"{own['high']:.1%}."
    )


def _weakest(summary: Mapping[str, Any]) -> list[str]:
    """Say for whom the classifier is worst: groups, a class, a slice."""
    found = [_gap(column, each) for column, each in summary["groups"].items()]
    known = [each for each in summary["class_metrics"] if each["rows"] >= _MIN_CLASS_ROWS]
    if summary["positive"] is None and known:
        worst = min(known, key=lambda each: each["recall"]["value"])
        recall = worst["recall"]
        found.append(
            f"Worst class: of {worst['rows']:,} rows of {worst['class']}, {recall['value']:.0%} are found "
            f"[{recall['low']:.0%}, {recall['high']:.0%}]."
        )
    if not summary["slices"]["slices"] or not summary["slices"]["slices"][0]["shown"]:
        return [*found, summary["slices"]["sentence"]]
    worst = summary["slices"]["slices"][0]
    where = " and ".join(f"{each['column']}: {each['text']}" for each in worst["conditions"])
    return [*found, f"Worst slice: {where}, log loss {worst['loss']:.3f}, of the other rows {worst['other_loss']:.3f}."]


def _gap(column: str, groups: Mapping[str, Any]) -> str:
    """Say the largest difference in quality between two groups of a column that is shown."""
    gaps = {name: groups["gaps"].get(name) for name in _QUALITIES} | {
        f"recall of {each['class']}": each for each in groups["recall_gaps"]
    }
    shown = {name: each for name, each in gaps.items() if each is not None and each["shown"]}
    if not shown:
        return f"{column}: no difference in quality between its groups is shown, see Groups."
    name = max(shown, key=lambda name: shown[name]["gap"]["value"])
    gap, (higher, lower) = shown[name]["gap"], (shown[name][end] or "missing" for end in ("higher", "lower"))
    low, high = (f"{100 * gap[end]:.1f}" for end in ("low", "high"))
    return (
        f"{column}: {_QUALITIES.get(name, name)} of {higher} is {100 * gap['value']:.1f} points [{low}, {high}] above {lower}, "
        "see Groups."
    )
