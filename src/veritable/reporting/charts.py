"""Draw the charts as SVG with Vega-Lite, without a browser. They need no JavaScript, and the same data gives the same bytes."""

import re
from collections.abc import Mapping
from typing import Any

import altair as alt
import pandas as pd
import vl_convert

from veritable.reporting.explanation_charts import make_explanation_charts
from veritable.reporting.style import ACCENT, CONFIG, FAINT, INK, PALETTE, SIZE

MAX_CLASSES = len(PALETTE)


def draw(summary: Mapping[str, Any]) -> dict[str, str]:
    """Draw all charts of the report. Returns SVG text by name."""
    curves, classes = summary["curves"], _classes_with_curve(summary)
    charts = {
        "roc": _curve(curves["roc"], classes, "fpr", "tpr", "false positive rate", "true positive rate", diagonal=True),
        "pr": _curve(curves["pr"], classes, "recall", "precision", "recall", "precision", diagonal=False),
        "calibration": _calibration(curves["calibration"], classes),
        "training": _training(summary["history"], summary["best"]["epoch"]),
        **make_explanation_charts(summary),
    }
    return {name: _to_svg(chart, name) for name, chart in charts.items()}


def _to_svg(chart: Any, name: str) -> str:
    """Render a chart; number its clip paths and gradients per chart, because Vega numbers them per process."""
    svg = vl_convert.vegalite_to_svg(chart.configure(**CONFIG).to_dict())
    ids = re.findall(r' id="((?:clip|gradient_)\d+)"', svg)
    new = {each: f"{name}-{number}" for number, each in enumerate(ids)}
    return re.sub(r'( id="|url\(#)((?:clip|gradient_)\d+)', lambda match: match[1] + new.get(match[2], match[2]), svg)


def _classes_with_curve(summary: Mapping[str, Any]) -> list[str]:
    """Return the classes with a curve: the positive one of two, else the most frequent ones."""
    if summary["positive"] is not None:
        return [summary["positive"]]
    by_rows = sorted(summary["table"]["classes"], key=lambda each: -each["rows"])
    drawn = set(summary["curves"]["calibration"]["class"])
    return [each["name"] for each in by_rows if each["name"] in drawn][:MAX_CLASSES]


def _select(frame: pd.DataFrame, classes: list[str]) -> pd.DataFrame:
    return frame[frame["class"].isin(classes)]


def _color(classes: list[str]) -> Any:
    if len(classes) == 1:
        return alt.value(ACCENT)
    return alt.Color("class:N", sort=classes, scale=alt.Scale(domain=classes, range=PALETTE[: len(classes)]))


def _unit(name: str, title: str) -> dict[str, Any]:
    return {"shorthand": f"{name}:Q", "title": title, "scale": alt.Scale(domain=[0, 1], nice=False)}


def _diagonal() -> Any:
    ends = pd.DataFrame({"x": [0.0, 1.0], "y": [0.0, 1.0]})
    return alt.Chart(ends).mark_line(color=FAINT, strokeDash=[4, 4], strokeWidth=1).encode(alt.X("x:Q"), alt.Y("y:Q"))


def _curve(frame: pd.DataFrame, classes: list[str], x: str, y: str, x_title: str, y_title: str, *, diagonal: bool) -> Any:
    points = _select(frame, classes).assign(order=range(len(_select(frame, classes))))
    line = (
        alt.Chart(points)
        .mark_line(strokeWidth=2, interpolate="linear")
        .encode(alt.X(**_unit(x, x_title)), alt.Y(**_unit(y, y_title)), color=_color(classes), order="order:Q")
    )
    return alt.layer(*([_diagonal()] if diagonal else []), line).properties(**SIZE)


def _calibration(frame: pd.DataFrame, classes: list[str]) -> Any:
    base = alt.Chart(_select(frame, classes)).encode(
        alt.X(**_unit("predicted", "predicted probability")), color=_color(classes)
    )
    y = alt.Y(**_unit("observed", "observed share of the class"))
    line, points = base.mark_line(strokeWidth=1).encode(y), base.mark_point(filled=True, size=45, opacity=1).encode(y)
    layers = [_diagonal(), line, points]
    if len(classes) == 1:  # with more classes the intervals would overlap
        layers.insert(
            1,
            base.mark_rule(strokeWidth=1.5, opacity=0.5).encode(
                alt.Y("low:Q", title="observed share of the class"), alt.Y2("high:Q")
            ),
        )
    return alt.layer(*layers).properties(**SIZE)


def _training(history: pd.DataFrame, best: int) -> Any:
    long = history.rename(columns={"train_loss": "train", "valid_loss": "valid"}).melt(
        "epoch", var_name="part", value_name="loss"
    )
    last = max(2, len(history))
    epochs = alt.X(
        "epoch:Q",
        axis=alt.Axis(
            format="d", values=list(range(1, last + 1)) if last <= 10 else alt.Undefined
        ),  # ticks at whole epochs only
        scale=alt.Scale(domain=[1, last], nice=False, zero=False),
    )
    color = alt.Color("part:N", scale=alt.Scale(domain=["train", "valid"], range=[FAINT, ACCENT]))
    lines = (
        alt.Chart(long)
        .mark_line(strokeWidth=2, point=len(history) == 1)
        .encode(
            epochs,
            alt.Y("loss:Q", scale=alt.Scale(zero=False)),
            color=color,
        )
    )
    kept = alt.Chart(pd.DataFrame({"epoch": [best]})).mark_rule(color=INK, strokeDash=[2, 3]).encode(epochs)
    return alt.layer(kept, lines).properties(**SIZE)
