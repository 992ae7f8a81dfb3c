"""Changes of single columns of a row to values that background rows have."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Self

import numpy as np

from veritable.explanation.similarity import Distance
from veritable.tables.encoding.encoder import Encoder


@dataclass(frozen=True)
class Change:
    """A value for one column: the position of a background row that has it, and its distance from that of the row."""

    column: int
    row: int
    distance: float


@dataclass(frozen=True)
class KnownValues:
    """Values of the columns in background rows, without missing values and levels that the train part does not have.

    Attributes
    ----------
    X
        Background rows. Shape: (m, width)
    """

    encoder: Encoder
    X: np.ndarray
    distance: Distance
    _rows: dict[int, np.ndarray] = field(default_factory=dict)

    @classmethod
    def of(cls, X: np.ndarray, encoder: Encoder) -> Self:
        """Return the values of background rows."""
        return cls(encoder, X, Distance.fit(X, encoder))

    @cached_property
    def _blocks(self) -> list[slice]:
        return list(self.encoder.blocks.values())

    def is_ordered(self, column: int) -> bool:
        """Return whether a column is a number or a date."""
        return self.distance.known[column] is not None

    def changes(self, x: np.ndarray, column: int) -> list[Change]:
        """Return the changes of a column to each known value. Shape of `x`: (width,)"""
        return self._changes(x, column, self._known(column))

    def grid(self, x: np.ndarray, column: int, size: int) -> list[Change]:
        """Return up to `size` changes of a column: to the most frequent categories, or to numbers at even ranks."""
        known = self._known(column)
        return self._changes(x, column, known[spread(len(known), size)] if self.is_ordered(column) else known[:size])

    def apply(self, x: np.ndarray, changes: Sequence[Sequence[Change]]) -> np.ndarray:
        """Return the row after each of several sets of changes. Shape: (width,) -> (sets, width)"""
        rows = np.repeat(x[None], len(changes), axis=0)
        for i, each in enumerate(changes):
            for change in each:
                block = self._blocks[change.column]
                rows[i, block] = self.X[change.row, block]
        return rows

    def _known(self, column: int) -> np.ndarray:
        """Return positions of rows with the different values of a column: numbers ascending, categories by frequency."""
        if column not in self._rows:
            described, block = self.encoder.columns[column], self._blocks[column]
            there = np.ones(len(self.X), dtype=bool)
            if described.indicator:
                there = self.X[:, block.stop - 1] == 0
            elif described.kind == "category":
                names = [level is not None for level in (None, *described.levels)]
                there = np.array(names)[self.X[:, block.start].astype(int)]
            rows = np.flatnonzero(there)
            _, first, count = np.unique(self.X[rows, block.start], return_index=True, return_counts=True)
            order = np.argsort(-count, kind="stable") if described.kind == "category" else np.arange(len(first))
            self._rows[column] = rows[first[order]]
        return self._rows[column]

    def _changes(self, x: np.ndarray, column: int, rows: np.ndarray) -> list[Change]:
        block = self._blocks[column]
        rows = rows[(self.X[rows, block] != x[block]).any(axis=1)]
        distances = self.distance.between(self.X[rows], x, column)
        return [Change(column, row, each) for row, each in zip(rows.tolist(), distances.tolist(), strict=True)]


def spread(n: int, size: int) -> list[int]:
    """Return up to `size` positions, evenly from the first to the last of n."""
    places: list[int] = np.linspace(0, n - 1, min(n, size)).round().astype(int).tolist()
    return places


def total(changes: Sequence[Change]) -> float:
    """Return the sum of the distances."""
    return sum(change.distance for change in changes)
