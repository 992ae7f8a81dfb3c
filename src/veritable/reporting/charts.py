"""Draw the figures of the report from the summary."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from veritable.figures.axes import Axis
from veritable.figures.heat_map import draw_heat_map
from veritable.figures.lines import Mark, Series, draw_lines
from veritable.figures.style import N_SERIES
from veritable.figures.svg import Figure
from veritable.reporting.confusion import MAX_TABLE_CLASSES
from veritable.reporting.explanation_charts import draw_explanation

MAX_CLASSES = N_SERIES


def draw(summary: Mapping[str, Any]) -> dict[str, Figure]:
    """Draw all figures of the report. Returns them by name; several of a kind are named "effect 1", "effect 2" and so on."""
    curves, classes = summary["curves"], _classes_with_curve(summary)
    figures = {
        "roc": _curve(
            "ROC curve", curves["roc"], classes, "fpr", "tpr", ("False positive rate", "True positive rate"), summary
        ),
        "pr": _curve("Precision and recall", curves["pr"], classes, "recall", "precision", ("Recall", "Precision"), summary),
        "calibration": _calibration(curves["calibration"], classes),
        "training": _training(summary["history"], summary["best"]["epoch"]),
        **draw_explanation(summary),
    }
    if "thresholds" in curves and len(curves["thresholds"]):
        figures["thresholds"] = _thresholds(curves["thresholds"], summary["threshold"])
    if len(summary["confusion"]) > MAX_TABLE_CLASSES:
        figures["confusion"] = _confusion(summary["confusion"], len(summary["classes"]))
    return figures


def _classes_with_curve(summary: Mapping[str, Any]) -> list[str]:
    """Return the classes with a curve: the positive one of two, else the most frequent ones."""
    if summary["positive"] is not None:
        return [summary["positive"]]
    by_rows = sorted(summary["table"]["classes"], key=lambda each: -each["rows"])
    drawn = set(summary["curves"]["calibration"]["class"])
    return [each["name"] for each in by_rows if each["name"] in drawn][:MAX_CLASSES]


def _of_class(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    return frame[frame["class"] == name]


def _curve(
    title: str,
    frame: pd.DataFrame,
    classes: list[str],
    x: str,
    y: str,
    titles: tuple[str, str],
    summary: Mapping[str, Any],
) -> Figure:
    """Draw a curve per class; with two classes, the point of the classifier's threshold is marked."""
    lines = [Series(name, _of_class(frame, name)[x].tolist(), _of_class(frame, name)[y].tolist()) for name in classes]
    marks = []
    if summary["threshold"] is not None and len(frame):
        above = frame[frame["threshold"] >= summary["threshold"]]
        point = (above if len(above) else frame).iloc[-1 if len(above) else 0]  # thresholds fall along both curves
        marks = [Mark(f"threshold {summary['threshold']:.3f}", float(point[x]), float(point[y]))]
    axes = (Axis(each, 0.0, 1.0) for each in titles)
    described = f"{titles[1]} against {titles[0].lower()} on the test part."
    return draw_lines(title, lines, *axes, description=described, diagonal=x == "fpr", marks=marks)


def _calibration(frame: pd.DataFrame, classes: list[str]) -> Figure:
    """Draw observed shares against predicted probabilities; intervals of several classes would overlap, and are omitted."""
    lines = []
    for name in classes:
        own = _of_class(frame, name)
        low, high = (own[end].tolist() if len(classes) == 1 else None for end in ("low", "high"))
        lines.append(Series(name, own["predicted"].tolist(), own["observed"].tolist(), low, high, dotted=True))
    reach = frame.loc[frame["class"].isin(classes), ["predicted", "observed"]].max().max()
    end = next((each for each in (0.1, 0.2, 0.5) if len(classes) > 1 and reach <= each), 1.0)  # rare classes fill the corner
    axes = Axis("Predicted probability", 0.0, end), Axis("Observed share of the class", 0.0, end)
    return draw_lines("Calibration", lines, *axes, description="Observed shares by predicted probability.", diagonal=True)


def _training(history: pd.DataFrame, best: int) -> Figure:
    epochs = history["epoch"].tolist()
    lines = [
        Series("valid", epochs, history["valid_loss"].tolist()),
        Series("train", epochs, history["train_loss"].tolist(), faint=True),
    ]
    x = Axis("Epoch", 1.0, float(max(2, *epochs)), whole=True)
    described = "Loss of the train and the valid part by epoch."
    return draw_lines("Training", lines, x, Axis("Loss"), description=described, rule=(f"epoch {best} was kept", best))


def _thresholds(frame: pd.DataFrame, threshold: float) -> Figure:
    lines = [Series(name, frame["threshold"].tolist(), frame[name].tolist()) for name in ("precision", "recall", "f1")]
    lines[-1] = Series("F1", lines[-1].x, lines[-1].y)
    return draw_lines(
        "Metrics by threshold",
        lines,
        Axis("Threshold", 0.0, 1.0),
        Axis("Metric on the test part", 0.0, 1.0),
        description="Precision, recall and F1 of the positive class by threshold.",
        rule=(f"threshold {threshold:.3f}", threshold),
    )


def _confusion(rows: list[dict[str, Any]], n_classes: int) -> Figure:
    names, counts = [row["actual"] for row in rows], [[cell["rows"] for cell in row["cells"]] for row in rows]
    described = "Rows of the test part by actual and predicted class."
    return draw_heat_map("Confusion matrix", names, counts, mixed=len(rows) - 1 < n_classes - 1, description=described)
