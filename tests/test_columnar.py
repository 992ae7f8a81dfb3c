"""Parquet and Arrow files keep their types. Nested values and damaged files raise an error."""

import datetime
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from tests.rooms import HOSTILE
from tests.sources import refused, rows, write
from veritable.errors import TableError
from veritable.tables.reading.open import open_table
from veritable.tables.reading.source import Reading


def write_stream(table: pa.Table, path: Path) -> None:
    with pa.ipc.new_stream(str(path), table.schema) as writer:
        writer.write_table(table)


def write_file(table: pa.Table, path: Path) -> None:
    with pa.ipc.new_file(str(path), table.schema) as writer:
        writer.write_table(table)


WRITERS: dict[str, Callable[[pa.Table, Path], None]] = {
    "t.parquet": lambda table, path: pq.write_table(table, path),
    "t.feather": lambda table, path: pyarrow.feather.write_feather(table, str(path)),
    "t.arrow": write_file,
    "t.arrows": write_stream,
}
TABLE = pa.table(
    {
        "x": pa.array([1.5, None, float("inf")]),
        "i": pa.array([2**60, None, 3], pa.int64()),
        "u": pa.array([2**63, None, 3], pa.uint64()),
        "when": pa.array([datetime.datetime(2020, 1, 1, 12), None, None], pa.timestamp("ns")),
        "day": pa.array([datetime.date(2020, 1, 1), None, None]),
        "price": pa.array([Decimal("1.10"), None, Decimal("2.00")], pa.decimal128(5, 2)),
        "yes": pa.array([True, None, False]),
        "nothing": pa.nulls(3),
        "kind": pa.array(["a", None, "b"]).dictionary_encode(),
        "t": ["a", "b", "ä"],
    }
)
every_format = pytest.mark.parametrize("name", sorted(WRITERS))


@every_format
def test_types(tmp_path: Path, name: str) -> None:
    """Values and types are those of the file, whatever its name."""
    for path in (tmp_path / name, tmp_path / "table.csv"):
        WRITERS[name](TABLE, path)
        assert TABLE.to_pydict() == rows(path)
        source = open_table(path, Reading())
        assert (TABLE.schema, False) == (source.schema, source.text)


@every_format
def test_names(tmp_path: Path, name: str) -> None:
    """Unusual names are kept, and a column "a" is not confused with "a.b"."""
    names = [*HOSTILE, "a", "a.b"]
    table = pa.table({each: [i] for i, each in enumerate(names)})
    WRITERS[name](table, tmp_path / name)
    assert table.to_pydict() == rows(tmp_path / name)
    assert {"a": [names.index("a")]} == rows(tmp_path / name, frozenset(names) - {"a"})


@every_format
@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (pa.array([[1], [2]]), "list<"),
        (pa.array([{"a": 1}, {"a": 2}]), "struct<"),
        (pa.array([[("k", 1)], []], pa.map_(pa.string(), pa.int64())), "map<"),
        (pa.array([b"1", b"2"]), "holds values of type binary"),
        (pa.array([b"1", b"2"], pa.binary(1)), "fixed_size_binary"),
    ],
    ids=["list", "struct", "map", "bytes", "fixed bytes"],
)
def test_nested(tmp_path: Path, name: str, values: pa.Array, kind: str) -> None:
    """A column of lists, structures, maps or bytes raises an error, unless it is dropped."""
    WRITERS[name](pa.table({"x": values, "t": ["a", "b"]}), tmp_path / name)
    said = refused(tmp_path / name)
    assert said.startswith("column 'x' of")
    assert kind in said
    assert said.endswith("Name it in data.drop, or split it into several columns.")
    assert {"t": ["a", "b"]} == rows(tmp_path / name, frozenset("x"))


@every_format
def test_damaged(tmp_path: Path, name: str) -> None:
    """A truncated file, an empty file or a file of another format raises an error."""
    path = tmp_path / name
    draw = np.random.default_rng(0)
    WRITERS[name](pa.table({"x": draw.normal(size=5000), "t": draw.integers(0, 9, 5000).astype(str)}), path)
    whole = path.read_bytes()
    for end in (len(whole) - 1, len(whole) // 2, 20, 6):
        if not (name == "t.arrows" and end == len(whole) - 1):  # only the mark of the stream's end is cut off
            assert "must be a complete" in refused(write(tmp_path, whole[:end], name))
    assert "must not be empty" in refused(write(tmp_path, b"", name))
    assert "must be a complete" in refused(write(tmp_path, "x,t\n1,a\n", name))


@every_format
def test_changed_bytes(tmp_path: Path, name: str) -> None:
    """A file with changed bytes raises an error or can still be read, and never crashes."""
    table = pa.table({"x": [0.5, None] * 50, "kind": pa.array(["a", "ä"] * 50).dictionary_encode(), "t": ["b", None] * 50})
    WRITERS[name](table, tmp_path / name)
    whole, draw, refusals = (tmp_path / name).read_bytes(), np.random.default_rng(0), 0
    for _ in range(300):
        changed = bytearray(whole)
        changed[draw.integers(len(whole))] = draw.integers(256)
        try:
            rows(write(tmp_path, bytes(changed), name))
        except TableError:
            refusals += 1
    assert 0 < refusals < 300


@every_format
def test_caps(tmp_path: Path, name: str) -> None:
    """A table without rows, with more than machine.max_rows, or with repeated names raises an error."""
    WRITERS[name](TABLE, tmp_path / name)
    assert "at most 2 rows" in refused(tmp_path / name, max_rows=2)
    WRITERS[name](TABLE.slice(0, 0), tmp_path / name)
    assert "must have rows" in refused(tmp_path / name)
    if name != "t.feather":  # which refuses to write it
        WRITERS[name](pa.table([pa.array([1]), pa.array([2])], names=["a", "a"]), tmp_path / name)
        assert "two are named 'a'" in refused(tmp_path / name)


def test_feather_of_version_1(tmp_path: Path) -> None:
    """Feather version 1 raises an error that names it."""
    assert "must be Feather version 2" in refused(write(tmp_path, b"FEA1\0\0\0\0FEA1", "t.feather"))


@every_format
def test_batches_are_small(tmp_path: Path, name: str) -> None:
    """A batch has at most 65,536 rows, or 1,024 if there are many columns, however the file was written."""
    WRITERS[name](pa.table({"x": np.arange(200_000)}), tmp_path / name)
    assert 65_536 >= max(batch.num_rows for batch in open_table(tmp_path / name, Reading()).batches())
    WRITERS[name](pa.table({f"c{i}": np.arange(1500) for i in range(10_000)}), tmp_path / name)
    assert 1024 >= max(batch.num_rows for batch in open_table(tmp_path / name, Reading()).batches())


def test_memory_is_flat(tmp_path: Path) -> None:
    """A Parquet file with one large row group is not read into memory as a whole."""
    pool, peaks = pa.default_memory_pool(), []
    for count in (200_000, 800_000):
        path = tmp_path / f"{count}.parquet"
        pq.write_table(pa.table({f"c{i}": np.random.default_rng(i).normal(size=count) for i in range(10)}), path)
        before, peak = pool.bytes_allocated(), 0
        for _ in open_table(path, Reading()).batches():
            peak = max(peak, pool.bytes_allocated() - before)
        peaks.append(peak)
    assert peaks[0] * 1.5 > peaks[1]
