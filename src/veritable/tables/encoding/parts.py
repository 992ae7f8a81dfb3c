"""A part of a table: encoded rows in memory, or on disk as a folder of Parquet files, the shards (see `shards.py`)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow.parquet as pq

ROW, CLASS, WEIGHT, UNIT = "(row)", "(class)", "(weight)", "(unit)"  # in brackets, because tables often have a column "row"
SENSITIVE = "(sensitive) "
_READ_CELLS = 2**20  # read at once from a row group
_PAGE_CELLS = 2**17  # written to before the next rows are
_KEY_ROWS = 2**16


@dataclass(frozen=True)
class Part:
    """Rows of one part in memory.

    Attributes
    ----------
    row
        Row numbers in the table. Shape: (n,) int64
    y
        Class codes. Shape: (n,) int64
    X
        Encoded columns. Shape: (n, width) float32
    weight
        Weights of the rows; None if all are equal. Shape: (n,) float64
    unit
        Hash that is equal for the rows of one group or id; None if the table has none. Shape: (n,) uint64
    """

    row: np.ndarray
    y: np.ndarray
    X: np.ndarray
    weight: np.ndarray | None = None
    unit: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.y)

    @classmethod
    def together(cls, parts: Sequence[Self]) -> Self:
        """Concatenate several parts of one table."""
        row, y, X = (np.concatenate([getattr(part, name) for part in parts]) for name in ("row", "y", "X"))
        weight, unit = (
            None if getattr(parts[0], name) is None else np.concatenate([getattr(part, name) for part in parts])
            for name in ("weight", "unit")
        )
        return cls(row, y, X, weight, unit)

    def take(self, rows: np.ndarray) -> Self:
        """Return the rows at these positions."""
        return type(self)(
            self.row[rows],
            self.y[rows],
            np.take(self.X.T, rows, axis=1).T if self.X.flags.f_contiguous else self.X[rows],  # as it is in memory
            None if self.weight is None else self.weight[rows],
            None if self.unit is None else self.unit[rows],
        )


@dataclass(frozen=True)
class Run:
    """Adjacent row groups of a shard that are read together.

    Attributes
    ----------
    place
        Relative position of the middle of the run in the shard, between 0 and 1. Rows of a shard are in the order of the table.
    """

    shard: int
    groups: range
    rows: int
    place: float


class Shards:
    """A part that stays on disk and is read piece by piece.

    Parameters
    ----------
    folder
        Folder of the part.
    held_bytes
        Memory budget for rows and for what is made of them. The readers enforce it.

    Attributes
    ----------
    groups
        Number of rows of each row group, by shard.
    names
        Names of the encoded columns.
    """

    def __init__(self, folder: Path, held_bytes: int):
        self.files, self.held_bytes = sorted(folder.glob("*.parquet")), held_bytes
        self.groups: list[np.ndarray] = []
        for file in self.files:  # only the counts are kept, because the footers of many shards are large
            footer = pq.read_metadata(file)
            self.groups.append(np.array([footer.row_group(i).num_rows for i in range(footer.num_row_groups)], dtype=np.int64))
        schema = pq.read_schema(self.files[0])
        self.weighted, self.grouped = WEIGHT in schema.names, UNIT in schema.names
        self.names = schema.names[2 + self.weighted + self.grouped :]

    def __len__(self) -> int:
        return sum(int(rows.sum()) for rows in self.groups)

    @property
    def width(self) -> int:
        """Number of encoded columns."""
        return len(self.names)

    def runs(self, max_rows: int) -> list[Run]:
        """Return all row groups as runs of at most `max_rows` rows, or of a single row group that has more."""
        found = []
        for shard, rows in enumerate(self.groups):
            ends = rows.cumsum()
            first = 0
            while first < len(rows):
                before = int(ends[first] - rows[first])
                behind = max(first + 1, int(np.searchsorted(ends, before + max_rows, side="right")))
                own = int(ends[behind - 1]) - before
                found.append(Run(shard, range(first, behind), own, (before + own / 2) / int(ends[-1])))
                first = behind
        return found

    def read(self, runs: Iterable[Run], X: np.ndarray, keys: Mapping[str, np.ndarray]) -> None:
        """Read runs one after the other into arrays that have the same number of rows.

        Shape: X (n, width), each of keys (n,)
        """
        end = 0
        for run in runs:
            with pq.ParquetFile(self.files[run.shard]) as file:
                for group in run.groups:
                    start, end = end, end + int(self.groups[run.shard][group])
                    self._fill(file, group, X[start:end], {name: values[start:end] for name, values in keys.items()})

    def targets(self) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
        """Return y and the weights of all rows, batch by batch. Shape: (n,) int64, (n,) float64"""
        names = [CLASS, WEIGHT] if self.weighted else [CLASS]
        for path in self.files:
            with pq.ParquetFile(path) as file:
                for batch in file.iter_batches(_KEY_ROWS, columns=names):
                    y, *weight = (batch.column(name).to_numpy() for name in names)
                    yield y, (weight[0] if weight else None)

    def sample(self, rows: int, seed: int) -> Part:
        """Return a random sample of `rows` rows, or all rows if there are not more.

        The rows come from as few shards as have enough of them, because each shard is a random sample. They come from all row
        groups of these shards, because the rows of a row group are close together in the table.
        """
        total = len(self)
        chosen = np.arange(len(self.files))
        draw = np.random.default_rng(seed)
        if rows < total:
            chosen = draw.permutation(chosen)
            total_of = np.cumsum([self.groups[shard].sum() for shard in chosen])
            chosen = chosen[: int(np.searchsorted(total_of, rows)) + 1]
            total = int(total_of[len(chosen) - 1])
        part = self._allocate(min(rows, total))
        seen = done = 0
        for shard in chosen:
            with pq.ParquetFile(self.files[shard]) as file:
                for group, size in enumerate(self.groups[shard].tolist()):
                    seen += size
                    start, done = done, seen * len(part) // total
                    own = slice(start, done)
                    if done - start == size:
                        self._fill(file, group, part.X[own], {name: values[own] for name, values in _keys(part).items()})
                        continue
                    whole, kept = self._allocate(size), np.sort(draw.choice(size, done - start, replace=False))
                    self._fill(file, group, whole.X, _keys(whole))
                    np.take(whole.X, kept, axis=0, out=part.X[own])
                    for name, values in _keys(part).items():
                        values[own] = _keys(whole)[name][kept]
        return part

    def _allocate(self, rows: int) -> Part:
        """Return a part with uninitialized arrays."""
        row, y = (np.empty(rows, dtype=np.int64) for _ in range(2))
        X = np.empty((rows, self.width), dtype=np.float32)
        weight = np.empty(rows, dtype=np.float64) if self.weighted else None
        return Part(row, y, X, weight, unit=np.empty(rows, dtype=np.uint64) if self.grouped else None)

    def _fill(self, file: pq.ParquetFile, group: int, X: np.ndarray, keys: Mapping[str, np.ndarray]) -> None:
        """Read a row group, a few columns at a time: all columns at once would be a second copy in Arrow's memory."""
        targets = {**keys, **dict(zip(self.names, X.T, strict=True))}
        names, n_columns = list(targets), max(1, _READ_CELLS // max(1, len(X)))
        rows = max(1, _PAGE_CELLS // max(1, self.width))
        for first in range(0, len(names), n_columns):
            own = names[first : first + n_columns]
            table = file.read_row_group(group, columns=own)
            columns = [(targets[name], table.column(name).to_numpy()) for name in own]
            for start in range(0, len(X), rows):  # rows that are written together stay in the processor's cache
                for target, column in columns:
                    target[start : start + rows] = column[start : start + rows]


def _keys(part: Part) -> dict[str, np.ndarray]:
    keys = {ROW: part.row, CLASS: part.y, WEIGHT: part.weight, UNIT: part.unit}
    return {name: values for name, values in keys.items() if values is not None}


def read_part(folder: Path) -> Part:
    """Read a part into memory."""
    shards = Shards(folder, 0)
    return shards.sample(len(shards), seed=0)


def read_sensitive(path: Path, row: np.ndarray) -> dict[str, np.ndarray]:
    """Read the sensitive columns of the rows with these row numbers. Shape: (n,) -> (n,) object each, None where missing"""
    order = np.argsort(row)
    with pq.ParquetFile(path) as file:
        names = file.schema_arrow.names[1:]
        values = {name.removeprefix(SENSITIVE): np.full(len(row), None, dtype=object) for name in names}
        for batch in file.iter_batches(_KEY_ROWS):
            place = np.searchsorted(row, batch.column(0).to_numpy(), sorter=order)
            place = order[np.minimum(place, len(row) - 1)]
            found = np.flatnonzero(row[place] == batch.column(0).to_numpy())
            for own, column in zip(values.values(), batch.columns[1:], strict=True):
                own[place[found]] = column.to_numpy(zero_copy_only=False)[found]
    return values
