"""Charts as SVG text, drawn by Vega-Lite without a browser: they show without JavaScript; same data, same bytes."""

import re
from collections.abc import Mapping
from typing import Any

import altair as alt
import pandas as pd
import vl_convert

INK, ACCENT, RIVAL, FAINT = "#1f2933", "#2563eb", "#d97706", "#9aa5b1"
_PALETTE = [ACCENT, RIVAL, "#059669", "#7c3aed", "#db2777", "#0891b2", "#65a30d", "#6b7280"]
MAX_CLASSES = len(_PALETTE)
_SIZE = {"width": 330, "height": 250}
_CONFIG: dict[str, Any] = {
    "font": "system-ui, sans-serif",
    "view": {"stroke": None},
    "axis": {"grid": True, "gridColor": "#eef1f4", "domainColor": FAINT, "tickColor": FAINT, "labelColor": INK,
             "titleColor": INK, "titleFontWeight": "normal", "labelFontSize": 11, "titleFontSize": 12},
    "legend": {"labelColor": INK, "title": None, "orient": "bottom", "labelFontSize": 11, "columns": 4, "labelLimit": 80},
}  # fmt: skip


def draw(summary: Mapping[str, Any]) -> dict[str, str]:
    """All charts of the report by name. SVG text."""
    curves, classes = summary["curves"], _shown(summary)
    charts = {
        "roc": _curve(curves["roc"], classes, "fpr", "tpr", "false positive rate", "true positive rate", diagonal=True),
        "pr": _curve(curves["pr"], classes, "recall", "precision", "recall", "precision", diagonal=False),
        "calibration": _calibration(curves["calibration"], classes),
        "training": _training(summary["history"], summary["best"]["epoch"]),
        "importance": _importance(summary["importance"]),
    }
    return {name: _to_svg(chart, name) for name, chart in charts.items()}


def _to_svg(chart: Any, name: str) -> str:
    """Clips are numbered by chart: Vega goes on counting in the next chart of the process."""
    svg = vl_convert.vegalite_to_svg(chart.configure(**_CONFIG).to_dict())
    clips = re.findall(r'<clipPath id="(clip\d+)"', svg)
    new = {clip: f"{name}-clip{number}" for number, clip in enumerate(clips)}
    return re.sub(r'(<clipPath id="|clip-path="url\(#)(clip\d+)', lambda match: match[1] + new.get(match[2], match[2]), svg)


def _shown(summary: Mapping[str, Any]) -> list[str]:
    """The classes whose curves are drawn: the positive one of two, the commonest of many."""
    if summary["positive"] is not None:
        return [summary["positive"]]
    by_rows = sorted(summary["table"]["classes"], key=lambda each: -each["rows"])
    drawn = set(summary["curves"]["calibration"]["class"])
    return [each["name"] for each in by_rows if each["name"] in drawn][:MAX_CLASSES]


def _of(frame: pd.DataFrame, classes: list[str]) -> pd.DataFrame:
    return frame[frame["class"].isin(classes)]


def _colour(classes: list[str]) -> Any:
    if len(classes) == 1:
        return alt.value(ACCENT)
    return alt.Color("class:N", sort=classes, scale=alt.Scale(domain=classes, range=_PALETTE[: len(classes)]))


def _unit(name: str, title: str) -> dict[str, Any]:
    return {"shorthand": f"{name}:Q", "title": title, "scale": alt.Scale(domain=[0, 1], nice=False)}


def _diagonal() -> Any:
    ends = pd.DataFrame({"x": [0.0, 1.0], "y": [0.0, 1.0]})
    return alt.Chart(ends).mark_line(color=FAINT, strokeDash=[4, 4], strokeWidth=1).encode(alt.X("x:Q"), alt.Y("y:Q"))


def _curve(frame: pd.DataFrame, classes: list[str], x: str, y: str, x_title: str, y_title: str, *, diagonal: bool) -> Any:
    points = _of(frame, classes).assign(order=range(len(_of(frame, classes))))
    line = (
        alt.Chart(points)
        .mark_line(strokeWidth=2, interpolate="linear")
        .encode(alt.X(**_unit(x, x_title)), alt.Y(**_unit(y, y_title)), color=_colour(classes), order="order:Q")
    )
    return alt.layer(*([_diagonal()] if diagonal else []), line).properties(**_SIZE)


def _calibration(frame: pd.DataFrame, classes: list[str]) -> Any:
    base = alt.Chart(_of(frame, classes)).encode(alt.X(**_unit("predicted", "predicted probability")), color=_colour(classes))
    y = alt.Y(**_unit("observed", "observed share"))
    line, points = base.mark_line(strokeWidth=1).encode(y), base.mark_point(filled=True, size=45, opacity=1).encode(y)
    layers = [_diagonal(), line, points]
    if len(classes) == 1:  # intervals of many classes would hide each other
        layers.insert(
            1, base.mark_rule(strokeWidth=1.5, opacity=0.5).encode(alt.Y("low:Q", title="observed share"), alt.Y2("high:Q"))
        )
    return alt.layer(*layers).properties(**_SIZE)


def _training(history: pd.DataFrame, best: int) -> Any:
    long = history.rename(columns={"train_loss": "train", "valid_loss": "valid"}).melt(
        "epoch", var_name="part", value_name="loss"
    )
    last = max(2, len(history))
    epochs = alt.X(
        "epoch:Q",
        axis=alt.Axis(format="d", values=list(range(1, last + 1)) if last <= 10 else alt.Undefined),  # whole epochs
        scale=alt.Scale(domain=[1, last], nice=False, zero=False),
    )
    colour = alt.Color("part:N", scale=alt.Scale(domain=["train", "valid"], range=[FAINT, ACCENT]))
    lines = (
        alt.Chart(long)
        .mark_line(strokeWidth=2, point=len(history) == 1)
        .encode(
            epochs,
            alt.Y("loss:Q", scale=alt.Scale(zero=False)),
            color=colour,
        )
    )
    kept = alt.Chart(pd.DataFrame({"epoch": [best]})).mark_rule(color=INK, strokeDash=[2, 3]).encode(epochs)
    return alt.layer(kept, lines).properties(**_SIZE)


def _importance(importance: pd.DataFrame) -> Any:
    top = importance.head(15)
    return (
        alt.Chart(top)
        .mark_bar(color=ACCENT, cornerRadiusEnd=2)
        .encode(
            alt.X("importance:Q", title="mean change of the predicted probability"),
            alt.Y("column:N", sort=top["column"].tolist(), title=None, axis=alt.Axis(labelLimit=180)),
        )
        .properties(width=_SIZE["width"], height=max(60, 20 * len(top)))
    )
