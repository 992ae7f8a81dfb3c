"""Are two histograms of the same distribution? A test, and its correction for many columns."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from veritable.metrics.intervals import FloatArray

_EXPECTED = 5.0  # counts from which the chi-squared distribution is close enough (Cochran 1954)
_DRAWS = (999, 99_999)  # of permuted rows; the second only if the first leave the p-value below:
_UNDECIDED = 0.05
_CHUNK_DRAWS = 10_000


def homogeneity_test(first: NDArray[Any], second: NDArray[Any], *, seed: int) -> float:
    """Return the p-value of Pearson's chi-squared test that two histograms have the same distribution.

    With small counts, the distribution of the statistic is drawn by permuting the rows, because the chi-squared distribution
    would then reject far too often. Histograms without rows, or with a single bin in use, give 1.

    Shape: (bins,) counts each

    Examples
    --------
    >>> round(homogeneity_test(np.array([50, 50]), np.array([70, 30]), seed=0), 4)
    0.0039
    """
    used = (first + second) > 0
    counts = np.stack([first[used], second[used]]).astype(np.int64)
    rows, total = counts.sum(axis=1), counts.sum(axis=0)
    n_bins = len(total)
    if n_bins < 2 or not rows.all():
        return 1.0
    share = total / total.sum()
    found = _statistic(counts[1][None], rows, share)[0]
    if rows.min() * share.min() >= _EXPECTED:
        return float(chi2.sf(found, n_bins - 1))
    p = 1.0
    for draws in _DRAWS:
        p = _permutation_p(found, total, rows, share, draws, seed)
        if p >= _UNDECIDED:
            break
    return p


def _statistic(second: NDArray[np.int64], rows: NDArray[np.int64], share: FloatArray) -> FloatArray:
    """Return Pearson's statistic for counts of the second histogram, given the sums of both. Shape: (m, bins) -> (m,)"""
    # both rows deviate from their expected counts by the same amount
    found: FloatArray = (np.square(second - rows[1] * share) / share).sum(axis=1) * (1 / rows[0] + 1 / rows[1])
    return found


def _permutation_p(
    found: float, total: NDArray[np.int64], rows: NDArray[np.int64], share: FloatArray, draws: int, seed: int
) -> float:
    generator, extreme = np.random.default_rng(seed), 0
    for start in range(0, draws, _CHUNK_DRAWS):
        size = min(_CHUNK_DRAWS, draws - start)
        drawn = generator.multivariate_hypergeometric(total, int(rows[1]), size=size, method="marginals")
        extreme += int((_statistic(drawn, rows, share) >= found * (1 - 1e-12)).sum())
    return (1 + extreme) / (1 + draws)


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
