"""The table as numbers in a temporary file, so that it is read and parsed once and walked as often as need be.

A batch lies there as one block of Shape (columns, rows) float64, with the rows' keys (uint64) behind it, so that a single
column can be read without the others.
"""

import os
import tempfile
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Self

import numpy as np

_WIDTH = 8  # bytes of a float64 and of a uint64


class Spool:
    """Written once, batch by batch, then read; use it in a `with` block."""

    def __init__(self, columns: int, keys: int):
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  closed by __exit__
        self.columns, self._lines = columns, columns + keys
        self.sizes: list[int] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()

    def clear(self) -> None:
        """Forget everything."""
        self._file.seek(0)
        self._file.truncate()
        self.sizes.clear()

    def write(self, stored: Sequence[np.ndarray], keys: Sequence[np.ndarray]) -> None:
        """Add a batch. Shape: (n,) float64 each, (n,) uint64 each"""
        for line in (*stored, *keys):
            line.tofile(self._file)
        self.sizes.append(len(keys[0]))

    @property
    def rows(self) -> int:
        return sum(self.sizes)

    def batches(self) -> Iterator[tuple[slice, np.ndarray]]:
        """Which rows, and their columns. Shape: (columns, n) float64 each"""
        first = 0
        for start, rows in self._starts():
            yield slice(first, first + rows), self._read(start, self.columns * rows, np.float64).reshape(self.columns, rows)
            first += rows

    def column(self, index: int) -> Iterator[np.ndarray]:
        """Shape: (n,) float64 each"""
        for start, rows in self._starts():
            yield self._read(start + index * rows * _WIDTH, rows, np.float64)

    def keys(self, index: int) -> Iterator[np.ndarray]:
        """Shape: (n,) uint64 each"""
        for start, rows in self._starts():
            yield self._read(start + (self.columns + index) * rows * _WIDTH, rows, np.uint64)

    def _starts(self) -> Iterator[tuple[int, int]]:
        self._file.flush()
        start = 0
        for rows in self.sizes:
            yield start, rows
            start += self._lines * rows * _WIDTH

    def _read(self, start: int, count: int, kind: type) -> np.ndarray:
        return np.frombuffer(os.pread(self._file.fileno(), count * _WIDTH, start), dtype=kind)  # several threads may read
