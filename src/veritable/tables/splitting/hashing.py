"""64-bit hashes, the same on every machine: they compare rows, count distinct values, and draw
random numbers without a generator's state."""

import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_STEPS = ((np.uint64(30), np.uint64(0xBF58476D1CE4E5B9)), (np.uint64(27), np.uint64(0x94D049BB133111EB)), (np.uint64(31), None))
_CACHED = 2**13  # values that fit in the processor's cache, which makes the three steps three times as fast
EXACT_DISTINCT = 16384  # number of smallest hashes that are kept; fewer distinct values are counted exactly
_LONG_ROWS = 2**17  # rows


def mix(bits: np.ndarray) -> np.ndarray:
    """Return the splitmix64 hash of each value (Steele, Lea & Flood 2014, "Fast splittable pseudorandom number generators").

    Shape: (n,) uint64
    """
    mixed = bits + _GOLDEN
    shifted = np.empty(min(len(mixed), _CACHED), dtype=np.uint64)
    for start in range(0, len(mixed), _CACHED):
        z = mixed[start : start + _CACHED]
        for shift, factor in _STEPS:
            z ^= np.right_shift(z, shift, out=shifted[: len(z)])
            if factor is not None:
                z *= factor
    return mixed


def hash_numbers(values: np.ndarray) -> np.ndarray:
    """Return a hash of each number. Equal numbers have equal hashes, and all NaN have the same one.

    Shape: (n,) float64 -> (n,) uint64
    """
    plain = values + 0.0  # -0.0 + 0.0 is 0.0
    missing = np.isnan(plain)
    if missing.any():
        plain[missing] = np.nan  # NaN has many bit patterns
    return mix(plain.view(np.uint64))


def hash_text(text: str) -> np.uint64:
    """Return a hash of a text."""
    return np.uint64(zlib.crc32(text.encode("utf-8", "surrogatepass")) | len(text) << 32)


def hash_rows(columns: Iterable[np.ndarray]) -> np.ndarray:
    """Return a hash of each row from the hashes of its cells. Shape: (n,) uint64 each -> (n,) uint64"""
    first, *others = columns
    rows = first.copy()
    for column in others:
        rows *= _GOLDEN
        rows += column
    return rows


@dataclass
class DistinctCounter:
    """Counts distinct values by their smallest hashes, in memory that does not grow with the rows.

    Bar-Yossef et al. 2002, "Counting distinct elements in a data stream".
    """

    rows: int = 0
    _smallest: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=np.uint64))
    _waiting: list[np.ndarray] = field(default_factory=list)
    _recent: np.ndarray | None = None

    def update(self, keys: np.ndarray, rows: int) -> None:
        """Add the hashes of the next rows. Shape: (n,) uint64

        In a long column, most hashes were seen before. A table of recent ones saves sorting them.

        Parameters
        ----------
        rows
            Number of rows. There may be fewer hashes, because each is needed only once.
        """
        self.rows += rows
        if len(self._smallest) == EXACT_DISTINCT:
            keys = keys[keys < self._smallest[-1]]
        elif self.rows > _LONG_ROWS:
            if self._recent is None:
                self._recent = np.zeros(EXACT_DISTINCT, dtype=np.uint64)
            slots = keys % np.uint64(EXACT_DISTINCT)
            fresh = self._recent[slots] != keys
            keys = keys[fresh]
            self._recent[slots[fresh]] = keys
        self._waiting.append(keys)
        if sum(map(len, self._waiting)) > EXACT_DISTINCT:
            self._merge()

    @property
    def distinct(self) -> int:
        """Number of distinct values; above 16,384 an estimate, within about 2 %."""
        smallest = self._merge()
        if len(smallest) < EXACT_DISTINCT:
            return len(smallest)
        return min(self.rows, round((EXACT_DISTINCT - 1) / (float(smallest[-1]) / 2.0**64)))

    def _merge(self) -> np.ndarray:
        keys = np.sort(np.concatenate([self._smallest, *self._waiting]))
        self._smallest = keys[np.diff(keys, prepend=~keys[:1]) != 0][:EXACT_DISTINCT]
        self._waiting = []
        return self._smallest
