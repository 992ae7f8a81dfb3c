"""The spool: Arrow arrays in a temporary file, read back as they were written."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.making import native_tables
from veritable.tables.scan import Spool


@given(native_tables(), st.integers(1, 7))
def test_round_trip(table: pa.Table, rows: int) -> None:
    """Arrays of any type, in batches of any size, come back as they were, again and again and in any order."""
    with Spool() as spool:
        batches = table.combine_chunks().to_batches(max_chunksize=rows)
        written = {(i, name): batch.column(name) for i, batch in enumerate(batches) for name in table.column_names}
        for key, array in written.items():
            spool.put(key, array)
        for _ in range(2):
            for key, array in reversed(written.items()):
                assert array.type == spool.get(key).type
                assert str(array.to_pylist()) == str(spool.get(key).to_pylist())  # NaN is not equal to NaN


def test_numbers_keep_their_bits() -> None:
    """Every NaN, the negative zero and the largest hash keep their bits."""
    bits = np.array([0x7FF8000000000001, 0xFFF8000000000000, 2**63, 2**64 - 1], dtype=np.uint64)
    with Spool() as spool:
        spool.put("numbers", pa.array(bits.view(np.float64)))
        spool.put("hashes", pa.array(bits))
        np.testing.assert_array_equal(bits, spool.get("numbers").to_numpy().view(np.uint64))
        np.testing.assert_array_equal(bits, spool.get("hashes").to_numpy())


def test_replace_and_discard() -> None:
    """An array replaces the earlier one with its key, and a discarded one is gone."""
    with Spool() as spool:
        spool.put("a", pa.array([1, 2]))
        spool.put("a", pa.array(["x"]))
        assert ["x"] == spool.get("a").to_pylist()
        spool.discard("a")
        spool.discard("a")
        assert "a" not in spool
        with pytest.raises(KeyError):
            spool.get("a")


def test_threads() -> None:
    """Several threads can read at once."""
    with Spool() as spool, ThreadPoolExecutor(4) as pool:
        for i in range(50):
            spool.put(i, pa.array(np.full(1000, i)))
        assert list(range(50)) == [int(array[999].as_py()) for array in pool.map(spool.get, range(50))]
