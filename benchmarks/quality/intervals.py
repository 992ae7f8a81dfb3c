"""95 % intervals of the leaderboard: of mean ranks over tables, and of gaps between two contestants over splits or rows."""

from collections import defaultdict
from typing import NamedTuple

import numpy as np
from judge import MIN_PROBABILITY
from scipy.stats import t

LEVEL = (2.5, 97.5)  # percentiles
TABLE_RESAMPLES, ROW_RESAMPLES, CHUNK = 10_000, 1_000, 50


class Interval(NamedTuple):
    low: float
    high: float


def of_means(values: np.ndarray, tables: list[str]) -> list[Interval]:
    """Return the interval of the mean of each column, by a bootstrap over tables.

    Samples of the same table are drawn together, because their results are alike.

    Shape: values (n, columns), tables n names
    """
    names, codes = np.unique(tables, return_inverse=True)
    rng = np.random.default_rng(0)
    drawn = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=TABLE_RESAMPLES)
    weights = drawn[:, codes]
    means = weights @ values / weights.sum(axis=1, keepdims=True)
    return [Interval(*ends) for ends in np.percentile(means, LEVEL, axis=0).T]


def over_splits(gaps: np.ndarray, overlap: float) -> Interval:
    """Return the interval of the mean gap over splits, by Student's t with the correction of Nadeau and Bengio (2003).

    Parameters
    ----------
    overlap
        Ratio of test rows to other rows if all splits are of the same rows; 0 if the splits are independent.
    """
    n = len(gaps)
    error = gaps.std(ddof=1) * np.sqrt(1 / n + overlap)
    width = t.ppf(LEVEL[1] / 100, n - 1) * error
    return Interval(gaps.mean() - width, gaps.mean() + width)


def over_rows(y_true: np.ndarray, first: np.ndarray, second: np.ndarray) -> dict[str, Interval]:
    """Return the intervals of `first` minus `second` in ROC AUC and log loss, by a bootstrap over the test rows.

    Shape: y_true (n,) class codes, first and second (n, n_classes) probabilities
    """
    rng = np.random.default_rng(0)
    gaps: dict[str, list[np.ndarray]] = defaultdict(list)
    for _ in range(ROW_RESAMPLES // CHUNK):
        weights = np.stack([_draw(rng, len(y_true)) for _ in range(CHUNK)])
        for key, function in {"roc_auc": _roc_auc, "log_loss": _log_loss}.items():
            gaps[key].append(function(y_true, first, weights) - function(y_true, second, weights))
    return {key: Interval(*np.nanpercentile(np.concatenate(each), LEVEL)) for key, each in gaps.items()}


def _draw(rng: np.random.Generator, n: int) -> np.ndarray:
    """Return how often each row is drawn in one resample. Shape: (n,) float64"""
    return np.bincount(rng.integers(n, size=n), minlength=n).astype(np.float64)


def _log_loss(y_true: np.ndarray, y_prob: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Compute the log loss under each weighting of the rows. Shape: weights (b, n), result (b,)"""
    y_prob = y_prob / y_prob.sum(axis=1, keepdims=True)
    losses = -np.log(np.maximum(y_prob[np.arange(len(y_true)), y_true], MIN_PROBABILITY))
    return weights @ losses / weights.sum(axis=1)


def _roc_auc(y_true: np.ndarray, y_prob: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Compute the ROC AUC as judge.py does, under each weighting of the rows. Shape: weights (b, n), result (b,)"""
    y_prob = y_prob / y_prob.sum(axis=1, keepdims=True)
    n_classes = y_prob.shape[1]
    areas = [_area(y_true == code, y_prob[:, code], weights) for code in ([1] if n_classes == 2 else range(n_classes))]
    present = [each for each in areas if not np.isnan(each).all()]
    return np.nanmean(present, axis=0)


def _area(is_class: np.ndarray, score: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Compute the area of one class against the rest. NaN: the resample has only one of the two. Shape: (b,)"""
    order = np.argsort(score, kind="stable")
    starts = np.flatnonzero(np.diff(score[order], prepend=-np.inf))  # rows with equal scores form a group
    drawn, mine = weights[:, order], is_class[order]
    positive = np.add.reduceat(drawn * mine, starts, axis=1)
    negative = np.add.reduceat(drawn * ~mine, starts, axis=1)
    below = negative.cumsum(axis=1) - negative / 2
    with np.errstate(invalid="ignore"):
        return (positive * below).sum(axis=1) / (positive.sum(axis=1) * negative.sum(axis=1))
