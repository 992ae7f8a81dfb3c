"""The sample of new rows does not depend on the batches."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from veritable.serving.checking.sample import RowSample


@given(st.lists(st.integers(0, 300), min_size=1, max_size=6), st.integers(1, 200))
def test_batches_do_not_matter(sizes: list[int], max_rows: int) -> None:
    """The sample is the same whatever the batches, has the wanted size, and keeps the columns of a row together."""
    rows = np.arange(sum(sizes))
    one, many = RowSample.empty(max_rows, 3), RowSample.empty(max_rows, 3)
    one.add(rows, {"X": rows[:, None] * 2.0, "y": rows})
    for piece in np.split(rows, np.cumsum(sizes)[:-1]):
        many.add(piece, {"X": piece[:, None] * 2.0, "y": piece})
    assert min(max_rows, len(rows)) == len(one)
    for name in ("X", "y"):
        np.testing.assert_array_equal(one.columns[name], many.columns[name])
    np.testing.assert_array_equal(one.columns["y"] * 2.0, one.columns["X"][:, 0])


def test_uniform() -> None:
    """All rows are equally likely, so the mean row number is near the middle."""
    sample, rows = RowSample.empty(2_000, 0), np.arange(100_000)
    sample.add(rows, {"y": rows})
    assert abs(sample.columns["y"].mean() - 50_000) < 5 * 100_000 / (12 * 2_000) ** 0.5
