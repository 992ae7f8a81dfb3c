"""A part on disk: a folder of Parquet shards. Rows are dealt to the shards at random, so any shard is a fair sample.

Columns: "(row)" (its number in the table, from 0), "(class)" (its code), "(weight)" where the table has weights, "(unit)" where
it has groups or ids (rows of one are never to be torn apart),
"(sensitive) NAME" (its value as text) for each sensitive column, then the encoded features.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

ROW, CLASS, WEIGHT, UNIT = "(row)", "(class)", "(weight)", "(unit)"  # in brackets, as a column "row" is nothing rare in a table
SENSITIVE = "(sensitive) "
_HELD_CELLS = 2**23  # of all shards together: 32 MB of float32 are held back before they are written
_FEWEST_ROWS = 1024


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


def read_part(folder: Path) -> Part:
    """Read all shards of a part."""
    table = pa.concat_tables(pq.read_table(shard) for shard in sorted(folder.glob("*.parquet")))
    sensitive = [field.name for field in table.schema if pa.types.is_string(field.type)]  # all else are numbers
    weight, unit = (table.column(name).to_numpy().copy() if name in table.column_names else None for name in (WEIGHT, UNIT))
    first = 2 + (weight is not None) + (unit is not None) + len(sensitive)  # the encoded columns stand behind the keys
    X = np.empty((table.num_rows, table.num_columns - first), dtype=np.float32)
    for i in range(X.shape[1]):
        X[:, i] = table.column(first + i).to_numpy()
    return Part(
        table.column(ROW).to_numpy().copy(),  # Arrow's memory is read-only
        table.column(CLASS).to_numpy().copy(),
        X,
        weight,
        {name.removeprefix(SENSITIVE): table.column(name).to_numpy(zero_copy_only=False) for name in sensitive},
        unit,
    )
