"""Draw the figures of the explanation: what the columns do to the output, for one class."""

from collections.abc import Mapping
from math import nan
from typing import Any

import pandas as pd

from veritable.figures.axes import Axis
from veritable.figures.bars import Bar, draw_bars
from veritable.figures.lines import Series, draw_lines
from veritable.figures.scatter import Swarm, draw_dots, draw_swarms
from veritable.figures.svg import Figure
from veritable.figures.text import isolate
from veritable.figures.waterfall import Step, draw_waterfall

_COLUMNS = 15
_POINT_ROWS = 200
MAX_LEVELS = 12  # of a category that have a row of dots
_OUTPUTS = {"log_odds": "log-odds", "probability": "probability"}


def draw_explanation(summary: Mapping[str, Any]) -> dict[str, Figure]:
    """Return all figures of the section by name."""
    frames, facts = summary["explained"], summary["explanation"]
    unit = _OUTPUTS[facts["output"]] if len(summary["classes"]) == 2 or facts["output"] == "probability" else "score"
    figures = {
        "importance": _importance(summary["importance"], unit),
        "permutation": _permutation(summary["importance"]),
        "beeswarm": _beeswarm(frames["points"], unit),
        "deletion": _deletion(frames["deletion"], unit),
        "waterfall": _waterfall(frames["waterfall"], facts["worst"], unit),
    }
    if len(frames["interactions"]):
        figures["interactions"] = _interactions(frames["interactions"], unit)
    for number, pair in enumerate(facts["dependences"], start=1):
        figures[f"dependence {number}"] = _dependence(frames["points"], pair["column"], pair["partner"], unit)
    if len(frames["effects"]):
        for number, (name, effect) in enumerate(frames["effects"].groupby("column", sort=False), start=1):
            figures[f"effect {number}"] = _effect(effect, str(name), unit)
    return figures


def _bars(frame: pd.DataFrame, name: str, value: str, low: str = "low", high: str = "high") -> list[Bar]:
    return [Bar(*each) for each in zip(frame[name], frame[value], frame[low], frame[high], strict=True)]


def _importance(importance: pd.DataFrame, unit: str) -> Figure:
    bars = _bars(importance.head(_COLUMNS), "column", "importance")
    described = "The columns that change the predictions most, with intervals."
    return draw_bars("Importance of the columns", bars, Axis(f"Mean absolute value ({unit})"), description=described)


def _permutation(importance: pd.DataFrame) -> Figure:
    known = importance.dropna(subset="loss_increase").sort_values("loss_increase", ascending=False, kind="stable")
    bars = _bars(known.head(_COLUMNS), "column", "loss_increase", "loss_increase_low", "loss_increase_high")
    described = "The columns that the classifier needs most, with intervals."
    return draw_bars("Permutation importance", bars, Axis("Increase of the log loss without the column"), description=described)


def _beeswarm(points: pd.DataFrame, unit: str) -> Figure:
    shown = points[points["row"].isin(points["row"].drop_duplicates().head(_POINT_ROWS))]
    swarms = [
        Swarm(str(name), own["value"].tolist(), own["rank"].tolist()) for name, own in shown.groupby("column", sort=False)
    ]
    described = "Each dot is a row: how much a column changes its prediction."
    return draw_swarms("Values by column", swarms, Axis(f"Change of the {unit}"), description=described)


def _dependence(points: pd.DataFrame, name: str, partner: str, unit: str) -> Figure:
    """Draw the values of a column against the column itself, colored by the column whose value changes its effect most."""
    own, other = (points[points["column"] == each].set_index("row") for each in (name, partner))
    rank = other["rank"].reindex(own.index)
    is_number, by_rank = own["number"].notna().any(), rank.notna().any()
    change, title = Axis(f"Change of the {unit}"), f"Effect of {isolate(name)}"
    colored = ", colored by another column" if is_number or by_rank else ""
    described = f"How the effect of the column depends on its value{colored}."
    if not is_number:
        levels = own["text"].value_counts(sort=True).index[:MAX_LEVELS]
        swarms = [
            Swarm(str(level), own.loc[own["text"] == level, "value"].tolist(), rank[own["text"] == level].tolist())
            for level in levels
        ]
        return draw_swarms(title, swarms, change, rank=f"rank of {isolate(partner)}", description=described)
    colors: dict[str, Any] = {"groups": other["text"].reindex(own.index).tolist(), "color": partner}
    if by_rank:
        colors = {"ranks": rank.tolist(), "color": f"rank of {isolate(partner)}"}
    return draw_dots(title, Axis(name), change, own["number"].tolist(), own["value"].tolist(), description=described, **colors)


def _effect(effect: pd.DataFrame, name: str, unit: str) -> Figure:
    """Draw the mean output if all rows have the same value, with the share of the rows that are near the value."""
    title, y = f"Partial dependence on {isolate(name)}", Axis(f"Change of the mean {unit}")
    described = "The mean prediction if all rows had the same value."
    outputs, shares = effect["output"].tolist(), effect["share"].tolist()
    if not effect["number"].notna().all():
        named = [f"{isolate(text)} ({100 * share:.0f} %)" for text, share in zip(effect["text"], shares, strict=True)]
        bars = [Bar(each, output, nan, nan) for each, output in zip(named, outputs, strict=True)]
        return draw_bars(title, bars, Axis(f"{y.title} by {isolate(name)}"), description=described)
    line = Series(name, effect["number"].tolist(), outputs, dotted=True)
    return draw_lines(title, [line], Axis(name), y, description=described, shares=shares, height=180)


def _interactions(pairs: pd.DataFrame, unit: str) -> Figure:
    named = [f"{isolate(one)} × {isolate(other)}" for one, other in zip(pairs["one"], pairs["other"], strict=True)]
    bars = _bars(pairs.assign(pair=named), "pair", "strength")
    described = "Pairs of columns whose effects depend on each other."
    return draw_bars("Interactions", bars, Axis(f"Strength of the interaction ({unit})"), description=described)


def _deletion(deletion: pd.DataFrame, unit: str) -> Figure:
    removed = deletion["removed"].tolist()
    lines = [
        Series("by importance", removed, deletion["ordered"].tolist(), dotted=True),
        Series("random order", removed, deletion["random"].tolist(), faint=True, dotted=True),
    ]
    x, y = Axis("Columns replaced by background values", whole=True), Axis(f"Mean absolute change of the {unit}", low=0.0)
    return draw_lines("Check of the values", lines, x, y, description="Columns replaced in two orders.")


def _waterfall(values: pd.DataFrame, worst: Mapping[str, Any], unit: str) -> Figure:
    """Draw how the values lead from the base value to the output, the most important column first."""
    steps = [
        Step(*each) for each in zip(values["column"], values["text"], values["value"], values["standard_error"], strict=True)
    ]
    title = unit[0].upper() + unit[1:]
    if worst["against"] is not None:
        title = f"{title} of {isolate(worst['class'])} minus that of {isolate(worst['against'])}"
    return draw_waterfall(
        f"Row {worst['row']}",
        steps,
        worst["base"],
        Axis(title),
        base_name="mean of the train rows",
        output_name="this row",
        description="How the columns of the row lead from the mean prediction to its own.",
    )
