"""A number with its bootstrap interval: resampling weights, percentiles and the paired difference of two classifiers."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
_CELLS_PER_CHUNK = 2**21  # 16 MB of weights: a dozen temporaries of it are no burden
_LEAST_PER_CHUNK = 8  # resamples: sums over fewer at once take longer each


@dataclass(frozen=True)
class Interval:
    """A value with its interval and the rows that it was computed on.

    Attributes
    ----------
    value, low, high
        All None where the value is undefined on these rows (ROC AUC of one class, say); never NaN.
    n
        Rows.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int


def resample_weights(n: int, resamples: int, seed: int) -> Iterator[FloatArray]:
    """Yield how often each row was drawn in each bootstrap resample (n draws with replacement), in chunks.

    Shape (some, n) each, `resamples` rows in all. The same n and seed give the same resamples, so that
    two classifiers judged on the same rows are judged on the same resamples of them.
    """
    generator = np.random.default_rng(seed)
    chunk = max(_LEAST_PER_CHUNK, _CELLS_PER_CHUNK // n)
    for start in range(0, resamples, chunk):
        size = min(chunk, resamples - start)
        drawn = generator.integers(0, n, size=(size, n))
        drawn += np.arange(size)[:, None] * n
        yield np.bincount(drawn.ravel(), minlength=size * n).reshape(size, n).astype(np.float64)


def percentile_interval(value: float, resampled: FloatArray, *, n: int, confidence: float) -> Interval:
    """The percentile interval (Efron 1979) of a value; resamples in which it was undefined (NaN) are left out."""
    defined = resampled[~np.isnan(resampled)]
    if np.isnan(value) or defined.size == 0:
        return Interval(None, None, None, n)
    tail = (1 - confidence) / 2
    low, high = np.quantile(defined, [tail, 1 - tail])
    return Interval(float(value), float(low), float(high), n)


def paired_difference(
    losses: NDArray[Any],
    other_losses: NDArray[Any],
    *,
    weight: FloatArray | None = None,
    resamples: int = 1000,
    seed: int,
    confidence: float = 0.95,
) -> Interval:
    """How much lower `losses` are than `other_losses` on average, over the same rows.

    Positive: `losses` are lower, that is, better. Both Shape (n,), in the same order of rows.

    Raises
    ------
    ValueError
        The two do not cover the same rows, or none.
    """
    if losses.shape != other_losses.shape or losses.ndim != 1 or losses.size == 0:
        raise ValueError(f"both losses must have Shape (n,), n >= 1, however: {losses.shape} and {other_losses.shape}")
    gain = np.asarray(other_losses, dtype=np.float64) - np.asarray(losses, dtype=np.float64)
    drawn = resample_weights(gain.size, resamples, seed)
    resampled = [weighted_mean(gain, times if weight is None else times * weight) for times in drawn]
    value = float(np.average(gain, weights=weight))
    return percentile_interval(value, np.concatenate(resampled), n=gain.size, confidence=confidence)


def weighted_mean(values: FloatArray, weights: FloatArray) -> FloatArray:
    """Mean of values, Shape (n,), under each row of weights, Shape (resamples, n): Shape (resamples,); NaN where all are 0."""
    # einsum and not @: BLAS may add in another order with another number of threads, and the same inputs give the same bytes
    return divide(np.einsum("rn,n->r", weights, values), weights.sum(axis=1))


def divide(numerator: FloatArray, denominator: FloatArray, *, otherwise: float = np.nan) -> FloatArray:
    """numerator / denominator, and `otherwise` where the denominator is 0."""
    result: FloatArray = np.full(np.broadcast(numerator, denominator).shape, otherwise)
    np.divide(numerator, denominator, out=result, where=denominator > 0)
    return result
