"""Curves of a classifier as small frames of finite numbers.

Every frame has the same columns for any number of classes. With two classes, the curves are those of the positive class (code
1). With more, there is a curve of each class against the rest, for the 30 most frequent classes; the column `class` holds its
name.

Rows count by their weight; rows with weight 0 are excluded. The column `rows` holds unweighted row counts.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from veritable.metrics.checks import check_codes, check_probabilities, check_weight
from veritable.metrics.counts import COUNT_METRICS
from veritable.metrics.intervals import FloatArray
from veritable.metrics.shares import wilson_interval
from veritable.metrics.thresholds import sweep

MAX_CLASSES = 30  # with curves: more are unreadable, and their points would fill megabytes
MAX_CONFUSION_CLASSES = 100  # in the confusion matrix
_MAX_POINTS = 200  # per curve: on a screen it looks like the full curve


@dataclass(frozen=True)
class _Rows:
    """Rows of one class against the rest. Shape: (n,) each"""

    name: str
    positive: NDArray[np.bool_]
    score: FloatArray
    weight: FloatArray


def roc_curve_frame(
    y_true: NDArray[Any], y_prob: NDArray[Any], classes: Sequence[str], weight: NDArray[Any] | None = None
) -> pd.DataFrame:
    """Compute ROC curves with the columns class, fpr, tpr, threshold.

    A curve runs from (0, 0), where the threshold is just above every score, to (1, 1). Classes without a row, or with all rows,
    have no ROC curve and are excluded. Shape: y_true (n,) codes, y_prob (n, K), weight (n,)

    Raises
    ------
    ValueError
        The shapes do not match, a code is out of range or a probability is invalid.
    """
    frames = []
    for rows in _one_against_rest(y_true, y_prob, classes, weight):
        swept = sweep(rows.positive, rows.score, rows.weight)
        negatives, positives = swept.counts.actual[0]
        if negatives == 0 or positives == 0:
            continue
        hits, false_hits = swept.counts.hits[:, 1], negatives - swept.counts.hits[:, 0]
        top = swept.thresholds[0]
        points = {
            "fpr": np.r_[0.0, false_hits / negatives],
            "tpr": np.r_[0.0, hits / positives],
            "threshold": np.r_[1.0 if top < 1 else np.nextafter(top, 2), swept.thresholds],
        }
        frames.append(_thin(rows.name, points, along=["fpr", "tpr"]))
    return _concat(frames, ["class", "fpr", "tpr", "threshold"])


def pr_curve_frame(
    y_true: NDArray[Any], y_prob: NDArray[Any], classes: Sequence[str], weight: NDArray[Any] | None = None
) -> pd.DataFrame:
    """Compute precision-recall curves with the columns class, recall (ascending), precision, threshold (descending).

    Classes without a row have no such curve and are excluded. Shape: y_true (n,) codes, y_prob (n, K), weight (n,)

    Raises
    ------
    ValueError
        The shapes do not match, a code is out of range or a probability is invalid.
    """
    frames = []
    for rows in _one_against_rest(y_true, y_prob, classes, weight):
        swept = sweep(rows.positive, rows.score, rows.weight)
        positives = swept.counts.actual[0, 1]
        if positives == 0:
            continue
        hits = swept.counts.hits[:, 1]
        points = {
            "recall": hits / positives,
            "precision": hits / swept.counts.predicted[:, 1],
            "threshold": swept.thresholds,
        }
        frames.append(_thin(rows.name, points, along=["recall", "precision"]))
    return _concat(frames, ["class", "recall", "precision", "threshold"])


def gain_frame(
    y_true: NDArray[Any], y_prob: NDArray[Any], classes: Sequence[str], weight: NDArray[Any] | None = None
) -> pd.DataFrame:
    """Compute gain and lift curves with the columns class, flagged, found, lift, threshold (descending).

    `flagged` is the share of all rows that have at least the score `threshold`, `found` the share of the rows of the class that
    are among them, and `lift` their ratio: how many times as frequent the class is among the flagged rows as among all rows.
    The curve begins at the highest score, because there is no lift where no row is flagged. Classes without a row have no such
    curve and are excluded. Shape: y_true (n,) codes, y_prob (n, K), weight (n,)

    Raises
    ------
    ValueError
        The shapes do not match, a code is out of range or a probability is invalid.
    """
    frames = []
    for rows in _one_against_rest(y_true, y_prob, classes, weight):
        swept = sweep(rows.positive, rows.score, rows.weight)
        positives = swept.counts.actual[0, 1]
        if positives == 0:
            continue
        flagged = swept.counts.predicted[:, 1] / swept.counts.actual[0].sum()
        found = swept.counts.hits[:, 1] / positives
        points = {"flagged": flagged, "found": found, "lift": found / flagged, "threshold": swept.thresholds}
        frames.append(_thin(rows.name, points, along=["flagged", "found"]))
    return _concat(frames, ["class", "flagged", "found", "lift", "threshold"])


def threshold_frame(
    y_true: NDArray[Any], y_prob: NDArray[Any], weight: NDArray[Any] | None = None, costs: FloatArray | None = None
) -> pd.DataFrame:
    """Compute what each threshold would give: metrics of the positive class, and shares of the rows by weight.

    Columns: threshold (ascending), precision, recall, f1; tp, fp, fn, tn (shares of all rows that are true positives and so
    on); with costs also cost (of 1,000 rows). For two classes only. The frame is empty if no row is positive.

    Shape: y_true (n,) codes, y_prob (n, 2), weight (n,), costs (2, 2) by actual and predicted class

    Raises
    ------
    ValueError
        There are more than two classes, the shapes do not match, a code is out of range or a probability is not one.
    """
    y_true, y_prob = check_probabilities(y_true, y_prob)
    if y_prob.shape[1] != 2:
        raise ValueError(f"y_prob must have 2 columns, but has Shape {y_prob.shape}")
    columns = ["precision", "recall", "f1"]
    shares = ["tp", "fp", "fn", "tn"]
    swept = sweep(y_true == 1, y_prob[:, 1], check_weight(weight, len(y_true)))
    negatives, positives = swept.counts.actual[0]
    if positives == 0:
        return pd.DataFrame(
            columns=["threshold", *columns, *shares, *(["cost"] if costs is not None else [])], dtype=np.float64
        )
    points = {"threshold": swept.thresholds} | {name: COUNT_METRICS[name](swept.counts) for name in columns}
    along, (tn, tp) = list(points), swept.counts.hits.T
    rows = [tp, negatives - tn, positives - tp, tn]
    points |= {name: counted / (negatives + positives) for name, counted in zip(shares, rows, strict=True)}
    if costs is not None:
        of_share = {"tp": costs[1, 1], "fp": costs[0, 1], "fn": costs[1, 0], "tn": costs[0, 0]}
        points["cost"] = sum((1000 * cost * points[name] for name, cost in of_share.items()), np.zeros(tp.size))
    thinned = _thin("", points, along=along)
    return thinned[::-1].drop(columns="class").reset_index(drop=True)


def calibration_frame(
    y_true: NDArray[Any],
    y_prob: NDArray[Any],
    classes: Sequence[str],
    weight: NDArray[Any] | None = None,
    *,
    n_bins: int = 10,
) -> pd.DataFrame:
    """Compare predicted probabilities with observed shares, in bins with about the same number of rows.

    Columns: class, predicted (mean probability in the bin, ascending), observed (share of the class in the bin), low, high
    (Wilson's 95 % interval of observed), rows. Rows with the same probability share a bin, so there may be fewer than `n_bins`
    bins. If weights differ, the interval uses Kish's effective sample size.

    Shape: y_true (n,) codes, y_prob (n, K), weight (n,)

    Raises
    ------
    ValueError
        The shapes do not match, a code is out of range or a probability is invalid.
    """
    frames = []
    for each in _one_against_rest(y_true, y_prob, classes, weight):
        edges = np.quantile(each.score, np.linspace(0, 1, n_bins + 1)[1:-1])
        _, bin_of_row = np.unique(np.searchsorted(edges, each.score, side="left"), return_inverse=True)
        mass = np.bincount(bin_of_row, weights=each.weight)
        observed = np.bincount(bin_of_row, weights=each.weight * each.positive) / mass
        low, high = wilson_interval(observed, mass**2 / np.bincount(bin_of_row, weights=each.weight**2))
        predicted = np.bincount(bin_of_row, weights=each.weight * each.score) / mass
        rows = np.bincount(bin_of_row)
        columns = {"class": each.name, "predicted": predicted, "observed": observed, "low": low, "high": high, "rows": rows}
        frames.append(pd.DataFrame(columns))
    return pd.concat(frames, ignore_index=True)


def score_histogram_frame(
    y_true: NDArray[Any],
    y_prob: NDArray[Any],
    classes: Sequence[str],
    weight: NDArray[Any] | None = None,
    *,
    n_bins: int = 20,
) -> pd.DataFrame:
    """Count the rows by predicted probability in bins of equal width, to be shown with the calibration.

    Columns: class, low, high (ends of the bin; a probability on an end belongs to the bin above it), rows, class_rows (those of
    the class). Both counts are unweighted. Empty bins are included. Shape: y_true (n,) codes, y_prob (n, K), weight (n,)

    Raises
    ------
    ValueError
        The shapes do not match, a code is out of range or a probability is invalid.
    """
    edges = np.arange(n_bins + 1) / n_bins
    frames = []
    for each in _one_against_rest(y_true, y_prob, classes, weight):
        rows, class_rows = (np.histogram(scores, edges)[0] for scores in (each.score, each.score[each.positive]))
        columns = {"class": each.name, "low": edges[:-1], "high": edges[1:], "rows": rows, "class_rows": class_rows}
        frames.append(pd.DataFrame(columns))
    return pd.concat(frames, ignore_index=True)


def confusion_frame(y_true: NDArray[Any], y_pred: NDArray[Any], classes: Sequence[str]) -> pd.DataFrame:
    """Compute the confusion matrix in long form, with the columns actual, predicted (class names), rows (unweighted count).

    If there are more than 100 classes, the most frequent are listed and the others are merged into one, "(900 others)".
    Shape: y_true (n,) codes, y_pred (n,) codes

    Raises
    ------
    ValueError
        The shapes do not match or a code is out of range.
    """
    n_classes = len(classes)
    y_true, y_pred = (
        check_codes(name, codes, n=len(y_true), n_classes=n_classes) for name, codes in (("y_true", y_true), ("y_pred", y_pred))
    )
    shown = most_frequent(y_true, n_classes, MAX_CONFUSION_CLASSES)
    names = [classes[code] for code in shown]
    place = np.full(n_classes, len(shown))
    place[shown] = np.arange(len(shown))
    if len(shown) < n_classes:
        names.append(f"({n_classes - len(shown):,} others)")
    rows = np.bincount(place[y_true] * len(names) + place[y_pred], minlength=len(names) ** 2)
    texts = np.asarray(names, dtype=object)
    return pd.DataFrame({"actual": np.repeat(texts, len(names)), "predicted": np.tile(texts, len(names)), "rows": rows})


def most_frequent(y_true: NDArray[Any], n_classes: int, limit: int = MAX_CLASSES) -> list[int]:
    """Return the codes of the classes that are shown, ascending: all classes, or the `limit` with the most rows."""
    by_rows = np.argsort(-np.bincount(y_true, minlength=n_classes), kind="stable")
    return sorted(by_rows[:limit].tolist())


def _one_against_rest(
    y_true: NDArray[Any], y_prob: NDArray[Any], classes: Sequence[str], weight: NDArray[Any] | None
) -> Iterator[_Rows]:
    """Yield each class with a curve, with the rows whose weight is not 0."""
    y_true, y_prob = check_probabilities(y_true, y_prob)
    if len(classes) != y_prob.shape[1]:
        raise ValueError(f"classes must have {y_prob.shape[1]} names, one per column of y_prob, but has {len(classes)}")
    weight = check_weight(weight, len(y_true))
    weighty = np.flatnonzero(weight)
    for code in [1] if len(classes) == 2 else most_frequent(y_true, len(classes)):
        yield _Rows(classes[code], y_true[weighty] == code, y_prob[weighty, code], weight[weighty])


def _thin(name: str, points: dict[str, FloatArray], *, along: list[str]) -> pd.DataFrame:
    """Keep at most 200 points, evenly spaced along the curve, in order, with both ends."""
    path = np.stack([points[column] for column in along], axis=1)
    length = np.r_[0.0, np.abs(np.diff(path, axis=0)).sum(axis=1).cumsum()]
    kept = np.arange(length.size)
    if kept.size > _MAX_POINTS:
        kept = np.unique(np.searchsorted(length, np.linspace(0, length[-1], _MAX_POINTS)))
    return pd.DataFrame({"class": name} | {column: values[kept] for column, values in points.items()})


def _concat(frames: list[pd.DataFrame], columns: list[str]) -> pd.DataFrame:
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=columns)
