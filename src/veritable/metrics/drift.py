"""Are two histograms of the same distribution? A test, and its correction for many columns."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

_EXPECTED = 5.0  # rows of a bin from which the chi-squared distribution is close enough (Cochran 1954)


def homogeneity_test(first: NDArray[Any], second: NDArray[Any]) -> float:
    """Return the p-value of Pearson's chi-squared test that two histograms have the same distribution.

    Adjacent bins are joined until each has five expected rows in the smaller histogram; with fewer, the test would reject far
    too often. If one bin remains, nothing can be tested, and the p-value is 1.

    Shape: (bins,) counts each

    Examples
    --------
    >>> round(homogeneity_test(np.array([50, 50]), np.array([70, 30])), 4)
    0.0039
    >>> homogeneity_test(np.array([50, 50]), np.array([2, 0]))
    1.0
    """
    counts = np.stack([first, second]).astype(np.float64)
    rows = counts.sum(axis=1)
    if not rows.all():
        return 1.0
    share = counts.sum(axis=0) / rows.sum()
    starts, expected = [0], 0.0
    for i, own in enumerate(share * rows.min()):
        if expected >= _EXPECTED:
            starts.append(i)
            expected = 0.0
        expected += float(own)
    if expected < _EXPECTED and len(starts) > 1:
        starts.pop()
    if len(starts) == 1:
        return 1.0
    joined = np.add.reduceat(counts, starts, axis=1)
    means = rows[:, None] * np.add.reduceat(share, starts)
    return float(chi2.sf((np.square(joined - means) / means).sum(), len(starts) - 1))


def adjust_p(p: Sequence[float]) -> list[float]:
    """Return p-values corrected for their number (Holm 1979): the probability of any false alarm stays at the level.

    Examples
    --------
    >>> [round(each, 4) for each in adjust_p([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p, kind="stable")
    factors = np.arange(len(order), 0, -1)
    adjusted = np.empty(len(order))
    adjusted[order] = np.minimum(np.maximum.accumulate(np.asarray(p)[order] * factors), 1.0)
    return [float(each) for each in adjusted]
