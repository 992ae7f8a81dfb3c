"""Bootstrap intervals: resampling weights, percentile intervals, and the paired difference of two classifiers."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
_CHUNK_CELLS = 2**21  # 16 MB of weights per chunk, so that a dozen temporaries of that size fit in memory
_MIN_CHUNK_RESAMPLES = 8  # sums over fewer resamples at once are slower per resample


@dataclass(frozen=True)
class Interval:
    """A value with its interval and the number of rows.

    Attributes
    ----------
    value, low, high
        All None if the value is undefined on these rows (for example, ROC AUC with one class); never NaN.
    n
        Number of rows.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int


def resample_weights(n: int, n_resamples: int, seed: int) -> Iterator[FloatArray]:
    """Yield how often each row is drawn in each bootstrap resample (n draws with replacement), in chunks of resamples.

    The same n and seed give the same resamples, so two classifiers evaluated on the same rows use the same resamples.

    Shape: (chunk, n) each, `n_resamples` rows in total
    """
    generator = np.random.default_rng(seed)
    chunk = max(_MIN_CHUNK_RESAMPLES, _CHUNK_CELLS // n)
    for start in range(0, n_resamples, chunk):
        size = min(chunk, n_resamples - start)
        drawn = generator.integers(0, n, size=(size, n))
        drawn += np.arange(size)[:, None] * n
        yield np.bincount(drawn.ravel(), minlength=size * n).reshape(size, n).astype(np.float64)


def percentile_interval(value: float, resampled: FloatArray, *, n: int, confidence_level: float) -> Interval:
    """Compute the percentile interval (Efron 1979) of a value. Resamples in which the value is undefined (NaN) are excluded."""
    defined = resampled[~np.isnan(resampled)]
    if np.isnan(value) or defined.size == 0:
        return Interval(None, None, None, n)
    tail = (1 - confidence_level) / 2
    low, high = np.quantile(defined, [tail, 1 - tail])
    return Interval(float(value), float(low), float(high), n)


def paired_difference(
    losses: NDArray[Any],
    other_losses: NDArray[Any],
    *,
    weight: FloatArray | None = None,
    n_resamples: int = 1000,
    seed: int,
    confidence_level: float = 0.95,
) -> Interval:
    """Compute by how much the mean of `losses` is below the mean of `other_losses` on the same rows.

    A positive value means that `losses` are lower, that is, better. Both must have the same order of rows. Shape: (n,) each

    Raises
    ------
    ValueError
        The two arrays do not have the same rows, or have none.

    Examples
    --------
    >>> difference = paired_difference(np.array([0.2, 0.4]), np.array([0.5, 0.7]), seed=0)
    >>> round(difference.value, 3), difference.n
    (0.3, 2)
    """
    if losses.shape != other_losses.shape or losses.ndim != 1 or losses.size == 0:
        raise ValueError(f"both losses must have Shape (n,), n >= 1, but have {losses.shape} and {other_losses.shape}")
    gain = np.asarray(other_losses, dtype=np.float64) - np.asarray(losses, dtype=np.float64)
    drawn = resample_weights(gain.size, n_resamples, seed)
    resampled = [weighted_mean(gain, times if weight is None else times * weight) for times in drawn]
    value = float(np.average(gain, weights=weight))
    return percentile_interval(value, np.concatenate(resampled), n=gain.size, confidence_level=confidence_level)


def weighted_mean(values: FloatArray, weights: FloatArray) -> FloatArray:
    """Compute the mean of values for each row of weights; NaN if all weights are 0. Shape: (n,), (m, n) -> (m,)"""
    # einsum instead of @: BLAS may add in a different order with a different number of threads
    return divide(np.einsum("rn,n->r", weights, values), weights.sum(axis=1))


def divide(numerator: FloatArray, denominator: FloatArray, *, otherwise: float = np.nan) -> FloatArray:
    """Return numerator / denominator, and `otherwise` where the denominator is 0."""
    result: FloatArray = np.full(np.broadcast(numerator, denominator).shape, otherwise)
    np.divide(numerator, denominator, out=result, where=denominator > 0)
    return result
