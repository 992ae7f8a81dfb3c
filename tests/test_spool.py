"""The spool: numbers in a temporary file, read back as they were written."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from veritable.tables.spool import Spool


@given(st.lists(st.integers(1, 20), max_size=6), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_round_trip(sizes: list[int], columns: int, seed: int) -> None:
    """Batches, single columns and keys come back bit for bit, again and again."""
    draw = np.random.default_rng(seed)
    written = [(list(draw.normal(size=(columns, n))), list(draw.integers(0, 2**64, (2, n), dtype=np.uint64))) for n in sizes]
    with Spool(columns=columns, keys=2) as spool:
        for stored, keys in written:
            spool.write(stored, keys)
        assert sum(sizes) == spool.rows
        for _ in range(2):
            for (stored, _keys), (rows, batch) in zip(written, spool.batches(), strict=True):
                np.testing.assert_array_equal(np.stack(stored), batch)
                assert rows.stop - rows.start == batch.shape[1]
            assert [0, *np.cumsum(sizes)][:-1] == [rows.start for rows, _ in spool.batches()]
            for i in range(columns):
                for (stored, _keys), column in zip(written, spool.column(i), strict=True):
                    np.testing.assert_array_equal(stored[i], column)
            for i in range(2):
                for (_stored, keys), column in zip(written, spool.keys(i), strict=True):
                    np.testing.assert_array_equal(keys[i], column)


def test_clear() -> None:
    """A cleared spool is as a new one; NaN and the largest key are kept."""
    with Spool(columns=1, keys=1) as spool:
        spool.write([np.array([1.0, 2.0])], [np.array([1, 2], dtype=np.uint64)])
        spool.clear()
        assert (0, []) == (spool.rows, list(spool.batches()))
        spool.write([np.array([np.nan])], [np.array([2**64 - 1], dtype=np.uint64)])
        assert np.isnan(next(spool.column(0))[0])
        assert [2**64 - 1] == next(spool.keys(0)).tolist()


def test_two_walks_at_once() -> None:
    """Two readers do not disturb each other."""
    with Spool(columns=1, keys=1) as spool:
        for i in range(5):
            spool.write([np.full(3, float(i))], [np.zeros(3, dtype=np.uint64)])
        assert [(i, i) for i in range(5)] == [
            (int(a[0]), int(b[0, 0])) for a, (_, b) in zip(spool.column(0), spool.batches(), strict=True)
        ]
