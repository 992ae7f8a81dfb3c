"""Checks of the arrays that metrics are computed from."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from veritable.errors import UserError
from veritable.metrics.intervals import FloatArray


def check_probabilities(y_true: NDArray[Any], y_prob: NDArray[Any]) -> tuple[NDArray[np.intp], FloatArray]:
    """Return codes and probabilities as integers and float64. Shape: y_true (n,), y_prob (n, K)

    Raises
    ------
    ValueError
        The shapes do not match, there is no row, a code is out of range or a row does not hold probabilities.
    """
    y_prob = np.asarray(y_prob, dtype=np.float64)
    if y_prob.ndim != 2 or y_prob.shape[0] < 1 or y_prob.shape[1] < 2:
        raise ValueError(f"y_prob must have Shape (n, K) with n >= 1 and K >= 2, but has {y_prob.shape}")
    if not (np.isfinite(y_prob).all() and y_prob.min() >= 0 and np.allclose(y_prob.sum(axis=1), 1, atol=1e-4)):
        raise ValueError("each row of y_prob must hold probabilities that sum to 1, but some row does not")
    return check_codes("y_true", y_true, n=y_prob.shape[0], n_classes=y_prob.shape[1]), y_prob


def check_codes(name: str, codes: NDArray[Any], *, n: int, n_classes: int) -> NDArray[np.intp]:
    """Return class codes as integers. Shape: (n,)

    Raises
    ------
    ValueError
        The shape or the type is wrong, or a code is out of range.
    """
    codes = np.asarray(codes)
    if codes.shape != (n,) or codes.dtype.kind not in "iu":
        raise ValueError(f"{name} must be integers of Shape ({n},), but is {codes.dtype} of Shape {codes.shape}")
    if codes.min() < 0 or codes.max() >= n_classes:
        raise ValueError(f"{name} must be codes from 0 to {n_classes - 1}, but is {codes.min()} to {codes.max()}")
    return codes.astype(np.intp)


def check_weight(weight: NDArray[Any] | None, n: int) -> FloatArray:
    """Return weights as float64; None becomes ones. Shape: (n,)

    Raises
    ------
    ValueError
        The shape is wrong.
    UserError
        A weight is negative or not finite, or all are 0.
    """
    if weight is None:
        return np.ones(n)
    weight = np.asarray(weight, dtype=np.float64)
    if weight.shape != (n,):
        raise ValueError(f"weight must have Shape ({n},), but has {weight.shape}")
    if not (np.isfinite(weight).all() and weight.min() >= 0 and weight.max() > 0):
        raise UserError(
            f"the weights of a part must be finite, at least 0 and not all 0, but they range from {weight.min():g} to "
            f"{weight.max():g} ({n:,} rows). Check the column data.weight."
        )
    return weight
