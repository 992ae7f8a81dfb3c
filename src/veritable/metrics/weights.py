"""Weights of rows, where data.weight names a column of them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from veritable.errors import UserError
from veritable.metrics.intervals import FloatArray


def check_weight(weight: NDArray[Any] | None, n: int) -> FloatArray:
    """Weights as float64, checked; all 1 for None. Shape (n,).

    Raises
    ------
    ValueError
        The shape is another.
    UserError
        A weight is below 0 or not finite, or all are 0.
    """
    if weight is None:
        return np.ones(n)
    weight = np.asarray(weight, dtype=np.float64)
    if weight.shape != (n,):
        raise ValueError(f"weight must have Shape ({n},), however: shape={weight.shape}")
    if not (np.isfinite(weight).all() and weight.min() >= 0 and weight.max() > 0):
        raise UserError(
            "the weights of a part must be finite, not below 0 and not all 0, however they run from "
            f"{weight.min():g} to {weight.max():g} ({n:,} rows). Check the column that data.weight names in params.yaml."
        )
    return weight
