"""Writing parts as shards and reading them."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.quick import examples
from tests.rooms import HOSTILE
from veritable.tables.encoding import shards as shards_module
from veritable.tables.encoding.parts import Part, read_part, read_sensitive
from veritable.tables.encoding.shards import SensitiveWriter, ShardWriter


def some_part(rows: int, width: int, extra: bool = True) -> Part:
    draw = np.random.default_rng(rows * 7 + width)
    X = draw.normal(size=(rows, width)).astype(np.float32)
    X[:, 0] = draw.integers(0, 4, rows)
    if not extra:
        return Part(draw.permutation(rows), draw.integers(0, 3, rows), X)
    return Part(draw.permutation(rows), draw.integers(0, 3, rows), X, draw.random(rows))


def write(folder: Path, part: Part, names: tuple[str, ...], shards: int = 1, piece: int = 10**6) -> Path:
    """Write a part in pieces. Row i goes to shard i % shards."""
    folder.mkdir()
    held = shards_module.rows_per_group(len(names), shards)
    for shard in range(shards):
        writer = ShardWriter(folder / f"{shard:05d}.parquet", names, coded=np.arange(len(names)) == 0, group_rows=held)
        for start in range(0, len(part), piece):
            rows = np.arange(start, min(start + piece, len(part)))
            writer.write(part.take(rows[rows % shards == shard]))
        writer.close()
    return folder


def assert_equal(one: Part, other: Part) -> None:
    for before, after in ((one.row, other.row), (one.y, other.y), (one.X, other.X)):
        assert before.dtype == after.dtype
        np.testing.assert_array_equal(before, after)
    assert (one.weight is None) == (other.weight is None)
    if one.weight is not None:
        np.testing.assert_array_equal(one.weight, other.weight)


@settings(max_examples=examples(25), suppress_health_check=list(HealthCheck))
@given(
    rows=st.integers(1, 40), width=st.integers(1, 5), shards=st.integers(1, 4), piece=st.integers(1, 50), extra=st.booleans()
)
def test_round_trip(
    rows: int, width: int, shards: int, piece: int, extra: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A part that was written in pieces is read with the same types, shard by shard, and within a shard in the same order."""
    part = some_part(rows, width, extra)
    folder = write(tmp_path_factory.mktemp("part") / "train", part, tuple(f"c{i}" for i in range(width)), shards, piece)
    assert min(shards, rows) == len(list(folder.iterdir()))
    assert_equal(part.take(np.argsort(np.arange(rows) % shards, kind="stable")), read_part(folder))


def test_more_than_a_row_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At most one row group waits to be written, so a file has several of them."""
    monkeypatch.setattr(shards_module, "_BUFFERED_CELLS", 1)
    part = some_part(5000, 2)
    folder = write(tmp_path / "train", part, ("a", "b"), piece=100)
    assert 5 == pq.read_metadata(folder / "00000.parquet").num_row_groups
    assert_equal(part, read_part(folder))


def test_hostile_names(tmp_path: Path) -> None:
    """An encoded column may have any name, also `row`, `y`, one with dots, or one like that of a sensitive column."""
    names = (*HOSTILE, "row", "y", "a.b", "a", "(sensitive) x")
    part = some_part(5, len(names), extra=False)
    write(tmp_path / "test", part, names)
    assert ("(row)", "(class)", *names) == tuple(pq.read_schema(tmp_path / "test/00000.parquet").names)
    assert_equal(part, read_part(tmp_path / "test"))


def test_same_bytes(tmp_path: Path) -> None:
    """The same part is written as the same files, byte for byte."""
    for name in ("one", "two"):
        write(tmp_path / name, some_part(30, 3), ("a", "b", "c"), shards=4)
    one, two = ([path.read_bytes() for path in sorted((tmp_path / name).iterdir())] for name in ("one", "two"))
    assert 4 == len(one)
    assert one == two


def test_can_be_written_to(tmp_path: Path) -> None:
    """The arrays that were read can be written to: torch warns if they cannot."""
    part = read_part(write(tmp_path / "train", some_part(5, 2), ("a", "b")))
    assert part.weight is not None
    assert [True] * 4 == [array.flags.writeable for array in (part.row, part.y, part.X, part.weight)]


def test_take() -> None:
    """Rows are taken with all of their fields, in the given order."""
    part = some_part(9, 2)
    taken = part.take(np.array([7, 2]))
    assert 2 == len(taken)
    assert part.row[[7, 2]].tolist() == taken.row.tolist()
    assert_equal(taken, part.take(np.array([2, 7])).take(np.array([1, 0])))


@settings(deadline=None)
@given(st.lists(st.integers(0, 200), min_size=1, max_size=60, unique=True), st.integers(1, 30), st.integers(0, 100))
def test_sensitive_round_trip(row: list[int], batch: int, seed: int) -> None:
    """The sensitive values of any rows, in any order, are those that were written."""
    texts = np.random.default_rng(seed).choice(np.array(["a", "ß", None], dtype=object), (2, 201))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "sensitive.parquet"
        with SensitiveWriter(path, ["sex", "(row)"]) as writer:
            for start in range(0, 201, batch):
                rows = np.arange(start, min(start + batch, 201))
                writer.write(rows, {"sex": pa.array(texts[0, rows]), "(row)": pa.array(texts[1, rows]).dictionary_encode()})
        found = read_sensitive(path, np.array(row))
    assert {"sex": texts[0, row].tolist(), "(row)": texts[1, row].tolist()} == {k: v.tolist() for k, v in found.items()}


def test_no_sensitive_columns(tmp_path: Path) -> None:
    """A table without sensitive columns has a file without them."""
    with SensitiveWriter(tmp_path / "sensitive.parquet", []) as writer:
        writer.write(np.arange(3), {})
    assert {} == read_sensitive(tmp_path / "sensitive.parquet", np.arange(3))
