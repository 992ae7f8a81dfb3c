"""The curves of a classifier as small frames of finite numbers.

Every frame has the same columns for two classes and for more. With two, the curves are those of the positive class
(the last); with more, of each class against the rest, for the 30 commonest classes. `class` names the class.

Rows count by their weight; `rows` counts rows, whatever they weigh, and a row without weight is in no curve.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from veritable.metrics.counts import COUNT_METRICS
from veritable.metrics.intervals import FloatArray
from veritable.metrics.metrics import check_codes, check_rows
from veritable.metrics.thresholds import sweep
from veritable.metrics.weights import check_weight

MOST_CLASSES = 30  # are drawn: more would be read by nobody, and their curves and pairs would fill megabytes
_POINTS = 200  # a curve of so many points looks like the whole one at any size on a screen
_Z = 1.959963984540054  # of a 95 % interval of a normal distribution


@dataclass(frozen=True)
class _Rows:
    """A class against the rest. Shape (n,) each."""

    name: str
    positive: NDArray[np.bool_]
    score: FloatArray
    weight: FloatArray


def roc_curve_frame(
    y_true: NDArray[Any], y_prob: NDArray[Any], classes: Sequence[str], weight: NDArray[Any] | None = None
) -> pd.DataFrame:
    """ROC curve: columns class, fpr, tpr, threshold; from (0, 0), where the threshold is just above every score, to (1, 1).

    A class without a row, or with all of them, has no such curve and is left out. y_true: Shape (n,), codes;
    y_prob: Shape (n, K); weight: Shape (n,).

    Raises
    ------
    ValueError
        The shapes do not match, a code is out of range or a probability is not one.
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
        frames.append(_thinned(rows.name, points, along=["fpr", "tpr"]))
    return _joined(frames, ["class", "fpr", "tpr", "threshold"])


def pr_curve_frame(
    y_true: NDArray[Any], y_prob: NDArray[Any], classes: Sequence[str], weight: NDArray[Any] | None = None
) -> pd.DataFrame:
    """Precision-recall curve: columns class, recall (rising), precision, threshold (falling).

    A class without a row has no such curve and is left out. y_true: Shape (n,), codes; y_prob: Shape (n, K);
    weight: Shape (n,).

    Raises
    ------
    ValueError
        The shapes do not match, a code is out of range or a probability is not one.
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
        frames.append(_thinned(rows.name, points, along=["recall", "precision"]))
    return _joined(frames, ["class", "recall", "precision", "threshold"])


def threshold_frame(y_true: NDArray[Any], y_prob: NDArray[Any], weight: NDArray[Any] | None = None) -> pd.DataFrame:
    """Precision, recall and F1 of the positive class over the threshold: columns threshold (rising), precision, recall, f1.

    For two classes only. Empty where no row is positive. y_true: Shape (n,), codes; y_prob: Shape (n, 2); weight: Shape (n,).

    Raises
    ------
    ValueError
        There are more than two classes, the shapes do not match, a code is out of range or a probability is not one.
    """
    y_true, y_prob = check_rows(y_true, y_prob)
    if y_prob.shape[1] != 2:
        raise ValueError(f"a threshold is for two classes, however: y_prob.shape={y_prob.shape}")
    columns = ["precision", "recall", "f1"]
    swept = sweep(y_true == 1, y_prob[:, 1], check_weight(weight, len(y_true)))
    if swept.counts.actual[0, 1] == 0:
        return pd.DataFrame(columns=["threshold", *columns], dtype=np.float64)
    points = {"threshold": swept.thresholds} | {name: COUNT_METRICS[name](swept.counts) for name in columns}
    thinned = _thinned("", points, along=list(points))
    return thinned[::-1].drop(columns="class").reset_index(drop=True)


def calibration_frame(
    y_true: NDArray[Any],
    y_prob: NDArray[Any],
    classes: Sequence[str],
    weight: NDArray[Any] | None = None,
    *,
    bins: int = 10,
) -> pd.DataFrame:
    """Predicted probability against the observed share, over bins of about equally many rows.

    Columns: class, predicted (mean probability of the bin's rows, rising), observed (share of the class among them), low, high
    (Wilson's 95 % interval of observed), rows. Rows of equal probability share a bin, so there may be fewer than `bins`.
    Rows of unequal weight tell less: the interval is that of Kish's effective number of rows.
    y_true: Shape (n,), codes; y_prob: Shape (n, K); weight: Shape (n,).

    Raises
    ------
    ValueError
        The shapes do not match, a code is out of range or a probability is not one.
    """
    frames = []
    for each in _one_against_rest(y_true, y_prob, classes, weight):
        edges = np.quantile(each.score, np.linspace(0, 1, bins + 1)[1:-1])
        _, bin_of_row = np.unique(np.searchsorted(edges, each.score, side="left"), return_inverse=True)
        mass = np.bincount(bin_of_row, weights=each.weight)
        observed = np.bincount(bin_of_row, weights=each.weight * each.positive) / mass
        low, high = wilson_interval(observed, mass**2 / np.bincount(bin_of_row, weights=each.weight**2))
        predicted = np.bincount(bin_of_row, weights=each.weight * each.score) / mass
        rows = np.bincount(bin_of_row)
        columns = {"class": each.name, "predicted": predicted, "observed": observed, "low": low, "high": high, "rows": rows}
        frames.append(pd.DataFrame(columns))
    return pd.concat(frames, ignore_index=True)


def confusion_frame(y_true: NDArray[Any], y_pred: NDArray[Any], classes: Sequence[str]) -> pd.DataFrame:
    """Confusion matrix in long form: columns actual, predicted (names of classes), rows (a count); a line for each pair.

    Of more than 30 classes the commonest have lines of their own, and the rest is one more, "(970 others)".
    Rows are counted, whatever they weigh. y_true, y_pred: Shape (n,), codes.

    Raises
    ------
    ValueError
        The shapes do not match or a code is out of range.
    """
    n_classes = len(classes)
    y_true, y_pred = (
        check_codes(name, codes, n=len(y_true), n_classes=n_classes) for name, codes in (("y_true", y_true), ("y_pred", y_pred))
    )
    shown = commonest(y_true, n_classes)
    names = [classes[code] for code in shown]
    place = np.full(n_classes, len(shown))
    place[shown] = np.arange(len(shown))
    if len(shown) < n_classes:
        names.append(f"({n_classes - len(shown):,} others)")
    rows = np.bincount(place[y_true] * len(names) + place[y_pred], minlength=len(names) ** 2)
    texts = np.asarray(names, dtype=object)
    return pd.DataFrame({"actual": np.repeat(texts, len(names)), "predicted": np.tile(texts, len(names)), "rows": rows})


def wilson_interval(share: FloatArray, rows: NDArray[Any]) -> tuple[FloatArray, FloatArray]:
    """The 95 % score interval of a share, Wilson (1927): stays within 0 to 1 and is never empty. Any one shape."""
    spread = 1 + _Z**2 / rows
    centre = (share + _Z**2 / (2 * rows)) / spread
    half = _Z * np.sqrt(share * (1 - share) / rows + _Z**2 / (4 * rows**2)) / spread
    return np.clip(centre - half, 0, 1), np.clip(centre + half, 0, 1)


def commonest(y_true: NDArray[Any], n_classes: int) -> list[int]:
    """Codes of the classes that are drawn, in their order: all, or the 30 with the most rows."""
    by_rows = np.argsort(-np.bincount(y_true, minlength=n_classes), kind="stable")
    return sorted(by_rows[:MOST_CLASSES].tolist())


def _one_against_rest(
    y_true: NDArray[Any], y_prob: NDArray[Any], classes: Sequence[str], weight: NDArray[Any] | None
) -> Iterator[_Rows]:
    """Each class that has curves, with the rows of any weight."""
    y_true, y_prob = check_rows(y_true, y_prob)
    if len(classes) != y_prob.shape[1]:
        raise ValueError(f"classes must name the {y_prob.shape[1]} columns of y_prob, however: {len(classes)} classes")
    weight = check_weight(weight, len(y_true))
    weighty = np.flatnonzero(weight)
    for code in [1] if len(classes) == 2 else commonest(y_true, len(classes)):
        yield _Rows(classes[code], y_true[weighty] == code, y_prob[weighty, code], weight[weighty])


def _thinned(name: str, points: dict[str, FloatArray], *, along: list[str]) -> pd.DataFrame:
    """At most 200 of a curve's points, evenly along its length, both ends among them; the order stays."""
    path = np.stack([points[column] for column in along], axis=1)
    length = np.r_[0.0, np.abs(np.diff(path, axis=0)).sum(axis=1).cumsum()]
    kept = np.arange(length.size)
    if kept.size > _POINTS:
        kept = np.unique(np.searchsorted(length, np.linspace(0, length[-1], _POINTS)))
    return pd.DataFrame({"class": name} | {column: values[kept] for column, values in points.items()})


def _joined(frames: list[pd.DataFrame], columns: list[str]) -> pd.DataFrame:
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=columns)
