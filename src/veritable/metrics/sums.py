"""Sums of rows' weights by group, under many weightings at once: what the bootstrap spends its time on."""

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_array

from veritable.metrics.intervals import FloatArray


class GroupSums:
    """Rows in groups, so that every group's weights are summed by one pass over the rows.

    A sparse product adds whole vectors, a number per weighting, in the order of the rows: several times as fast as
    `np.add.reduceat` or `np.bincount` weighting by weighting, and the same bits each time.

    Parameters
    ----------
    group
        Number of each row's group, from 0; a group may be empty. Shape (n,).
    """

    def __init__(self, group: NDArray[Any], n_groups: int) -> None:
        ones, starts = _one_per_row(len(group))
        self._matrix = csc_array((ones, group.astype(np.int32), starts), shape=(n_groups, len(group)), copy=False)

    def of(self, weights: FloatArray) -> FloatArray:
        """Weights of each group. Shape (n, m) -> (n_groups, m)."""
        sums: FloatArray = self._matrix @ weights
        return sums


@lru_cache(maxsize=1)
def _one_per_row(n: int) -> tuple[FloatArray, NDArray[np.int32]]:
    """Values and column starts of a matrix with a single 1 in each of n columns; all classes' groups share them."""
    return np.ones(n), np.arange(n + 1, dtype=np.int32)
