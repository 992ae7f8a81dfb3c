"""A sample of a part's rows in memory, and what can be told from it of single columns."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from veritable.tables.splitting import hashing

_BINS = 64
_DRIFT_BINS = 10


@dataclass
class Sample:
    """Rows drawn by a hash of their number, so that they are the same however the table comes in batches.

    Attributes
    ----------
    share
        Of the part's rows that are drawn; 1.0 keeps all.
    """

    share: float
    seed: int
    pieces: list[tuple[list[np.ndarray], np.ndarray]] = field(default_factory=list)

    @classmethod
    def empty(cls, most: int, rows: int, seed: int) -> Self:
        """A sample of at most about `most` of `rows` rows."""
        return cls(min(1.0, most / max(1, rows)), seed)

    def add(self, values: Sequence[np.ndarray], classes: np.ndarray, rows: np.ndarray) -> None:
        """Draw from a batch. Shape: (n,) each"""
        if self.share < 1.0:
            drawn = hashing.mix(rows.astype(np.uint64) ^ np.uint64(self.seed)) < np.uint64(self.share * 2.0**64)
            values, classes = [each[drawn] for each in values], classes[drawn]
        self.pieces.append((list(values), classes))

    @property
    def values(self) -> list[np.ndarray]:
        """Of each column, NaN where missing. Shape: (n,) each"""
        return self._joined()[0]

    @property
    def classes(self) -> np.ndarray:
        """Shape: (n,)"""
        return self._joined()[1]

    def _joined(self) -> tuple[list[np.ndarray], np.ndarray]:
        if len(self.pieces) != 1:
            columns = zip(*(values for values, _ in self.pieces), strict=True)
            joined = [np.concatenate(column) for column in columns]
            self.pieces = [(joined, np.concatenate([classes for _, classes in self.pieces]))]
        return self.pieces[0]


def predictability(train: Sample, test: Sample, i: int, *, coded: bool, classes: int) -> float:
    """How well the best guess from one column alone, learned on train, does on test: mean recall over the classes.

    A guess is the class in which the value's bin is the most usual; bins are the levels of a category, else 64 quantiles.
    """
    edges = None if coded else _edges(train.values[i], _BINS)
    own, other = (_binned(sample.values[i], edges) for sample in (train, test))
    pairs, counts = np.unique(own * classes + train.classes, return_counts=True)
    of_bin, of_class = np.divmod(pairs, classes)
    usual = counts / np.bincount(train.classes, minlength=classes)[of_class]
    best = np.full(int(max(own.max(initial=0), other.max(initial=0))) + 1, -1)
    order = np.lexsort((-of_class, usual, of_bin))
    best[of_bin[order]] = of_class[order]  # the last of a bin is its most usual class
    guess = best[other]
    actual = np.bincount(test.classes, minlength=classes)
    hits = np.bincount(test.classes[guess == test.classes], minlength=classes)
    present = actual > 0
    return float((hits[present] / actual[present]).mean()) if present.sum() > 1 else 0.0


def drift(train: Sample, test: Sample, i: int, *, coded: bool) -> tuple[float, float]:
    """Population stability index of one column between train and test, and what chance alone gives it.

    Bins are the levels of a category, else tenths of train; missing is a bin of its own. With the same distribution the
    index is about (bins - 1) (1/n + 1/m) (Yurdakul & Naranjo 2020, "Statistical properties of the population stability index").
    """
    edges = None if coded else _edges(train.values[i], _DRIFT_BINS)
    own, other = (_binned(sample.values[i], edges) for sample in (train, test))
    if not len(own) or not len(other):
        return 0.0, 0.0
    bins = int(max(own.max(), other.max())) + 1
    p, q = ((np.bincount(each, minlength=bins) + 0.5) / (len(each) + 0.5 * bins) for each in (own, other))
    return float(((p - q) * np.log(p / q)).sum()), (bins - 1) * (1 / len(own) + 1 / len(other))


def _edges(values: np.ndarray, bins: int) -> np.ndarray:
    present = values[~np.isnan(values)]
    return np.unique(np.quantile(present, np.linspace(0, 1, bins + 1)[1:-1])) if len(present) else np.empty(0)


def _binned(values: np.ndarray, edges: np.ndarray | None) -> np.ndarray:
    """Bin of each row; 0 is missing, 1 a text beyond the list of levels. Shape: (n,) int64"""
    missing = np.isnan(values)
    bins = values + 2 if edges is None else np.searchsorted(edges, values, side="left") + 1
    return np.where(missing, 0, bins).astype(np.int64)
