"""A part on disk: a folder of Parquet shards. Rows are dealt to the shards at random, so any shard is a fair sample.

Columns: "(row)" (its number in the table, from 0), "(class)" (its code), "(weight)" where the table has weights, "(unit)" where
it has groups or ids (rows of one are never to be torn apart),
"(sensitive) NAME" (its value as text) for each sensitive column, then the encoded features.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

ROW, CLASS, WEIGHT, UNIT = "(row)", "(class)", "(weight)", "(unit)"  # in brackets, as a column "row" is nothing rare in a table
SENSITIVE = "(sensitive) "
_HELD_CELLS = 2**23  # of all shards together: 32 MB of float32 are held back before they are written
_FEWEST_ROWS = 1024
_READ_CELLS = 2**20  # of a row group at once
_PAGE_CELLS = 2**17  # that are written to before the next rows are
_KEY_ROWS = 2**16


@dataclass(frozen=True)
class Part:
    """The rows of one part in memory.

    Attributes
    ----------
    weight
        How much each row counts; None: all the same.
    sensitive
        The values of each sensitive column as text, None where missing.
    unit
        The same for rows of one group or id; None: the table has none.

    Shape: row (n,) int64, y (n,) int64, X (n, width) float32, weight (n,) float64, each of sensitive (n,) object, unit (n,)
    uint64
    """

    row: np.ndarray
    y: np.ndarray
    X: np.ndarray
    weight: np.ndarray | None = None
    sensitive: Mapping[str, np.ndarray] = field(default_factory=dict)
    unit: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.y)

    @classmethod
    def together(cls, parts: Sequence[Self]) -> Self:
        """The rows of several parts of one table, one behind the other."""
        row, y, X = (np.concatenate([getattr(part, name) for part in parts]) for name in ("row", "y", "X"))
        weight, unit = (
            None if getattr(parts[0], name) is None else np.concatenate([getattr(part, name) for part in parts])
            for name in ("weight", "unit")
        )
        sensitive = {name: np.concatenate([part.sensitive[name] for part in parts]) for name in parts[0].sensitive}
        return cls(row, y, X, weight, sensitive, unit)

    def take(self, rows: np.ndarray) -> Self:
        """Some of the rows, in the order given."""
        return type(self)(
            self.row[rows],
            self.y[rows],
            np.take(self.X.T, rows, axis=1).T if self.X.flags.f_contiguous else self.X[rows],  # as it lies in memory
            None if self.weight is None else self.weight[rows],
            {name: values[rows] for name, values in self.sensitive.items()},
            None if self.unit is None else self.unit[rows],
        )


class ShardWriter:
    """Writes one shard from pieces, holding back no more than a row group. Without a row there is no file.

    Parameters
    ----------
    names
        Of X's columns.
    coded
        Which of them hold the codes of categories: few values, so Parquet writes a dictionary.
    group_rows
        Rows that are held back before they are written.
    """

    def __init__(self, path: Path, names: Sequence[str], *, coded: np.ndarray, group_rows: int):
        self._path, self._names, self._coded, self._group_rows = path, list(names), coded, group_rows
        self._held: list[pa.Table] = []
        self._writer: pq.ParquetWriter | None = None

    def write(self, part: Part) -> None:
        """Add rows."""
        if len(part):
            self._held.append(self._table(part))
        if sum(table.num_rows for table in self._held) >= self._group_rows:
            self._flush()

    def close(self) -> None:
        """Write what is held back."""
        self._flush()
        if self._writer is not None:
            self._writer.close()

    def _flush(self) -> None:
        if not self._held:
            return
        table = pa.concat_tables(self._held)
        self._held = []
        if self._writer is None:
            dictionary = [name for name, coded in zip(self._names, self._coded, strict=True) if coded]
            dictionary += [field.name for field in table.schema if pa.types.is_string(field.type)]
            coded_names = set(dictionary)
            self._writer = pq.ParquetWriter(
                self._path,
                table.schema,
                compression="zstd",
                compression_level=-5,  # three times as quick to read as 1, twice as quick to write, an eighth larger
                use_dictionary=dictionary,
                use_byte_stream_split=[name for name in self._names if name not in coded_names],
                write_statistics=False,
                store_schema=False,
            )
        self._writer.write_table(table, row_group_size=table.num_rows)

    def _table(self, part: Part) -> pa.Table:
        keys = {ROW: pa.array(part.row, pa.int64()), CLASS: pa.array(part.y, pa.int64())}
        if part.weight is not None:
            keys[WEIGHT] = pa.array(part.weight, pa.float64())
        if part.unit is not None:
            keys[UNIT] = pa.array(part.unit, pa.uint64())
        keys |= {SENSITIVE + name: pa.array(values, pa.string()) for name, values in part.sensitive.items()}
        columns = [pa.array(column) for column in np.ascontiguousarray(part.X.T)]
        return pa.Table.from_arrays([*keys.values(), *columns], names=[*keys, *self._names])


def group_rows(width: int, shards: int) -> int:
    """Rows in a row group of each of so many shards, so that what they hold back together is bounded."""
    return max(_FEWEST_ROWS, _HELD_CELLS // max(1, width * shards))


@dataclass(frozen=True)
class Run:
    """Row groups of a shard that are read in one go.

    Attributes
    ----------
    place
        Of its middle in the shard, between 0 and 1. In a shard, rows stand in the order of the table.
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
        Of the part.
    held_bytes
        Of its rows and of what is made of them, that may be in memory at once; kept to by those who read it.

    Attributes
    ----------
    groups
        Rows of the row groups of each shard.
    names
        Of the encoded columns.
    """

    def __init__(self, folder: Path, held_bytes: int):
        self.files, self.held_bytes = sorted(folder.glob("*.parquet")), held_bytes
        self.groups: list[np.ndarray] = []
        for file in self.files:  # no more than counts is kept: the footers of many shards are large
            footer = pq.read_metadata(file)
            self.groups.append(np.array([footer.row_group(i).num_rows for i in range(footer.num_row_groups)], dtype=np.int64))
        schema = pq.read_schema(self.files[0])
        self.weighted, self.grouped = WEIGHT in schema.names, UNIT in schema.names
        self.sensitive = [field.name for field in schema if pa.types.is_string(field.type)]  # all else are numbers
        keys = 2 + self.weighted + self.grouped + len(self.sensitive)
        self.names = schema.names[keys:]  # the encoded columns stand behind them

    def __len__(self) -> int:
        return sum(int(rows.sum()) for rows in self.groups)

    @property
    def width(self) -> int:
        return len(self.names)

    def runs(self, most_rows: int) -> list[Run]:
        """All row groups, in runs of neighbours: of so many rows at most, or of a single group."""
        found = []
        for shard, rows in enumerate(self.groups):
            ends = rows.cumsum()
            first = 0
            while first < len(rows):
                before = int(ends[first] - rows[first])
                behind = max(first + 1, int(np.searchsorted(ends, before + most_rows, side="right")))
                own = int(ends[behind - 1]) - before
                found.append(Run(shard, range(first, behind), own, (before + own / 2) / int(ends[-1])))
                first = behind
        return found

    def read(self, runs: Iterable[Run], X: np.ndarray, keys: Mapping[str, np.ndarray]) -> None:
        """Read runs, one behind the other, into arrays that have just so many rows.

        Shape: X (n, width), each of keys (n,)
        """
        end = 0
        for run in runs:
            with pq.ParquetFile(self.files[run.shard]) as file:
                for group in run.groups:
                    start, end = end, end + int(self.groups[run.shard][group])
                    self._fill(file, group, X[start:end], {name: values[start:end] for name, values in keys.items()})

    def targets(self) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
        """Of all rows, some at a time, y and the weight. Shape: (n,) int64, (n,) float64"""
        names = [CLASS, WEIGHT] if self.weighted else [CLASS]
        for path in self.files:
            with pq.ParquetFile(path) as file:
                for batch in file.iter_batches(_KEY_ROWS, columns=names):
                    y, *weight = (batch.column(name).to_numpy() for name in names)
                    yield y, (weight[0] if weight else None)

    def sample(self, rows: int, seed: int) -> Part:
        """So many rows, each as likely as any other, or all where there are no more; without the sensitive columns.

        They come from as few shards as have them, each of which is a fair sample; of these from every row group, as a group has
        only rows that stood together in the table.
        """
        total = len(self)
        chosen = np.arange(len(self.files))
        draw = np.random.default_rng(seed)
        if rows < total:
            chosen = draw.permutation(chosen)
            total_of = np.cumsum([self.groups[shard].sum() for shard in chosen])
            chosen = chosen[: int(np.searchsorted(total_of, rows)) + 1]
            total = int(total_of[len(chosen) - 1])
        part = self._room(min(rows, total))
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
                    whole, kept = self._room(size), np.sort(draw.choice(size, done - start, replace=False))
                    self._fill(file, group, whole.X, _keys(whole))
                    np.take(whole.X, kept, axis=0, out=part.X[own])
                    for name, values in _keys(part).items():
                        values[own] = _keys(whole)[name][kept]
        return part

    def _room(self, rows: int) -> Part:
        """A part that is yet to be filled."""
        row, y = (np.empty(rows, dtype=np.int64) for _ in range(2))
        X = np.empty((rows, self.width), dtype=np.float32)
        weight = np.empty(rows, dtype=np.float64) if self.weighted else None
        return Part(row, y, X, weight, unit=np.empty(rows, dtype=np.uint64) if self.grouped else None)

    def _fill(self, file: pq.ParquetFile, group: int, X: np.ndarray, keys: Mapping[str, np.ndarray]) -> None:
        """Read a row group, a few columns at a time: all at once, in Arrow's memory, would be a second copy."""
        targets = {**keys, **dict(zip(self.names, X.T, strict=True))}
        names, most = list(targets), max(1, _READ_CELLS // max(1, len(X)))
        rows = max(1, _PAGE_CELLS // max(1, self.width))
        for first in range(0, len(names), most):
            own = names[first : first + most]
            table = file.read_row_group(group, columns=own)
            columns = [(targets[name], table.column(name).to_numpy()) for name in own]
            for start in range(0, len(X), rows):  # what a row's columns are written to stays in the processor's cache
                for target, column in columns:
                    target[start : start + rows] = column[start : start + rows]


def _keys(part: Part) -> dict[str, np.ndarray]:
    keys = {ROW: part.row, CLASS: part.y, WEIGHT: part.weight, UNIT: part.unit}
    return {name: values for name, values in keys.items() if values is not None}


def read_part(folder: Path) -> Part:
    """Read all shards of a part."""
    shards = Shards(folder, 0)
    part = shards.sample(len(shards), seed=0)
    tables = [pq.read_table(file, columns=shards.sensitive) for file in shards.files] if shards.sensitive else []
    texts = {
        name.removeprefix(SENSITIVE): np.concatenate([each.column(name).to_numpy(zero_copy_only=False) for each in tables])
        for name in shards.sensitive
    }
    return replace(part, sensitive=texts)
