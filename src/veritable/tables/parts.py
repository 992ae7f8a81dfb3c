"""A part on disk: a folder of Parquet shards. Rows were dealt at random, so any shard is a fair sample of the part.

Columns: "(row)" (its number in the table), "(class)" (its code), then the encoded features.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

KEYS = ("(row)", "(class)")  # in brackets, as a column "y" is nothing rare in a table


@dataclass(frozen=True)
class Part:
    """The rows of one part in memory.

    Shape: row (n,) int64, y (n,) int64, X (n, width) float32
    """

    row: np.ndarray
    y: np.ndarray
    X: np.ndarray


def write_part(folder: Path, part: Part, names: tuple[str, ...], *, shard_rows: int) -> None:
    """Write a new folder of shards of at most `shard_rows` rows each; `names` are those of X's columns."""
    folder.mkdir()
    schema = pa.schema([*((name, pa.int64()) for name in KEYS), *((name, pa.float32()) for name in names)])
    for number, start in enumerate(range(0, len(part.row), shard_rows)):
        rows = slice(start, start + shard_rows)
        arrays = [pa.array(each) for each in (part.row[rows], part.y[rows], *part.X[rows].T)]
        table = pa.Table.from_arrays(arrays, schema=schema)
        pq.write_table(table, folder / f"{number:05d}.parquet", compression="zstd", store_schema=False)


def read_part(folder: Path) -> Part:
    """Read all shards of a part."""
    table = pa.concat_tables(pq.read_table(shard) for shard in sorted(folder.glob("*.parquet")))
    X = np.empty((table.num_rows, table.num_columns - 2), dtype=np.float32)
    for i in range(X.shape[1]):
        X[:, i] = table.column(i + 2).to_numpy()
    return Part(table.column(0).to_numpy().copy(), table.column(1).to_numpy().copy(), X)  # Arrow's memory is read-only
