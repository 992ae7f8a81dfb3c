"""How many values of a column differ, in memory that does not grow with it."""

from dataclasses import dataclass, field

import numpy as np

SIZE = 16384  # smallest hashes kept; below, the count is exact
_LONG = 2**17  # rows


@dataclass
class Sketch:
    """The smallest hashes (Bar-Yossef et al. 2002, "Counting distinct elements in a data stream")."""

    rows: int = 0
    _smallest: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=np.uint64))
    _waiting: list[np.ndarray] = field(default_factory=list)
    _recent: np.ndarray | None = None

    def update(self, keys: np.ndarray) -> None:
        """Add the hashes of the next rows. Shape: (n,) uint64

        In a long column most were seen before: a table of recent ones spares sorting them.
        """
        self.rows += len(keys)
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
        """How many values differ; beyond 16,384 an estimate, within some 2 %."""
        smallest = self._merge()
        if len(smallest) < SIZE:
            return len(smallest)
        return min(self.rows, round((SIZE - 1) / (float(smallest[-1]) / 2.0**64)))

    def _merge(self) -> np.ndarray:
        keys = np.sort(np.concatenate([self._smallest, *self._waiting]))
        self._smallest = keys[np.diff(keys, prepend=~keys[:1]) != 0][:SIZE]
        self._waiting = []
        return self._smallest
