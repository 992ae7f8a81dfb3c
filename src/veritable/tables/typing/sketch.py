"""Count the distinct values of a column, in memory that does not grow with the rows."""

from dataclasses import dataclass, field

import numpy as np

SIZE = 16384  # number of smallest hashes that are kept; fewer distinct values are counted exactly
_LONG = 2**17  # rows


@dataclass
class Sketch:
    """Smallest hashes of a column (Bar-Yossef et al. 2002, "Counting distinct elements in a data stream")."""

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
        if len(self._smallest) == SIZE:
            keys = keys[keys < self._smallest[-1]]
        elif self.rows > _LONG:
            if self._recent is None:
                self._recent = np.zeros(SIZE, dtype=np.uint64)
            slots = keys % np.uint64(SIZE)
            fresh = self._recent[slots] != keys
            keys = keys[fresh]
            self._recent[slots[fresh]] = keys
        self._waiting.append(keys)
        if sum(map(len, self._waiting)) > SIZE:
            self._merge()

    @property
    def distinct(self) -> int:
        """Number of distinct values; above 16,384 an estimate, within about 2 %."""
        smallest = self._merge()
        if len(smallest) < SIZE:
            return len(smallest)
        return min(self.rows, round((SIZE - 1) / (float(smallest[-1]) / 2.0**64)))

    def _merge(self) -> np.ndarray:
        keys = np.sort(np.concatenate([self._smallest, *self._waiting]))
        self._smallest = keys[np.diff(keys, prepend=~keys[:1]) != 0][:SIZE]
        self._waiting = []
        return self._smallest
