"""The confusion matrix for the report: its order, metrics per class, and the most frequent confusions."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

from veritable.metrics.curves import wilson_interval

MAX_TABLE_CLASSES = 10  # with more, a heat map replaces the table of counts
MAX_CONFUSIONS = 10


def read_confusion(frame: pd.DataFrame, classes: Sequence[str]) -> dict[str, Any]:
    """Collect what the report shows of a confusion matrix.

    Parameters
    ----------
    frame
        Output of `metrics.curves.confusion_frame`; with very many classes, its last row and column combine the others.

    Returns
    -------
    `confusion` (one dict per actual class, with more than ten classes in an order in which classes that are confused are near
    each other), `class_metrics` (a dict per class) and `top_confusions` (the ten most frequent, with their share of the actual
    class).
    """
    size = math.isqrt(len(frame))
    names, counts = frame["predicted"].tolist()[:size], frame["rows"].to_numpy().reshape(size, size)
    known = [name in classes for name in names]
    place = order_by_similarity(counts, known) if size > MAX_TABLE_CLASSES else list(range(size))
    return {
        "confusion": _rows([names[i] for i in place], counts[np.ix_(place, place)], [known[i] for i in place]),
        "class_metrics": _class_metrics(names, counts, known),
        "top_confusions": _top_confusions(names, counts),
    }


def order_by_similarity(counts: np.ndarray, known: Sequence[bool]) -> list[int]:
    """Return an order in which classes that are often confused are neighbors; what combines several classes comes last.

    Leaves of an average-linkage clustering of the classes, in the order of Bar-Joseph et al. (2001), "Fast optimal leaf
    ordering for hierarchical clustering". Shape: (n, n) -> (n,)

    Examples
    --------
    >>> order_by_similarity(np.array([[9, 0, 5], [0, 9, 0], [4, 0, 9]]), [True] * 3)
    [1, 2, 0]
    """
    own = np.flatnonzero(known)
    if len(own) > 2:
        chosen = counts[np.ix_(own, own)]
        shares = chosen / np.maximum(chosen.sum(axis=1, keepdims=True), 1)
        distances = 1 - (shares + shares.T) / 2
        np.fill_diagonal(distances, 0)
        own = own[leaves_list(linkage(squareform(distances, checks=False), "average", optimal_ordering=True))]
    return [*own.tolist(), *np.flatnonzero(~np.asarray(known)).tolist()]


def _rows(names: Sequence[str], counts: np.ndarray, known: Sequence[bool]) -> list[dict[str, Any]]:
    def kind(actual: int, predicted: int) -> str:
        return "wrong" if actual != predicted else "right" if known[actual] else "mixed"

    return [
        {
            "actual": name,
            "cells": [
                {"rows": int(n), "share": float(n / row.sum()) if row.sum() else 0.0, "kind": kind(i, j)}
                for j, n in enumerate(row)
            ],
        }
        for i, (name, row) in enumerate(zip(names, counts, strict=True))
    ]


def _class_metrics(names: Sequence[str], counts: np.ndarray, known: Sequence[bool]) -> list[dict[str, Any]]:
    """Return rows, recall, precision and F1 of each class, the ends of the intervals by Wilson (1927); None if undefined."""
    hits, actual, predicted = np.diag(counts), counts.sum(axis=1), counts.sum(axis=0)
    return [
        {
            "name": names[i],
            "rows": int(actual[i]),
            "recall": _share(hits[i], actual[i]),
            "precision": _share(hits[i], predicted[i]),
            "f1": float(2 * hits[i] / (actual[i] + predicted[i])) if actual[i] + predicted[i] else None,
        }
        for i in np.flatnonzero(known).tolist()
    ]


def _share(part: int, whole: int) -> dict[str, float | None]:
    if not whole:
        return {"value": None, "low": None, "high": None}
    share = float(part / whole)
    low, high = wilson_interval(np.array([share]), np.array([whole]))
    return {"value": share, "low": float(low[0]), "high": float(high[0])}


def _top_confusions(names: Sequence[str], counts: np.ndarray) -> list[dict[str, Any]]:
    wrong = counts * (1 - np.eye(len(counts), dtype=counts.dtype))
    order = np.argsort(-wrong.ravel(), kind="stable")[:MAX_CONFUSIONS]
    found = [divmod(int(cell), len(counts)) for cell in order]
    return [
        {"actual": names[i], "predicted": names[j], "rows": int(counts[i, j]), "share": float(counts[i, j] / counts[i].sum())}
        for i, j in found
        if wrong[i, j]
    ]
