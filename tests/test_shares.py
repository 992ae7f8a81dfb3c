"""Shares of rows with score intervals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from veritable.metrics.shares import Shares, normal_quantile, wilson_interval


@given(st.integers(0, 40), st.integers(1, 40), st.sampled_from([0.8, 0.95, 0.99]))
def test_the_wilson_interval_is_scipys(hits, rows, level):
    """The interval is the one that scipy computes with method="wilson"."""
    hits = min(hits, rows)
    expected = stats.binomtest(hits, rows).proportion_ci(level, method="wilson")
    low, high = wilson_interval(np.array([hits / rows]), np.array([rows]), normal_quantile(level))
    assert (expected.low, expected.high) == pytest.approx((low[0], high[0]), abs=1e-12)


def test_each_group_has_its_own_share():
    """The share of a group is the weight of its marked rows, over that of all its rows."""
    marked = np.array([True, False, True, True])
    shares = Shares.of_groups(marked, np.array([0, 0, 1, 0]), 3, np.array([1.0, 2.0, 5.0, 0.0]))
    assert [1 / 3, 1.0] == pytest.approx(shares.value[:2].tolist())
    assert [2, 1, 0] == shares.rows.tolist()


def test_a_group_without_rows_has_no_share():
    """A share without rows is None, as are its ends."""
    shares = Shares.of_groups(np.array([True]), np.array([1]), 2, np.ones(1))
    empty, full = shares.intervals(0.95)
    assert (None, None, None, 0) == (empty.value, empty.low, empty.high, empty.n)
    assert 0 < full.low < full.value == full.high == 1.0


def test_unequal_weights_widen_the_interval():
    """Weights that differ leave fewer effective rows: (1 + 3)^2 / (1 + 9) = 1.6 instead of 2."""
    group, marked = np.zeros(2, dtype=int), np.array([True, False])
    assert 1.6 == pytest.approx(Shares.of_groups(marked, group, 1, np.array([1.0, 3.0])).effective[0])
    assert 2.0 == pytest.approx(Shares.of_groups(marked, group, 1, np.array([7.0, 7.0])).effective[0])


def test_comparisons_are_corrected():
    """Intervals for ten comparisons at 95 % are those for one at 99.5 %."""
    assert normal_quantile(0.995) == pytest.approx(normal_quantile(0.95, comparisons=10))
