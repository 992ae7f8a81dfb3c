"""Write the parts of a table as folders of Parquet files, the shards.

Rows are dealt to the shards of their part at random, so each shard is a random sample of the part. Within a shard, rows are in
the order of the table. `parts.py` reads what is written here.

The columns of a shard are "(row)" (row number in the table, from 0), "(class)" (class code), "(weight)" if the table has
weights, "(unit)" if it has groups or ids (equal for the rows of one), and the encoded columns.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from veritable.tables.encoding.encoder import Encoder
from veritable.tables.encoding.parts import CLASS, ROW, SENSITIVE, UNIT, WEIGHT, Part
from veritable.tables.reading.source import THREADS
from veritable.tables.splitting import hashing
from veritable.tables.splitting.split import EXCLUDED, PARTS

_BUFFERED_CELLS = 2**23  # of all shards together: 32 MB of float32 wait to be written
_MIN_GROUP_ROWS = 1024


class PartsWriter:
    """Writes the parts train, valid and test, batch by batch. Use it in a `with` statement.

    Parameters
    ----------
    folder
        Existing folder in which each part gets a folder.
    counts
        Number of rows of each part. Shape: (3,)
    shard_rows
        Number of rows of a shard, about.
    """

    def __init__(self, folder: Path, encoder: Encoder, counts: np.ndarray, *, shard_rows: int, seed: int):
        shards = [-(-int(rows) // shard_rows) for rows in counts]
        self._first_shard, self._seed = np.cumsum([0, *shards]), seed
        for name in PARTS:
            (folder / name).mkdir()
        files = [folder / name / f"{i:05d}.parquet" for name, count in zip(PARTS, shards, strict=True) for i in range(count)]
        group_rows, coded = rows_per_group(len(encoder.names), len(files)), encoder.cardinalities > 0
        self._writers = [ShardWriter(file, encoder.names, coded=coded, group_rows=group_rows) for file in files]
        self._pool = ThreadPoolExecutor(THREADS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with self._pool:
            list(self._pool.map(ShardWriter.close, self._writers))

    def write(self, rows: Part, parts: np.ndarray) -> None:
        """Write the rows of a batch. `parts` has the part of each row, or EXCLUDED. Shape: (n,)"""
        shard = self._draw_shards(rows.row, parts)
        order = np.argsort(shard, kind="stable")
        cuts = np.searchsorted(shard[order], np.arange(len(self._writers) + 1))
        chosen = (order[start:end] for start, end in pairwise(cuts))
        list(self._pool.map(lambda writer, own: writer.write(rows.take(own)), self._writers, chosen))

    def _draw_shards(self, row: np.ndarray, parts: np.ndarray) -> np.ndarray:
        """Draw a shard of its part for each row by a hash of the row number, -1 for an excluded row. Shape: (n,)"""
        part = np.where(parts == EXCLUDED, 0, parts)
        drawn = hashing.mix(row.astype(np.uint64) ^ np.uint64(self._seed))
        drawn %= np.diff(self._first_shard).astype(np.uint64)[part]
        return np.where(parts == EXCLUDED, -1, self._first_shard[part] + drawn.astype(np.int64))


class ShardWriter:
    """Writes one shard. It keeps rows until there are enough for a row group. Without rows, it writes no file.

    Parameters
    ----------
    names
        Names of the encoded columns.
    coded
        Whether a column holds the codes of a category. Parquet writes these with a dictionary. Shape: (width,) bool
    group_rows
        Number of rows of a row group.
    """

    def __init__(self, path: Path, names: Sequence[str], *, coded: np.ndarray, group_rows: int):
        self._path, self._names, self._coded, self._group_rows = path, list(names), coded, group_rows
        self._waiting: list[pa.Table] = []
        self._writer: pq.ParquetWriter | None = None

    def write(self, part: Part) -> None:
        """Add rows."""
        if len(part):
            self._waiting.append(self._table(part))
        if sum(table.num_rows for table in self._waiting) >= self._group_rows:
            self._flush()

    def close(self) -> None:
        """Write the last row group."""
        self._flush()
        if self._writer is not None:
            self._writer.close()

    def _flush(self) -> None:
        if not self._waiting:
            return
        table = pa.concat_tables(self._waiting)
        self._waiting = []
        if self._writer is None:
            dictionary = [name for name, coded in zip(self._names, self._coded, strict=True) if coded]
            coded_names = set(dictionary)
            self._writer = pq.ParquetWriter(
                self._path,
                table.schema,
                compression="zstd",
                compression_level=-5,  # against level 1: read in a third of the time, written in half, an eighth larger
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
        columns = [pa.array(column) for column in np.ascontiguousarray(part.X.T)]
        return pa.Table.from_arrays([*keys.values(), *columns], names=[*keys, *self._names])


def rows_per_group(width: int, shards: int) -> int:
    """Return the number of rows of a row group, so that the buffers of all shards together are bounded."""
    return max(_MIN_GROUP_ROWS, _BUFFERED_CELLS // max(1, width * shards))


class SensitiveWriter:
    """Writes the sensitive columns of all parts to one file, batch by batch. Use it in a `with` statement."""

    def __init__(self, path: Path, names: Sequence[str]):
        self._names = list(names)
        fields = [(ROW, pa.int64()), *((SENSITIVE + name, pa.string()) for name in names)]
        self._writer = pq.ParquetWriter(path, pa.schema(fields), compression="zstd", write_statistics=False, store_schema=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._writer.close()

    def write(self, row: np.ndarray, columns: Mapping[str, pa.Array]) -> None:
        """Add rows: their numbers, and their values as text by column, null where missing. Shape: (n,) each"""
        if self._names:
            arrays = [pa.array(row, pa.int64()), *(columns[name].cast(pa.string()) for name in self._names)]
            self._writer.write_batch(pa.record_batch(arrays, schema=self._writer.schema))
