"""Draw the figures of the report from the summary."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

from veritable.figures.axes import Axis
from veritable.figures.heat_map import draw_heat_map
from veritable.figures.histogram import draw_histogram
from veritable.figures.lines import Mark, Series, draw_lines
from veritable.figures.style import N_SERIES
from veritable.figures.svg import Figure
from veritable.reporting.confusion import MAX_TABLE_CLASSES
from veritable.reporting.explanation_charts import draw_explanation
from veritable.reporting.summary import MODELS

MAX_CLASSES = N_SERIES
_FLAGGED = "Share of all rows, highest scores first"
GAIN = {"flagged": _FLAGGED, "found": "Share of the rows of the class that they hold"}
LIFT = {"flagged": _FLAGGED, "lift": "Times as frequent as among all rows"}


def draw(summary: Mapping[str, Any]) -> dict[str, Figure]:
    """Draw all figures of the report. Returns them by name; several of a kind are named "effect 1", "effect 2" and so on."""
    curves, classes = summary["curves"], _classes_with_curve(summary)
    figures = {
        "roc": _curve("roc", "ROC curve", {"fpr": "False positive rate", "tpr": "True positive rate"}, classes, summary),
        "pr": _curve("pr", "Precision and recall", {"recall": "Recall", "precision": "Precision"}, classes, summary),
        "gain": _curve("gain", "Gain", GAIN, classes, summary),
        "lift": _lift(curves["gain"], classes),
        "calibration": _calibration(curves, classes),
        "training": _training(summary["history"], summary["best"]["epoch"]),
        **draw_explanation(summary),
    }
    if summary["positive"] is not None:
        figures["scores"] = _scores(curves["calibration_histogram"], summary["positive"])
    if "thresholds" in curves and len(curves["thresholds"]):
        figures["thresholds"] = _thresholds(curves["thresholds"], summary["threshold"])
        if "cost" in curves["thresholds"]:
            figures["costs"] = _costs(curves, summary["threshold"])
    if summary["learning_curve"] is not None:
        figures["learning_curve"] = _learning_curve(summary["learning_curve"]["points"])
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


def _curve(kind: str, title: str, titles: Mapping[str, str], classes: list[str], summary: Mapping[str, Any]) -> Figure:
    """Draw a curve per class; with two classes, also those of the baselines, and the point of the classifier's threshold."""
    frame, (x, y) = summary["curves"][kind], titles
    lines = [Series(name, _of_class(frame, name)[x].tolist(), _of_class(frame, name)[y].tolist()) for name in classes]
    baselines = summary["curves"].get(f"{kind}_baselines")
    if summary["positive"] is not None and baselines is not None:
        lines = [replace(lines[0], name="classifier"), *_faint(baselines, x, y)]
    marks = []
    if summary["threshold"] is not None and len(frame):
        above = frame[frame["threshold"] >= summary["threshold"]]
        point = (above if len(above) else frame).iloc[-1 if len(above) else 0]  # thresholds fall along the curves
        marks = [Mark(f"threshold {summary['threshold']:.3f}", float(point[x]), float(point[y]))]
    x_axis, y_axis = (Axis(each, 0.0, 1.0) for each in titles.values())
    described = f"{titles[y]} against {titles[x][0].lower()}{titles[x][1:]}, on the test part."
    return draw_lines(title, lines, x_axis, y_axis, description=described, diagonal=kind != "pr", marks=marks)


def _faint(baselines: pd.DataFrame, x: str, y: str) -> list[Series]:
    """Return the curve of each baseline except the class shares, whose curve is the diagonal or a point on it."""
    return [
        Series(MODELS[str(name)], own[x].tolist(), own[y].tolist(), faint=True)
        for name, own in baselines.groupby("model", sort=False)
        if name != "majority"
    ]


def _scores(frame: pd.DataFrame, positive: str) -> Figure:
    own = _of_class(frame, positive)
    counts = {"other rows": (own["rows"] - own["class_rows"]).tolist(), positive: own["class_rows"].tolist()}
    edges = [*own["low"].tolist(), float(own["high"].iloc[-1])]
    described = "Predicted probabilities of the rows of the positive class and of the others."
    return draw_histogram(
        "Predicted probabilities", edges, counts, Axis("Predicted probability", 0.0, 1.0), description=described
    )


def _lift(frame: pd.DataFrame, classes: list[str]) -> Figure:
    lines = [
        Series(name, _of_class(frame, name)["flagged"].tolist(), _of_class(frame, name)["lift"].tolist()) for name in classes
    ]
    described = "How many times as frequent the class is among the rows with the highest scores as among all rows."
    return draw_lines("Lift", lines, Axis(LIFT["flagged"], 0.0, 1.0), Axis(LIFT["lift"], low=0.0), description=described)


def _calibration(curves: Mapping[str, pd.DataFrame], classes: list[str]) -> Figure:
    """Draw observed shares against predicted probabilities, with two classes beside those of the baselines.

    Intervals of several classes would overlap, and are omitted.
    """
    frame, lines = curves["calibration"], []
    for name in classes:
        own = _of_class(frame, name)
        low, high = (own[end].tolist() if len(classes) == 1 else None for end in ("low", "high"))
        lines.append(Series(name, own["predicted"].tolist(), own["observed"].tolist(), low, high, dotted=True))
    if "calibration_baselines" in curves:
        lines = [replace(lines[0], name="classifier"), *_faint(curves["calibration_baselines"], "predicted", "observed")]
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


def _costs(curves: Mapping[str, pd.DataFrame], threshold: float) -> Figure:
    """Draw the cost by threshold on the test rows and on the rows that the threshold was chosen on."""
    names = {"thresholds": "test rows", "thresholds_held_out": "rows that chose the threshold"}
    lines = [
        Series(name, curves[key]["threshold"].tolist(), curves[key]["cost"].tolist(), faint=key != "thresholds")
        for key, name in names.items()
        if key in curves and len(curves[key])
    ]
    return draw_lines(
        "Cost by threshold",
        lines,
        Axis("Threshold", 0.0, 1.0),
        Axis("Cost of 1,000 rows"),
        description="Cost of 1,000 rows by threshold.",
        rule=(f"threshold {threshold:.3f}", threshold),
    )


def _learning_curve(points: list[dict[str, Any]]) -> Figure:
    rows, losses = ([each[name] for each in points] for name in ("rows", "log_loss"))
    described = "Log loss of gradient boosting on the test part by the number of train rows."
    line = Series("gradient boosting", rows, losses, dotted=True)
    return draw_lines("Learning curve", [line], Axis("Train rows", 0.0, whole=True), Axis("Log loss"), description=described)


def _confusion(rows: list[dict[str, Any]], n_classes: int) -> Figure:
    names, counts = [row["actual"] for row in rows], [[cell["rows"] for cell in row["cells"]] for row in rows]
    described = "Rows of the test part by actual and predicted class."
    return draw_heat_map("Confusion matrix", names, counts, mixed=len(rows) - 1 < n_classes - 1, description=described)
