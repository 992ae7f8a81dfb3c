"""A part on disk: a folder of Parquet shards. Rows are dealt to the shards at random, so any shard is a fair sample.

Columns: "(row)" (its number in the table, from 0), "(class)" (its code), "(weight)" where the table has weights,
"(sensitive) NAME" (its value as text) for each sensitive column, then the encoded features.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

ROW, CLASS, WEIGHT = "(row)", "(class)", "(weight)"  # in brackets, as a column "row" is nothing rare in a table
SENSITIVE = "(sensitive) "
_ROW_GROUP_CELLS = 2**23  # 32 MB of float32 are held back before they are written


@dataclass(frozen=True)
class Part:
    """The rows of one part in memory.

    Attributes
    ----------
    weight
        How much each row counts; None: all the same.
    sensitive
        The values of each sensitive column as text, None where missing.

    Shape: row (n,) int64, y (n,) int64, X (n, width) float32, weight (n,) float64, each of sensitive (n,) object
    """

    row: np.ndarray
    y: np.ndarray
    X: np.ndarray
    weight: np.ndarray | None = None
    sensitive: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.y)

    def take(self, rows: np.ndarray) -> Self:
        """Some of the rows, in the order given."""
        return type(self)(
            self.row[rows],
            self.y[rows],
            self.X[rows],
            None if self.weight is None else self.weight[rows],
            {name: values[rows] for name, values in self.sensitive.items()},
        )


class PartWriter:
    """Writes a new folder of shards from pieces, holding back no more than a row group of each shard.

    Parameters
    ----------
    names
        Of X's columns.
    coded
        Which of them hold the codes of categories: few values, so Parquet writes a dictionary.
    shards
        How many files.
    """

    def __init__(self, folder: Path, names: Sequence[str], *, coded: np.ndarray, shards: int):
        folder.mkdir()
        self._folder, self._names, self._coded, self.shards = folder, list(names), coded, shards
        self._held: list[list[Part]] = [[] for _ in range(shards)]
        self._writers: dict[int, pq.ParquetWriter] = {}
        self._group_rows = max(1024, _ROW_GROUP_CELLS // max(1, len(names) * shards))
        self.rows = 0

    def write(self, part: Part, shard: np.ndarray) -> None:
        """Add rows; `shard` says which file each goes to. Shape: shard (n,)"""
        self.rows += len(part)
        for number in range(self.shards):
            chosen = np.flatnonzero(shard == number)
            if len(chosen):
                held = self._held[number]
                held.append(part if len(chosen) == len(part) else part.take(chosen))
                if sum(map(len, held)) >= self._group_rows:
                    self._flush(number)

    def close(self) -> None:
        """Write what is held back."""
        for number in range(self.shards):
            self._flush(number)
        for writer in self._writers.values():
            writer.close()

    def _flush(self, number: int) -> None:
        if not self._held[number]:
            return
        table = pa.concat_tables([self._table(part) for part in self._held[number]])
        self._held[number] = []
        if number not in self._writers:
            dictionary = [name for name, coded in zip(self._names, self._coded, strict=True) if coded]
            dictionary += [field.name for field in table.schema if pa.types.is_string(field.type)]
            plain = sorted(set(self._names) - set(dictionary))
            self._writers[number] = pq.ParquetWriter(
                self._folder / f"{number:05d}.parquet",
                table.schema,
                compression="zstd",
                compression_level=1,
                use_dictionary=dictionary,
                use_byte_stream_split=plain,
                write_statistics=False,
                store_schema=False,
            )
        self._writers[number].write_table(table, row_group_size=table.num_rows)

    def _table(self, part: Part) -> pa.Table:
        keys = {ROW: pa.array(part.row, pa.int64()), CLASS: pa.array(part.y, pa.int64())}
        if part.weight is not None:
            keys[WEIGHT] = pa.array(part.weight, pa.float64())
        keys |= {SENSITIVE + name: pa.array(values, pa.string()) for name, values in part.sensitive.items()}
        columns = [pa.array(column) for column in np.ascontiguousarray(part.X.T)]
        return pa.Table.from_arrays([*keys.values(), *columns], names=[*keys, *self._names])


def read_part(folder: Path) -> Part:
    """Read all shards of a part."""
    table = pa.concat_tables(pq.read_table(shard) for shard in sorted(folder.glob("*.parquet")))
    sensitive = [field.name for field in table.schema if pa.types.is_string(field.type)]  # all else are numbers
    weight = table.column(WEIGHT).to_numpy().copy() if WEIGHT in table.column_names else None
    first = 2 + (weight is not None) + len(sensitive)  # the encoded columns stand behind the keys
    X = np.empty((table.num_rows, table.num_columns - first), dtype=np.float32)
    for i in range(X.shape[1]):
        X[:, i] = table.column(first + i).to_numpy()
    return Part(
        table.column(ROW).to_numpy().copy(),  # Arrow's memory is read-only
        table.column(CLASS).to_numpy().copy(),
        X,
        weight,
        {name.removeprefix(SENSITIVE): table.column(name).to_numpy(zero_copy_only=False) for name in sensitive},
    )
