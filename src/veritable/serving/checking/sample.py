"""A random sample of rows that arrive in batches, the same whatever the batches."""

from dataclasses import dataclass

import numpy as np

from veritable.tables.splitting import hashing


@dataclass
class RowSample:
    """The rows with the smallest hashes of their numbers, in the order of these, which is random.

    Attributes
    ----------
    columns
        Arrays with one row per sampled row, by name. Shape: (m, ...) each
    """

    max_rows: int
    seed: int
    columns: dict[str, np.ndarray]
    _keys: np.ndarray

    @classmethod
    def empty(cls, max_rows: int, seed: int) -> "RowSample":
        """Return a sample without rows."""
        return cls(max_rows, seed, {}, np.empty(0, dtype=np.uint64))

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, numbers: np.ndarray, columns: dict[str, np.ndarray]) -> None:
        """Add rows with their numbers in the table, each batch with the same columns. Shape: (n,), (n, ...) each"""
        keys = hashing.mix(numbers.astype(np.uint64) ^ np.uint64(self.seed))
        if len(self) == self.max_rows:
            near = np.flatnonzero(keys < self._keys[-1])
            keys, columns = keys[near], {name: each[near] for name, each in columns.items()}
        joined = np.concatenate([self._keys, keys])
        order = np.argsort(joined, kind="stable")[: self.max_rows]
        before = self.columns or {name: each[:0] for name, each in columns.items()}
        self.columns = {name: np.concatenate([before[name], each])[order] for name, each in columns.items()}
        self._keys = joined[order]
