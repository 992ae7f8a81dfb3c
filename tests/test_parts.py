"""Parts on disk: what is written is read, in shards, the same bytes each time."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.rooms import HOSTILE
from veritable.tables.parts import Part, read_part, write_part


def some_part(rows: int, width: int) -> Part:
    draw = np.random.default_rng(rows * 7 + width)
    return Part(draw.permutation(rows), draw.integers(0, 3, rows), draw.normal(size=(rows, width)).astype(np.float32))


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.integers(1, 40), width=st.integers(1, 5), shard_rows=st.integers(1, 50))
def test_round_trip(rows: int, width: int, shard_rows: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    """What was written is read again, in the same order and types, and no shard holds more than `shard_rows` rows."""
    folder, part = tmp_path_factory.mktemp("part") / "train", some_part(rows, width)
    write_part(folder, part, tuple(f"c{i}" for i in range(width)), shard_rows=shard_rows)
    shards = sorted(folder.iterdir())
    assert -(-rows // shard_rows) == len(shards)
    assert shard_rows >= max(pq.read_metadata(shard).num_rows for shard in shards)
    for before, after in zip(vars(part).values(), vars(read_part(folder)).values(), strict=True):
        assert before.dtype == after.dtype
        np.testing.assert_array_equal(before, after)


def test_many_shards_in_order(tmp_path: Path) -> None:
    """The rows of more than ten shards come back in the order that they went."""
    write_part(tmp_path / "train", some_part(25, 2), ("a", "b"), shard_rows=2)
    np.testing.assert_array_equal(some_part(25, 2).row, read_part(tmp_path / "train").row)


def test_hostile_names(tmp_path: Path) -> None:
    """Any column name can stand in a part, also `row` and `y`."""
    names = (*HOSTILE, "row", "y")
    part = some_part(5, len(names))
    write_part(tmp_path / "test", part, names, shard_rows=10)
    assert ("(row)", "(class)", *names) == tuple(pq.read_schema(tmp_path / "test/00000.parquet").names)
    np.testing.assert_array_equal(part.X, read_part(tmp_path / "test").X)


def test_same_bytes(tmp_path: Path) -> None:
    """The same part is the same files, byte for byte."""
    for name in ("one", "two"):
        write_part(tmp_path / name, some_part(30, 3), ("a", "b", "c"), shard_rows=8)
    one, two = ([path.read_bytes() for path in sorted((tmp_path / name).iterdir())] for name in ("one", "two"))
    assert 4 == len(one)
    assert one == two


def test_can_be_written_to(tmp_path: Path) -> None:
    """What was read is the reader's own memory: torch warns of arrays that it may not write to."""
    write_part(tmp_path / "train", some_part(5, 2), ("a", "b"), shard_rows=10)
    assert [True] * 3 == [array.flags.writeable for array in vars(read_part(tmp_path / "train")).values()]
