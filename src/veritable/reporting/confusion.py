"""The confusion matrix for the report, in a readable order."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

MAX_TABLE_CLASSES = 10  # with more, a heat map replaces the table of counts


def order_confusion(frame: pd.DataFrame, classes: Sequence[str]) -> list[dict[str, Any]]:
    """Return a dict per actual class, with more than ten classes in an order in which confused classes are near each other.

    Parameters
    ----------
    frame
        Output of `metrics.curves.confusion_frame`; with very many classes, its last row and column combine the others.
    """
    size = math.isqrt(len(frame))
    names, counts = frame["predicted"].tolist()[:size], frame["rows"].to_numpy().reshape(size, size)
    known = [name in classes for name in names]
    place = order_by_similarity(counts, known) if size > MAX_TABLE_CLASSES else list(range(size))
    return _rows([names[i] for i in place], counts[np.ix_(place, place)], [known[i] for i in place])


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
