"""Shares of rows with score intervals, which hold for few rows and for shares of 0 and 1, where the bootstrap has no width."""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from veritable.metrics.intervals import FloatArray, Interval, divide

Z_95 = 1.959963984540054  # quantile of the normal distribution for a 95 % interval


@dataclass(frozen=True)
class Shares:
    """Weighted shares of k sets of rows.

    Attributes
    ----------
    value
        Share of the weight of the set; NaN without weight. Shape: (k,)
    effective
        Kish's effective number of rows, which is the number of rows if their weights are equal. Shape: (k,)
    rows
        Number of rows with weight. Shape: (k,)
    """

    value: FloatArray
    effective: FloatArray
    rows: NDArray[np.int64]

    @classmethod
    def of_groups(cls, marked: NDArray[np.bool_], group: NDArray[Any], n_groups: int, weight: FloatArray) -> Self:
        """Compute the share of marked rows in each group. Shape: (n,) each"""
        total, squares, rows = weigh_groups(group, n_groups, weight)
        return cls.from_sums(sum_by_group(weight * marked, group, n_groups), total, squares, rows)

    @classmethod
    def from_sums(cls, marked: FloatArray, total: FloatArray, squares: FloatArray, rows: NDArray[np.int64]) -> Self:
        """Compute shares from sums of weights: of the marked rows, of all rows, and of their squares. Shape: (k,) each"""
        return cls(divide(marked, total), effective_rows(total, squares), rows)

    def limits(self, z: float) -> tuple[FloatArray, FloatArray]:
        """Compute the ends of Wilson's interval; NaN where the share is undefined. Shape: (k,) each"""
        return wilson_interval(self.value, np.where(self.effective > 0, self.effective, np.nan), z)

    def intervals(self, confidence_level: float, transform: Callable[[Any], Any] = lambda share: share) -> list[Interval]:
        """Return the interval of each share, or of an increasing function of it."""
        low, high = self.limits(normal_quantile(confidence_level))
        return make_intervals(transform(self.value), transform(low), transform(high), self.rows)


def weigh_groups(group: NDArray[Any], n_groups: int, weight: FloatArray) -> tuple[FloatArray, FloatArray, NDArray[np.int64]]:
    """Sum the weights of each group, their squares, and count the rows with weight. Shape: (n,) -> (n_groups,) each"""
    total, squares = (sum_by_group(each, group, n_groups) for each in (weight, np.square(weight)))
    return total, squares, np.bincount(group[weight > 0], minlength=n_groups)


def sum_by_group(values: FloatArray, group: NDArray[Any], n_groups: int) -> FloatArray:
    """Sum the values of each group. Shape: (n,), (n,) -> (n_groups,)"""
    return np.bincount(group, weights=values, minlength=n_groups).astype(np.float64)


def effective_rows(total: FloatArray, squares: FloatArray) -> FloatArray:
    """Compute the effective number of rows, Kish (1965), from the sums of their weights and of their squares. Shape: (k,)"""
    return divide(total**2, squares, otherwise=0.0)


def make_intervals(value: FloatArray, low: FloatArray, high: FloatArray, rows: NDArray[np.int64]) -> list[Interval]:
    """Return intervals from arrays; None where the value is NaN. Shape: (k,) each"""
    return [
        Interval(None, None, None, int(n)) if np.isnan(own) else Interval(float(own), float(bottom), float(top), int(n))
        for own, bottom, top, n in zip(value, low, high, rows, strict=True)
    ]


def normal_quantile(confidence_level: float, comparisons: int = 1) -> float:
    """Return the half width, in standard errors, of intervals that hold together by Bonferroni's correction.

    >>> round(normal_quantile(0.95), 2), round(normal_quantile(0.95, comparisons=10), 2)
    (1.96, 2.81)
    """
    return NormalDist().inv_cdf(1 - (1 - confidence_level) / (2 * comparisons))


def wilson_interval(share: FloatArray, rows: NDArray[Any], z: float = Z_95) -> tuple[FloatArray, FloatArray]:
    """Compute the score interval of a share, Wilson (1927). It lies within [0, 1] and is never empty. Any shape.

    Of no rows, it is from 0 to 1.
    """
    spread = rows + z**2
    center = (share * rows + z**2 / 2) / spread
    half = z * np.sqrt(share * (1 - share) * rows + z**2 / 4) / spread
    return np.clip(center - half, 0, 1), np.clip(center + half, 0, 1)
