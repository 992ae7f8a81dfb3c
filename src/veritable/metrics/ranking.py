"""ROC AUC and average precision of one score for many weightings at once."""

import numpy as np
from numpy.typing import NDArray

from veritable.metrics.intervals import FloatArray, divide
from veritable.metrics.sums import GroupSums


class Ranking:
    """Rows in descending order of their score, sorted once for all resamples.

    For each row of the class, both metrics need the weight of the other rows above it and of those with the same score. The
    rows are therefore put into groups that no weighting can separate: for each score of a row of the class, the other rows and
    the rows of the class form one group each; all rows between two such scores form another group.

    Parameters
    ----------
    positive
        Whether a row belongs to the class. Shape: (n,)
    score
        Score of a row; a higher score makes the class more likely. Shape: (n,)
    """

    def __init__(self, positive: NDArray[np.bool_], score: FloatArray) -> None:
        order = np.lexsort((positive, -score))  # among equal scores, rows of the class come last
        positive, falling = positive[order], score[order]
        tie = np.cumsum(np.r_[0, falling[1:] != falling[:-1]])
        decisive = np.bincount(tie, weights=positive) > 0  # ties that contain a row of the class
        begins = np.r_[True, (tie[1:] != tie[:-1]) & (decisive[tie[1:]] | decisive[tie[:-1]])]
        begins[1:] |= positive[1:] != positive[:-1]
        group = np.empty(len(order), dtype=np.int32)
        group[order] = np.cumsum(begins) - 1
        self._sums = GroupSums(group, int(begins.sum()))
        first = np.flatnonzero(begins)
        self._positive = np.flatnonzero(positive[first])  # groups of the class
        self._level = (self._positive > 0) & (tie[first[self._positive]] == tie[first[self._positive - 1]])

    def measure(self, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Compute ROC AUC and average precision for each column of weights. Shape: (n, m) -> (m,) each

        Both are NaN if the class has no weight; ROC AUC is also NaN if the other rows have none.
        """
        sums = self._sums.compute(weights)
        positive = sums[self._positive]
        level = np.where(self._level[:, None], sums[self._positive - 1], 0.0)  # other rows with the same score
        sums[self._positive] = 0
        np.cumsum(sums, axis=0, out=sums)
        negatives, negative_so_far = sums[-1], sums[self._positive]
        positive_so_far = np.cumsum(positive, axis=0)
        positives = positive.sum(axis=0)

        outranked = negatives - negative_so_far + level / 2
        roc_auc = divide((positive * outranked).sum(axis=0), positives * negatives)

        predicted = positive_so_far + negative_so_far
        precision = positive_so_far / np.maximum(predicted, np.finfo(np.float64).tiny)
        average_precision = divide((positive * precision).sum(axis=0), positives)
        return roc_auc, average_precision
