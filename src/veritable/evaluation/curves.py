"""The curves of a classifier as small frames of finite numbers.

Every frame has the same columns for two classes and for more. With two, the curves are those of the positive class
(the last); with more, of each class against the rest. `class` names the class.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from veritable.evaluation.counts import COUNT_METRICS
from veritable.evaluation.intervals import FloatArray
from veritable.evaluation.metrics import check_codes, check_rows
from veritable.evaluation.thresholds import Sweep, sweep

_POINTS = 200  # a curve of so many points looks like the whole one at any size on a screen
_Z = 1.959963984540054  # of a 95 % interval of a normal distribution


def roc_curve_frame(y_true: NDArray[Any], y_prob: NDArray[Any], classes: Sequence[str]) -> pd.DataFrame:
    """ROC curve: columns class, fpr, tpr, threshold; from (0, 0), where the threshold is just above every score, to (1, 1).

    A class without a row, or with all of them, has no such curve and is left out. y_true: Shape (n,), codes;
    y_prob: Shape (n, K).

    Raises
    ------
    ValueError
        The shapes do not match, a code is out of range or a probability is not one.
    """
    frames = []
    for name, swept in _sweeps(y_true, y_prob, classes):
        negatives, positives = swept.counts.actual[0]
        if negatives == 0 or positives == 0:
            continue
        hits, predicted = swept.counts.hits[:, 1], swept.counts.predicted[:, 1]
        top = swept.thresholds[0]
        points = {
            "fpr": np.r_[0.0, (predicted - hits) / negatives],
            "tpr": np.r_[0.0, hits / positives],
            "threshold": np.r_[1.0 if top < 1 else np.nextafter(top, 2), swept.thresholds],
        }
        frames.append(_thinned(name, points, along=["fpr", "tpr"]))
    return _joined(frames, ["class", "fpr", "tpr", "threshold"])


def pr_curve_frame(y_true: NDArray[Any], y_prob: NDArray[Any], classes: Sequence[str]) -> pd.DataFrame:
    """Precision-recall curve: columns class, recall (rising), precision, threshold (falling).

    A class without a row has no such curve and is left out. y_true: Shape (n,), codes; y_prob: Shape (n, K).

    Raises
    ------
    ValueError
        The shapes do not match, a code is out of range or a probability is not one.
    """
    frames = []
    for name, swept in _sweeps(y_true, y_prob, classes):
        positives = swept.counts.actual[0, 1]
        if positives == 0:
            continue
        hits = swept.counts.hits[:, 1]
        points = {
            "recall": hits / positives,
            "precision": hits / swept.counts.predicted[:, 1],
            "threshold": swept.thresholds,
        }
        frames.append(_thinned(name, points, along=["recall", "precision"]))
    return _joined(frames, ["class", "recall", "precision", "threshold"])


def threshold_frame(y_true: NDArray[Any], y_prob: NDArray[Any]) -> pd.DataFrame:
    """Precision, recall and F1 of the positive class over the threshold: columns threshold (rising), precision, recall, f1.

    For two classes only. Empty where no row is positive. y_true: Shape (n,), codes; y_prob: Shape (n, 2).

    Raises
    ------
    ValueError
        There are more than two classes, the shapes do not match, a code is out of range or a probability is not one.
    """
    y_true, y_prob = check_rows(y_true, y_prob)
    if y_prob.shape[1] != 2:
        raise ValueError(f"a threshold is for two classes, however: y_prob.shape={y_prob.shape}")
    columns = ["precision", "recall", "f1"]
    if not (y_true == 1).any():
        return pd.DataFrame(columns=["threshold", *columns], dtype=np.float64)
    swept = sweep(y_true == 1, y_prob[:, 1])
    points = {"threshold": swept.thresholds} | {name: COUNT_METRICS[name](swept.counts) for name in columns}
    thinned = _thinned("", points, along=list(points))
    return thinned[::-1].drop(columns="class").reset_index(drop=True)


def calibration_frame(y_true: NDArray[Any], y_prob: NDArray[Any], classes: Sequence[str], *, bins: int = 10) -> pd.DataFrame:
    """Predicted probability against the observed share, over bins of about equally many rows.

    Columns: class, predicted (mean probability of the bin's rows, rising), observed (share of the class among them), low, high
    (Wilson's 95 % interval of observed), rows. Rows of equal probability share a bin, so there may be fewer than `bins`.
    y_true: Shape (n,), codes; y_prob: Shape (n, K).

    Raises
    ------
    ValueError
        The shapes do not match, a code is out of range or a probability is not one.
    """
    frames = []
    for code, name, y_true_codes, scores in _one_against_rest(y_true, y_prob, classes):
        edges = np.quantile(scores, np.linspace(0, 1, bins + 1)[1:-1])
        _, bin_of_row = np.unique(np.searchsorted(edges, scores, side="left"), return_inverse=True)
        rows = np.bincount(bin_of_row)
        hits = np.bincount(bin_of_row, weights=y_true_codes == code)
        low, high = wilson_interval(hits, rows)
        predicted = np.bincount(bin_of_row, weights=scores) / rows
        columns = {"class": name, "predicted": predicted, "observed": hits / rows, "low": low, "high": high, "rows": rows}
        frames.append(pd.DataFrame(columns))
    return pd.concat(frames, ignore_index=True)


def confusion_frame(y_true: NDArray[Any], y_pred: NDArray[Any], classes: Sequence[str]) -> pd.DataFrame:
    """Confusion matrix in long form: columns actual, predicted (names of classes), rows (a count); K * K lines.

    y_true, y_pred: Shape (n,), codes.

    Raises
    ------
    ValueError
        The shapes do not match or a code is out of range.
    """
    n_classes = len(classes)
    y_true, y_pred = (
        check_codes(name, codes, n=len(y_true), n_classes=n_classes) for name, codes in (("y_true", y_true), ("y_pred", y_pred))
    )
    rows = np.bincount(y_true * n_classes + y_pred, minlength=n_classes**2)
    names = np.asarray(classes, dtype=object)
    return pd.DataFrame({"actual": np.repeat(names, n_classes), "predicted": np.tile(names, n_classes), "rows": rows})


def wilson_interval(hits: NDArray[Any], rows: NDArray[Any]) -> tuple[FloatArray, FloatArray]:
    """The 95 % score interval of a share, Wilson (1927): stays within 0 to 1 and is never empty. Any one shape."""
    share = hits / rows
    spread = 1 + _Z**2 / rows
    centre = (share + _Z**2 / (2 * rows)) / spread
    half = _Z * np.sqrt(share * (1 - share) / rows + _Z**2 / (4 * rows**2)) / spread
    return np.clip(centre - half, 0, 1), np.clip(centre + half, 0, 1)


def _sweeps(y_true: NDArray[Any], y_prob: NDArray[Any], classes: Sequence[str]) -> list[tuple[str, Sweep]]:
    return [(name, sweep(codes == code, scores)) for code, name, codes, scores in _one_against_rest(y_true, y_prob, classes)]


def _one_against_rest(
    y_true: NDArray[Any], y_prob: NDArray[Any], classes: Sequence[str]
) -> list[tuple[int, str, NDArray[np.intp], FloatArray]]:
    """Code and name of each class that has curves, with all rows' codes and their probabilities of that class."""
    y_true, y_prob = check_rows(y_true, y_prob)
    if len(classes) != y_prob.shape[1]:
        raise ValueError(f"classes must name the {y_prob.shape[1]} columns of y_prob, however: {len(classes)} classes")
    codes = [1] if len(classes) == 2 else range(len(classes))
    return [(code, classes[code], y_true, y_prob[:, code]) for code in codes]


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
