"""Draw the charts of the explanation: what the columns do to the output, for one class."""

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from veritable.reporting.style import ACCENT, FAINT, INK, PALETTE, SECOND, SIZE

_COLUMNS = 15
_POINT_ROWS = 200
_STEPS = 10  # columns of a waterfall that are shown one by one
_LABEL = alt.Axis(labelLimit=180)
_OUTPUTS = {"log_odds": "log-odds", "probability": "probability"}


def make_explanation_charts(summary: Mapping[str, Any]) -> dict[str, Any]:
    """Return all charts of the section by name."""
    frames, facts = summary["explained"], summary["explanation"]
    unit = _OUTPUTS[facts["output"]] if len(summary["classes"]) == 2 or facts["output"] == "probability" else "score"
    return {
        "importance": _importance(summary["importance"], unit),
        "permutation": _permutation(summary["importance"]),
        "beeswarm": _beeswarm(frames["points"], unit),
        "dependence": _dependence(frames["points"], facts["dependences"], unit),
        "effects": _effects(frames["effects"], unit),
        "interactions": _interactions(frames["interactions"], unit),
        "deletion": _deletion(frames["deletion"], unit),
        "waterfall": _waterfall(frames["waterfall"], facts["worst"], unit),
    }


def _bars(frame: pd.DataFrame, value: str, label: str, title: str, low: str = "low", high: str = "high") -> Any:
    """Draw horizontal bars with their intervals, in the order of the frame."""
    x = alt.X(f"{value}:Q", title=title)
    base = alt.Chart(frame).encode(alt.Y(f"{label}:N", sort=frame[label].tolist(), title=None, axis=_LABEL))
    bars = base.mark_bar(color=ACCENT, cornerRadiusEnd=2).encode(x)
    rules = base.mark_rule(color=INK, strokeWidth=1.5).encode(alt.X(f"{low}:Q", title=title), alt.X2(f"{high}:Q"))
    return alt.layer(bars, rules).properties(width=SIZE["width"], height=max(60, 20 * len(frame)))


def _importance(importance: pd.DataFrame, unit: str) -> Any:
    return _bars(importance.head(_COLUMNS), "importance", "column", f"mean absolute value ({unit})")


def _permutation(importance: pd.DataFrame) -> Any:
    known = importance.dropna(subset="loss_increase").sort_values("loss_increase", ascending=False, kind="stable")
    names = {"low": "loss_increase_low", "high": "loss_increase_high"}
    return _bars(known.head(_COLUMNS), "loss_increase", "column", "increase of the log loss without the column", **names)


def _dots(points: pd.DataFrame, title: str, **encodings: Any) -> Any:
    """Draw a dot per point, colored by its rank, or gray where it has none."""
    scale = alt.Scale(domain=[0, 1], range=[ACCENT, SECOND], interpolate="rgb")
    legend = alt.Legend(title=title, orient="bottom", format=".0%", gradientLength=160, titleLimit=300)
    has_rank = points["rank"].notna()
    colored = alt.Chart(points[has_rank]).mark_circle(size=17, opacity=0.75)
    gray = alt.Chart(points[~has_rank].drop(columns="rank")).mark_circle(size=17, opacity=0.75, color=FAINT)
    layers = [gray.encode(**encodings)] if not has_rank.all() else []
    layers += [colored.encode(**encodings, color=alt.Color("rank:Q", scale=scale, legend=legend))] if has_rank.any() else []
    return alt.layer(*layers)


def _beeswarm(points: pd.DataFrame, unit: str) -> Any:
    shown = points[points["row"].isin(points["row"].drop_duplicates().head(_POINT_ROWS))]
    columns = points["column"].drop_duplicates().tolist()
    dots = _dots(
        shown.assign(offset=_spread(shown))[["column", "value", "offset", "rank"]],
        "rank of the value",
        x=alt.X("value:Q", title=f"change of the {unit}"),
        y=alt.Y("column:N", sort=columns, title=None, axis=_LABEL),
        yOffset=alt.YOffset("offset:Q", scale=alt.Scale(domain=[-1, 1])),
    )
    zero = alt.Chart(pd.DataFrame({"value": [0.0]})).mark_rule(color=FAINT).encode(alt.X("value:Q"))
    return alt.layer(zero, dots).properties(width=SIZE["width"], height=max(80, 26 * len(columns)))


def _spread(points: pd.DataFrame) -> np.ndarray:
    """Return an offset in [-0.9, 0.9] for each point, so that points with about the same value do not hide each other."""
    bins = (points["value"] / (np.ptp(points["value"].to_numpy()) or 1) * 60).round()
    place = points.groupby([points["column"], bins]).cumcount()
    return np.where(place % 2 == 0, 1, -1) * np.minimum((place + 1) // 2 * 0.16, 0.9)


def _dependence(points: pd.DataFrame, pairs: Sequence[Mapping[str, str]], unit: str) -> Any:
    return _columns([_depend(points, each["column"], each["partner"], unit) for each in pairs])


def _depend(points: pd.DataFrame, name: str, partner: str, unit: str) -> Any:
    """Draw the values of a column against the column itself, colored by the column whose value changes its effect most."""
    own, other = (points[points["column"] == each].set_index("row") for each in (name, partner))
    is_number, by_rank = own["number"].notna().any(), other["rank"].notna().any()
    own = own.assign(rank=other["rank"], partner=other["text"])
    x = alt.X("number:Q", title=name, scale=alt.Scale(zero=False)) if is_number else alt.X("text:N", title=name, axis=_LABEL)
    y = alt.Y("value:Q", title=f"change of the {unit}")
    own = own.dropna(subset="number") if is_number else own  # a missing value has no place on the axis
    shown = own[["number" if is_number else "text", "value", "rank" if by_rank else "partner"]]
    if by_rank:
        chart = _dots(shown, f"rank of {partner}", x=x, y=y)
    else:
        chart = alt.Chart(shown).mark_circle(size=17, opacity=0.75).encode(x, y, color=_level_color(other["text"], partner))
    return chart.properties(width=SIZE["width"], height=180)


def _level_color(levels: pd.Series, title: str) -> Any:
    """Return the colors of the most frequent levels of a category."""
    names = levels.value_counts().index[: len(PALETTE)].tolist()
    legend = alt.Legend(title=title, orient="bottom", titleLimit=300, columns=3, labelLimit=110)
    color = alt.Color("partner:N", scale=alt.Scale(domain=names, range=PALETTE[: len(names)]), legend=legend)
    return alt.condition(alt.FieldOneOfPredicate("partner", names), color, alt.value(FAINT))


def _effects(effects: pd.DataFrame, unit: str) -> Any:
    return _columns([_effect(each, str(name), unit) for name, each in effects.groupby("column", sort=False)])


def _effect(effect: pd.DataFrame, name: str, unit: str) -> Any:
    """Draw the mean output if all rows have the same value, above the share of the rows that are near the value."""
    is_number = effect["number"].notna().all()
    order = effect["text"].tolist()
    x = (
        alt.X("number:Q", title=name, scale=alt.Scale(zero=False))
        if is_number
        else alt.X("text:N", title=name, sort=order, axis=_LABEL)
    )
    y = alt.Y("output:Q", title=f"change of the mean {unit}")
    base = alt.Chart(effect[["number" if is_number else "text", "output", "share"]]).encode(x)
    line = base.mark_line(strokeWidth=2, point=True, color=ACCENT) if is_number else base.mark_bar(color=ACCENT)
    share = base.mark_bar(color=FAINT, size=6).encode(alt.Y("share:Q", title="share", axis=alt.Axis(format=".0%", tickCount=2)))
    width = SIZE["width"]
    return alt.vconcat(
        line.encode(y).properties(width=width, height=150), share.properties(width=width, height=36), spacing=4
    ).resolve_scale(x="shared")


def _columns(charts: list[Any]) -> Any:
    return alt.vconcat(*charts, spacing=14).resolve_scale(color="independent", x="independent", y="independent")


def _interactions(pairs: pd.DataFrame, unit: str) -> Any:
    named = pairs.assign(pair=pairs["one"] + " × " + pairs["other"])
    return _bars(named, "strength", "pair", f"strength of the interaction ({unit})")


def _deletion(deletion: pd.DataFrame, unit: str) -> Any:
    long = deletion.rename(columns={"ordered": "by importance", "random": "random order"}).melt(
        "removed", var_name="order", value_name="change"
    )
    names = ["by importance", "random order"]
    return (
        alt.Chart(long)
        .mark_line(strokeWidth=2, point=True)
        .encode(
            alt.X("removed:Q", title="columns replaced by background values"),
            alt.Y("change:Q", title=f"mean absolute change of the {unit}"),
            alt.Color("order:N", scale=alt.Scale(domain=names, range=[ACCENT, FAINT])),
        )
        .properties(**SIZE)
    )


def _waterfall(values: pd.DataFrame, facts: Mapping[str, Any], unit: str) -> Any:
    """Draw how the values lead from the base value to the output, the most important column last, as shap does."""
    top, rest = values.head(_STEPS), values.iloc[_STEPS:]
    labels = [f"{column} = {text}"[:60] for column, text in zip(top["column"], top["text"], strict=True)]
    steps, errors = top["value"].tolist(), top["standard_error"].tolist()
    if len(rest):
        labels.append(f"{len(rest):,} other columns")
        steps.append(float(rest["value"].sum()))
        errors.append(float(np.sqrt(np.square(rest["standard_error"]).sum())))
    ends = facts["output"] - np.concatenate([[0.0], np.cumsum(steps)[:-1]])
    frame = pd.DataFrame({"label": labels, "start": ends - steps, "end": ends, "value": steps, "error": errors})
    frame["direction"] = np.where(frame["value"] >= 0, "raises", "lowers")
    frame["text"] = [f"{value:+.2f} ± {error:.2f}" for value, error in zip(steps, errors, strict=True)]
    y = alt.Y("label:N", sort=labels, title=None, axis=alt.Axis(labelLimit=220))
    color = alt.Color("direction:N", scale=alt.Scale(domain=["raises", "lowers"], range=[SECOND, ACCENT]))
    bars = (
        alt.Chart(frame)
        .mark_bar(height=12)
        .encode(alt.X("start:Q", title=unit, scale=alt.Scale(zero=False, padding=50)), alt.X2("end:Q"), y, color)
    )
    frame["right"] = frame[["start", "end"]].max(axis=1)
    texts = (
        alt.Chart(frame).mark_text(align="left", dx=4, fontSize=10, color=INK).encode(alt.X("right:Q"), y, alt.Text("text:N"))
    )
    base = alt.Chart(pd.DataFrame({"x": [facts["base"]]})).mark_rule(color=FAINT, strokeDash=[4, 4]).encode(alt.X("x:Q"))
    return alt.layer(base, bars, texts).properties(
        width=SIZE["width"] - 60, height=max(60, 22 * len(frame)), padding={"left": 30, "right": 5, "top": 5, "bottom": 5}
    )
