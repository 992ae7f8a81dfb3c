"""Distances between rows, and the train rows that are most similar to a row.

The distance is Gower's, with ranks for numbers (Gower 1971, "A general coefficient of similarity and some of its properties";
Podani 1999, "Extending Gower's general coefficient of similarity to ordinal characters"). Each column of the table contributes
between 0 and 1: a number or a date the share of background rows between the two values, another column 1 if the values differ.
A missing value differs from all others.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from veritable.models.background import Background
from veritable.tables.encoding.encoder import Encoder


@dataclass(frozen=True)
class Distance:
    """Distance between encoded rows.

    Attributes
    ----------
    known
        For each column its values in the background, sorted; None if it is neither a number nor a date.
    """

    encoder: Encoder
    known: Sequence[np.ndarray | None]

    @classmethod
    def fit(cls, X: np.ndarray, encoder: Encoder) -> Self:
        """Learn the ranks of values from background rows. Shape: (m, width)"""
        known: list[np.ndarray | None] = []
        for column, block in zip(encoder.columns, encoder.blocks.values(), strict=True):
            there = X[X[:, block.stop - 1] == 0, block.start] if column.indicator else X[:, block.start]
            known.append(np.sort(there) if column.kind in ("number", "date") else None)
        return cls(encoder, known)

    def between(self, X: np.ndarray, x: np.ndarray, column: int) -> np.ndarray:
        """Return the distance of a column of the table between some rows and a row. Shape: (n, width), (width,) -> (n,)"""
        described, block = self.encoder.columns[column], list(self.encoder.blocks.values())[column]
        differs: np.ndarray = (X[:, block] != x[block]).any(axis=1)
        known = self.known[column]
        if known is None:
            return differs.astype(np.float64)
        if described.indicator:
            gone = (X[:, block.stop - 1] > 0) != (x[block.stop - 1] > 0)
            return np.where(gone, 1.0, np.where(differs, self._ranks(known, X[:, block.start], x[block.start]), 0.0))
        return np.where(differs, self._ranks(known, X[:, block.start], x[block.start]), 0.0)

    @staticmethod
    def _ranks(known: np.ndarray, values: np.ndarray, value: np.ndarray) -> np.ndarray:
        """Return the share of the known values between some values and a value; a value counts half. Shape: (n,), () -> (n,)"""
        ranks = [np.searchsorted(known, values, side) for side in ("left", "right")]
        rank = [np.searchsorted(known, value, side) for side in ("left", "right")]
        return np.asarray(np.abs(ranks[0] + ranks[1] - rank[0] - rank[1]) / (2 * max(1, len(known))))

    def to(self, X: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Return the mean distance over columns, between 0 and 1. Shape: (n, width), (width,) -> (n,)"""
        columns = range(len(self.encoder.columns))
        return np.asarray(sum((self.between(X, x, column) for column in columns), np.zeros(len(X))) / max(1, len(columns)))


@dataclass(frozen=True)
class SimilarRows:
    """The background rows that are most similar to a row, in descending order of similarity.

    Attributes
    ----------
    X
        Encoded rows. Shape: (n, width)
    y
        Class codes, as in the table. Shape: (n,)
    distance
        Mean distance over columns, between 0 (equal) and 1. Shape: (n,)
    """

    X: np.ndarray
    y: np.ndarray
    distance: np.ndarray


def similar_rows(background: Background, encoder: Encoder, x: np.ndarray, n: int = 5) -> SimilarRows:
    """Find the most similar background rows. Of equally similar ones, the first are taken. Shape of `x`: (width,)"""
    return find_similar(Distance.fit(background.X, encoder), background, x, n)


def find_similar(distance: Distance, background: Background, x: np.ndarray, n: int = 5) -> SimilarRows:
    """Find the most similar background rows by a distance that was fitted to them: see `similar_rows`."""
    found = distance.to(background.X, x)
    nearest = np.argsort(found, kind="stable")[:n]
    return SimilarRows(background.X[nearest], background.y[nearest], found[nearest])
