"""Differences of all metrics between two classifiers on the same rows, from a paired bootstrap."""

from typing import Any

from numpy.typing import NDArray

from veritable.metrics.intervals import Interval, percentile_interval
from veritable.metrics.metrics import METRICS, Resampled, resample_metrics


def paired_metrics(
    y_true: NDArray[Any],
    y_prob: NDArray[Any],
    y_pred: NDArray[Any],
    other_y_prob: NDArray[Any],
    other_y_pred: NDArray[Any],
    *,
    weight: NDArray[Any] | None = None,
    n_resamples: int = 1000,
    seed: int,
    confidence_level: float = 0.95,
) -> dict[str, Interval]:
    """Compute each metric of the first classifier minus that of the other, with the interval of the difference.

    Both are evaluated on the same resamples, so that the interval says how certain the difference is on these rows. The sign
    is that of the metric: a positive difference is better, except for log loss and Brier score.

    Parameters
    ----------
    y_true
        Class codes, 0 to K - 1. Shape: (n,)
    y_prob, other_y_prob
        Probabilities of both classifiers, with the same rows and classes in the same order. Shape: (n, K) each
    y_pred, other_y_pred
        Predicted class codes. Shape: (n,) each
    weight
        Weight of each row; None: all weights are 1. Shape: (n,)

    Raises
    ------
    ValueError
        The shapes do not match, there is no row, a code is out of range or a probability is invalid.
    UserError
        A weight is negative or not finite, or all are 0.
    """
    if y_prob.shape != other_y_prob.shape:
        raise ValueError(f"both y_prob must have the same Shape, but have {y_prob.shape} and {other_y_prob.shape}")
    own, other = (
        resample_metrics(y_true, *predicted, weight=weight, n_resamples=n_resamples, seed=seed)
        for predicted in ((y_prob, y_pred), (other_y_prob, other_y_pred))
    )
    return subtract(own, other, confidence_level)


def subtract(own: Resampled, other: Resampled, confidence_level: float) -> dict[str, Interval]:
    """Compute each metric of one classifier minus that of another.

    The intervals are paired if both have the same rows and resamples. A difference is None where one of the metrics is
    undefined. Resamples in which one of them is undefined are excluded.
    """
    return {
        name: percentile_interval(
            own.values[name] - other.values[name],
            own.resampled[name] - other.resampled[name],
            n=min(own.n, other.n),
            confidence_level=confidence_level,
        )
        for name in METRICS
    }
