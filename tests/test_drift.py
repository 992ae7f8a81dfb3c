"""Whether two histograms are of the same distribution."""

import numpy as np
import pytest
from scipy.stats import chi2_contingency

from veritable.metrics.drift import adjust_p, homogeneity_test


@pytest.mark.parametrize("seed", range(5))
def test_agrees_with_scipy(seed: int) -> None:
    """Where each bin has enough rows, the p-value is that of scipy's chi2_contingency."""
    draw = np.random.default_rng(seed)
    first, second = draw.integers(30, 200, 7), draw.integers(30, 200, 7)
    assert chi2_contingency([first, second], correction=False).pvalue == pytest.approx(homogeneity_test(first, second))


def test_rare_bins_are_joined() -> None:
    """Bins with too few expected rows are joined with their neighbors, as scipy would test them by hand."""
    first, second = np.array([1, 99, 0, 100, 2]), np.array([0, 60, 1, 40, 0])
    by_hand = chi2_contingency([[100, 102], [60, 41]], correction=False).pvalue
    assert by_hand == pytest.approx(homogeneity_test(first, second))


def test_false_alarms() -> None:
    """With few rows and rare bins, one test in a hundred of the same distribution has a p-value below 0.01."""
    draw, share = np.random.default_rng(0), np.array([0.001, *[0.05] * 19, 0.04, 0.005, 0.004])
    p = [homogeneity_test(draw.multinomial(600, share), draw.multinomial(30, share)) for _ in range(4000)]
    assert 0.01 == pytest.approx(np.mean(np.array(p) < 0.01), abs=0.006)


@pytest.mark.parametrize(("first", "second"), [([0, 0], [3, 4]), ([3, 4], [0, 0]), ([50, 0], [9, 0]), ([900], [30])])
def test_nothing_to_test(first: list[int], second: list[int]) -> None:
    """Without rows or with one value there is no evidence: the p-value is 1."""
    assert 1.0 == homogeneity_test(np.array(first), np.array(second))


def test_holm() -> None:
    """The correction multiplies the smallest p-value by their number, the next by one less, and keeps their order."""
    assert [0.5, 0.04, 0.09] == pytest.approx(adjust_p([0.5, 0.01 / 0.75, 0.045]))
    assert [1.0, 1.0] == adjust_p([0.9, 0.8])
    assert [] == adjust_p([])
