"""Metrics of predicted classes, computed from the margins of a confusion matrix.

The bootstrap, the choice of a threshold and the threshold curves all use this table of functions.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from veritable.metrics.intervals import FloatArray, divide


@dataclass(frozen=True)
class Counts:
    """Weighted row counts per class for m confusion matrices at once.

    Attributes
    ----------
    hits
        Rows of the class that are predicted as the class. Shape: (m, K)
    actual
        Rows of the class. Shape: (m, K)
    predicted
        Rows predicted as the class. Shape: (m, K)
    """

    hits: FloatArray
    actual: FloatArray
    predicted: FloatArray


def accuracy(counts: Counts) -> FloatArray:
    """Compute the share of rows predicted correctly. Shape: (m,)"""
    return divide(counts.hits.sum(axis=1), counts.actual.sum(axis=1))


def balanced_accuracy(counts: Counts) -> FloatArray:
    """Compute the mean recall over the classes present. Shape: (m,)"""
    return mean_where(divide(counts.hits, counts.actual), counts.actual > 0)


def precision(counts: Counts) -> FloatArray:
    """Compute the share of hits among the rows predicted as the class; 0 if there are none. Shape: (m,)"""
    return _over_classes(divide(counts.hits, counts.predicted, otherwise=0.0), counts)


def recall(counts: Counts) -> FloatArray:
    """Compute the share of hits among the rows of the class. Shape: (m,)"""
    return _over_classes(divide(counts.hits, counts.actual), counts)


def f1(counts: Counts) -> FloatArray:
    """Compute the harmonic mean of precision and recall. Shape: (m,)"""
    return _over_classes(divide(2 * counts.hits, counts.actual + counts.predicted), counts)


def mcc(counts: Counts) -> FloatArray:
    """Compute Matthews' correlation coefficient; NaN if one class is present, 0 if one class is predicted. Shape: (m,)

    For K classes: Gorodkin (2004), "Comparing two K-category assignments by a K-category correlation coefficient".
    """
    total = counts.actual.sum(axis=1)
    covariance = counts.hits.sum(axis=1) * total - (counts.actual * counts.predicted).sum(axis=1)
    actual_variance = total**2 - (counts.actual**2).sum(axis=1)
    predicted_variance = total**2 - (counts.predicted**2).sum(axis=1)
    several_actual = (counts.actual > 0).sum(axis=1) > 1
    several_predicted = (counts.predicted > 0).sum(axis=1) > 1
    scale = np.sqrt(np.maximum(actual_variance, 0)) * np.sqrt(np.maximum(predicted_variance, 0))
    return np.where(several_actual, divide(covariance, np.where(several_predicted, scale, 0.0), otherwise=0.0), np.nan)


COUNT_METRICS: dict[str, Callable[[Counts], FloatArray]] = {
    "accuracy": accuracy,
    "balanced_accuracy": balanced_accuracy,
    "precision": precision,
    "recall": recall,
    "f1": f1,
    "mcc": mcc,
}


def mean_where(values: FloatArray, where: NDArray[np.bool_]) -> FloatArray:
    """Compute the mean of each row over the marked columns; NaN if none is marked. Shape: (m, K) -> (m,)"""
    return divide(np.where(where, values, 0.0).sum(axis=1), where.sum(axis=1).astype(np.float64))


def _over_classes(per_class: FloatArray, counts: Counts) -> FloatArray:
    """Return the value of the positive class if there are two classes, otherwise the mean over the classes present."""
    present = counts.actual > 0
    return mean_where(per_class[:, 1:], present[:, 1:]) if per_class.shape[1] == 2 else mean_where(per_class, present)
