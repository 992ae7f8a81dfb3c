"""Samples of the rows of a part, and the statistics of single columns that they allow."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from veritable.tables.splitting import hashing

_BINS = 64
_DRIFT_BINS = 10


@dataclass
class Sample:
    """Random rows of a part. They are drawn by a hash of the row number, so they do not depend on the batches.

    Attributes
    ----------
    share
        Share of the rows of the part that are drawn.
    seed
        Seed of the hash.
    pieces
        Columns and classes of each batch.
    """

    share: float
    seed: int
    pieces: list[tuple[list[np.ndarray], np.ndarray]] = field(default_factory=list)

    @classmethod
    def empty(cls, max_rows: int, rows: int, seed: int) -> Self:
        """Return a sample for about `max_rows` of `rows` rows, or all of them if they are fewer."""
        return cls(min(1.0, max_rows / max(1, rows)), seed)

    def add(self, values: Sequence[np.ndarray], classes: np.ndarray, rows: np.ndarray) -> None:
        """Draw from the columns, classes and row numbers of a batch. Shape: (n,) each"""
        if self.share < 1.0:
            drawn = hashing.mix(rows.astype(np.uint64) ^ np.uint64(self.seed)) < np.uint64(self.share * 2.0**64)
            values, classes = [each[drawn] for each in values], classes[drawn]
        self.pieces.append((list(values), classes))

    @property
    def values(self) -> list[np.ndarray]:
        """Values of each column, NaN where missing. Shape: (n,) each"""
        return self._join()[0]

    @property
    def classes(self) -> np.ndarray:
        """Class code of each row. Shape: (n,)"""
        return self._join()[1]

    def _join(self) -> tuple[list[np.ndarray], np.ndarray]:
        if len(self.pieces) != 1:
            columns = zip(*(values for values, _ in self.pieces), strict=True)
            joined = [np.concatenate(column) for column in columns]
            self.pieces = [(joined, np.concatenate([classes for _, classes in self.pieces]))]
        return self.pieces[0]


def predictability(train: Sample, test: Sample, i: int, *, coded: bool, n_classes: int) -> float:
    """Return the mean recall on test of the best guess from one column alone, learned on train.

    The guess is the most usual class of the bin of a value. The bins are the levels of a category, or 64 quantiles.
    """
    edges = None if coded else _edges(train.values[i], _BINS)
    own, other = (_bin(sample.values[i], edges) for sample in (train, test))
    pairs, counts = np.unique(own * n_classes + train.classes, return_counts=True)
    of_bin, of_class = np.divmod(pairs, n_classes)
    usual = counts / np.bincount(train.classes, minlength=n_classes)[of_class]
    best = np.full(int(max(own.max(initial=0), other.max(initial=0))) + 1, -1)
    order = np.lexsort((-of_class, usual, of_bin))
    best[of_bin[order]] = of_class[order]  # the last class of a bin is its most usual one
    guess = best[other]
    actual = np.bincount(test.classes, minlength=n_classes)
    hits = np.bincount(test.classes[guess == test.classes], minlength=n_classes)
    present = actual > 0
    return float((hits[present] / actual[present]).mean()) if present.sum() > 1 else 0.0


def drift(train: Sample, other: Sample, i: int, *, coded: bool) -> tuple[float, float]:
    """Return the stability index of one column between train and another part, and its expected value by chance.

    The bins are the levels of a category, or the tenths of train. Missing values have a bin of their own.
    """
    edges = None if coded else _edges(train.values[i], _DRIFT_BINS)
    bins = [_bin(sample.values[i], edges) for sample in (train, other)]
    return stability_index(*map(np.bincount, bins))


def stability_index(expected: np.ndarray, actual: np.ndarray) -> tuple[float, float]:
    """Return the population stability index of two histograms, and its expected value if both have the same distribution.

    The latter is about (bins - 1) (1/n + 1/m) (Yurdakul & Naranjo 2020, "Statistical properties of the population stability
    index").

    Shape: (bins,) counts each; the shorter one is padded with zeros
    """
    n, m, bins = expected.sum(), actual.sum(), max(len(expected), len(actual))
    if not n or not m:
        return 0.0, 0.0
    p, q = ((np.pad(each, (0, bins - len(each))) + 0.5) / (each.sum() + 0.5 * bins) for each in (expected, actual))
    return float(((p - q) * np.log(p / q)).sum()), float((bins - 1) * (1 / n + 1 / m))


def _edges(values: np.ndarray, bins: int) -> np.ndarray:
    present = values[~np.isnan(values)]
    return np.unique(np.quantile(present, np.linspace(0, 1, bins + 1)[1:-1])) if len(present) else np.empty(0)


def _bin(values: np.ndarray, edges: np.ndarray | None) -> np.ndarray:
    """Return the bin of each value: 0 for missing, 1 for a text beyond the list of levels. Shape: (n,) int64"""
    missing = np.isnan(values)
    bins = values + 2 if edges is None else np.searchsorted(edges, values, side="left") + 1
    return np.where(missing, 0, bins).astype(np.int64)
