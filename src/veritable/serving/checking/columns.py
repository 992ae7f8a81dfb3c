"""How differently the values of each column, and what is predicted, are distributed in new rows and in train."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from veritable.metrics.drift import adjust_p, homogeneity_test
from veritable.tables.checking.sample import stability_index
from veritable.tables.reading.source import quoted

MAX_SHIFT = 0.2  # population stability index: customarily, 0.1 is a small shift, and above 0.2 it is a large one
MAX_P = 0.01  # after the correction for many columns
MIN_ROWS = 30


@dataclass(frozen=True)
class Shift:
    """Two histograms of one column, and how much they differ.

    Attributes
    ----------
    kind
        Kind of the column; "score" or "class" for what is predicted.
    train, new
        Number of rows in each bin. Shape: (bins,) int64
    index, chance
        Population stability index, and what it is on average if both have the same distribution.
    usual
        The index between train and valid less what chance gives; None if it is not known.
    p, adjusted_p
        p-value of the test that both have the same distribution, and the same corrected for many columns.
    unreadable, outside
        Number of new rows whose value does not fit the type of the column, or is outside the range of the training table.
    unseen
        The most frequent levels of the new rows that train does not have, with their rows; none that fewer rows than
        `data.min_count` hold.
    """

    name: str
    kind: str
    labels: Sequence[str]
    train: NDArray[np.int64]
    new: NDArray[np.int64]
    index: float
    chance: float
    usual: float | None
    p: float
    adjusted_p: float = 1.0
    unreadable: int = 0
    outside: int = 0
    unseen: Sequence[tuple[str, int]] = field(default_factory=list)

    @property
    def limit(self) -> float:
        """Index above which the column has drifted: a larger shift than is customary, and than from train to valid."""
        return max(MAX_SHIFT, self.usual or 0.0)

    @property
    def drifted(self) -> bool:
        """Whether the shift is large and is not chance."""
        return self.index - self.chance > self.limit and self.adjusted_p <= MAX_P and int(self.new.sum()) >= MIN_ROWS

    @property
    def counts(self) -> bool:
        """Whether a shift is a reason to retrain. That of a date is not, because time moves on."""
        return self.kind != "date"

    @property
    def missing(self) -> tuple[float, float]:
        """Share of the train rows and of the new rows without a value."""
        return float(self._shares[0][-1]), float(self._shares[1][-1])

    @property
    def _shares(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return self.train / max(1, self.train.sum()), self.new / max(1, self.new.sum())

    def describe(self) -> str:
        """Return the index, and the bin whose share has changed most."""
        before, now = self._shares
        bin_ = int(np.argmax(np.abs(now - before)))
        what = self.labels[bin_] if bin_ == len(before) - 1 or self.kind == "score" else quoted(self.labels[bin_])
        return f"stability index {self.index:.2f}; {what}: {before[bin_]:.1%} before, {now[bin_]:.1%} now"

    def to_json(self) -> dict[str, Any]:
        """Return a dict of JSON types."""
        own = asdict(self) | {"labels": list(self.labels), "train": self.train.tolist(), "new": self.new.tolist()}
        own["unseen"] = [{"level": level, "rows": rows} for level, rows in self.unseen]
        return own | {"limit": self.limit, "drifted": self.drifted}


def compare(
    name: str,
    kind: str,
    labels: Sequence[str],
    train: NDArray[np.int64],
    new: NDArray[np.int64],
    *,
    valid: NDArray[np.int64] | None = None,
    independent: float = 1.0,
    **more: Any,
) -> Shift:
    """Compare two histograms. Shape: (bins,) each

    Parameters
    ----------
    valid
        Histogram of the valid part.
    independent
        Share of the new rows that count as independent of each other; the test and the index by chance use it.
    """
    index, _ = stability_index(train, new)
    fewer = np.round(new * independent).astype(np.int64)
    _, chance = stability_index(train, fewer)
    usual = None if valid is None or not valid.sum() else float(np.subtract(*stability_index(train, valid)))
    return Shift(name, kind, labels, train, new, index, chance, usual, homogeneity_test(train, fewer), **more)


def adjust(shifts: Sequence[Shift]) -> list[Shift]:
    """Return shifts with p-values corrected for their number."""
    adjusted = adjust_p([each.p for each in shifts])
    return [replace(each, adjusted_p=p) for each, p in zip(shifts, adjusted, strict=True)]


def most_frequent(counts: Counter[str], min_count: int = 1, n: int = 5) -> list[tuple[str, int]]:
    """Return the most frequent texts that at least `min_count` rows hold, with their rows; ties are broken by name."""
    known = [each for each in counts.items() if each[1] >= min_count]
    return sorted(known, key=lambda each: (-each[1], each[0]))[:n]
