"""ROC AUC and average precision of one score under many weights at once."""

import numpy as np
from numpy.typing import NDArray

from veritable.evaluation.counts import divide
from veritable.evaluation.intervals import FloatArray


class Ranking:
    """Rows in falling order of their score, ties together, sorted once for all resamples.

    Parameters
    ----------
    positive
        Whether the row is of the class. Shape (n,).
    score
        Higher means likelier of the class. Shape (n,).
    """

    def __init__(self, positive: NDArray[np.bool_], score: FloatArray) -> None:
        self._order = np.argsort(-score, kind="stable")
        self._positive = positive[self._order].astype(np.float64)
        falling = score[self._order]
        self._ties = np.flatnonzero(np.r_[True, falling[1:] != falling[:-1]])  # where each group of equal scores begins

    def measure(self, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
        """ROC AUC and average precision under each row of weights, Shape (resamples, n): Shape (resamples,) each.

        NaN where they are undefined: both where no weight is on the class, ROC AUC also where all of it is.
        """
        weights = weights[:, self._order]
        positive = weights * self._positive
        if self._ties.size < self._order.size:
            weights = np.add.reduceat(weights, self._ties, axis=1)
            positive = np.add.reduceat(positive, self._ties, axis=1)
        negative = weights - positive
        positive_so_far = np.cumsum(positive, axis=1)
        negative_so_far = np.cumsum(negative, axis=1)
        positives, negatives = positive_so_far[:, -1], negative_so_far[:, -1]

        outranked = negatives[:, None] - negative_so_far + negative / 2
        roc_auc = divide((positive * outranked).sum(axis=1), positives * negatives)

        predicted = positive_so_far + negative_so_far
        precision = positive_so_far / np.maximum(predicted, np.finfo(np.float64).tiny)
        average_precision = divide((positive * precision).sum(axis=1), positives)
        return roc_auc, average_precision
