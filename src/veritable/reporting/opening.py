"""The first screen: what was made, whether to use it, what its decisions mean, and what to look at before."""

from collections.abc import Callable, Mapping
from typing import Any

from veritable.evaluation.comparison import LOWER_IS_BETTER
from veritable.figures.axes import Axis
from veritable.figures.bars import Difference, draw_forest
from veritable.figures.svg import Figure

_SHOWN_METRICS = ("roc_auc", "log_loss", "brier", "accuracy", "recall")
_AGAINST = {
    "better": "better than {best}, the best simple model",
    "tied": "a tie with {best}, the best simple model",
    "worse": "worse than {best}, a simple model",
}
_ADVICE = {
    "better": "Nothing here speaks against using it.",
    "tied": "A tie: the simpler {best} is as good as far as these rows can tell.",
    "worse": "Use {best} instead.",
}
_STAGE = {"better": "ahead of", "tied": "not told apart from", "worse": "behind"}


def make_opening(summary: Mapping[str, Any], emphasize: Callable[[str], str]) -> dict[str, Any]:
    """Return the texts of the first screen.

    Parameters
    ----------
    emphasize
        Marks a name from the table, and escapes it.

    Returns
    -------
    `context` (the line above the headline), `headline`, `advice`, `outcome` (that of the headline), `counts` (what the
    decisions mean, or empty) and `before` (sentences: what to look at before the classifier is used).
    """
    verdict, reference = summary["verdict"], summary["reference"]
    best = summary["models"][verdict["best_baseline"]]
    outcome = verdict["outcome"]
    if reference is None:
        against = _AGAINST[outcome].format(best=best)
        headline = f"{against[0].upper()}{against[1:]}"
    else:
        headline = f"{reference['headline'].removesuffix('.')}; {_STAGE[outcome]} {best}"
    warnings = [each for each in summary["findings"] if each["level"] != "note"]
    advice = _ADVICE[outcome].format(best=best)
    if outcome == "better" and warnings:
        advice = "Look at what the checks found before you use it."
    return {
        "context": _context(summary, emphasize),
        "headline": headline,
        "advice": advice,
        "outcome": outcome,
        "counts": _counts(summary, emphasize),
        "before": [*_count_findings(warnings), *_weakest(summary, emphasize), _certainty(summary)],
    }


def draw_opening(summary: Mapping[str, Any]) -> Figure:
    """Draw the paired differences from the reference, or without one from the best baseline."""
    if summary["reference"] is not None:
        rows = {each["key"]: each["difference"] for each in summary["reference"]["metrics"]}
    else:
        rows = summary["differences"][summary["verdict"]["best_baseline"]]
    shown = [
        Difference(
            summary["metrics"][key]["label"], *(rows[key][end] for end in ("value", "low", "high")), _outcome(key, rows[key])
        )
        for key in _SHOWN_METRICS
        if key in rows and rows[key]["value"] is not None and rows[key]["low"] is not None
    ]
    return draw_forest("Differences", shown, Axis("difference"), description="Paired differences with their intervals.")


def _outcome(key: str, difference: Mapping[str, Any]) -> Any:
    sign = -1 if key in LOWER_IS_BETTER else 1
    low, high = sorted((sign * difference["low"], sign * difference["high"]))
    return "better" if low > 0 else "worse" if high < 0 else "open"


def _context(summary: Mapping[str, Any], emphasize: Callable[[str], str]) -> str:
    """Return, for example, "adult.csv → income = >50K · 32,561 rows · against v1"."""
    table = summary["table"]
    name = summary["params"]["data"]["path"].rstrip("/").rsplit("/", 1)[-1]
    target = emphasize(table["target"])
    if summary["positive"] is not None:
        target += f" = {emphasize(summary['positive'])}"
    else:
        target += f", {len(summary['classes']):,} classes"
    parts = [f"{emphasize(name)} → {target}", f"{table['rows']:,} rows", f"{summary['rows']:,} of them to judge by"]
    if summary["reference"] is not None:
        parts.append(f"compared with {emphasize(summary['reference']['old'])}")
    return " · ".join(parts)


def _counts(summary: Mapping[str, Any], emphasize: Callable[[str], str]) -> str:
    of_1000 = summary["decision"]["of_1000"]
    if not of_1000:
        right = summary["metrics"]["accuracy"]["models"]["classifier"]["value"]
        return f"Of 1,000 rows, {right * 1000:,.0f} get their actual class."
    flagged, right, missed = (f"{of_1000[key]['value']:,.0f}" for key in ("flagged", "right", "missed"))
    return f"Of 1,000 rows, {flagged} are flagged as {emphasize(summary['positive'])}, {right} of them rightly; {missed} are missed."


def _count_findings(warnings: list[Mapping[str, Any]]) -> list[str]:
    if not warnings:
        return ["The checks found nothing that speaks against it."]
    return [f"The checks found {len(warnings)} problem{'s' if len(warnings) > 1 else ''}: see the findings below."]


def _weakest(summary: Mapping[str, Any], emphasize: Callable[[str], str]) -> list[str]:
    """Say for whom the classifier is worst: groups, a class, a slice."""
    found = [f"{emphasize(column)}: {each['sentence']}" for column, each in summary["groups"].items() if each["sentence"]]
    if summary["positive"] is None:
        known = [each for each in summary["per_class"]["classes"] if each["recall"]["value"] is not None and each["rows"] >= 10]
        if known:
            worst = min(known, key=lambda each: each["recall"]["value"])
            recall = worst["recall"]
            found.append(
                f"Worst class: {emphasize(worst['class'])}, of which {recall['value']:.0%} are found "
                f"[{recall['low']:.0%}, {recall['high']:.0%}], of {worst['rows']:,} rows.".replace("%", " %")
            )
    slices = summary["slices"]["slices"]
    return [*found, *([slices[0]["sentence"]] if slices else [])]


def _certainty(summary: Mapping[str, Any]) -> str:
    own = summary["metrics"]["accuracy"]["models"]["classifier"]
    half = 50 * (own["high"] - own["low"])
    return f"With {summary['rows']:,} test rows, the accuracy is known to about ±{half:.1f} points."
