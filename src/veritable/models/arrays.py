"""Read arrays from safetensors, and check all that compiled code relies on: names, types, shapes, finite values."""

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load

from veritable.tables.encoding.encoder import Encoder

Arrays = dict[str, np.ndarray]


def load_arrays(data: bytes, forms: dict[str, str], **sizes: int) -> Arrays:
    """Return the arrays of a file.

    Parameters
    ----------
    forms
        Type and named axes of each array, such as "float32 rows width". Equal names have equal sizes.
    sizes
        Sizes of axes that are known beforehand.

    Raises
    ------
    ValueError
        The file is damaged, an array is absent or unknown, has another type or shape, or holds a number that is not finite.
    """
    try:
        arrays: Arrays = load(data)
    except (SafetensorError, KeyError, ValueError, TypeError) as error:  # KeyError: a type that numpy does not have
        raise ValueError(f"must hold arrays in the format safetensors, but is damaged: {error}") from None
    if set(arrays) != set(forms):
        raise ValueError(f"must hold the arrays {', '.join(sorted(forms))}, but holds {', '.join(sorted(arrays)) or 'none'}")
    for name, form in forms.items():
        dtype, *axes = form.split()
        array = arrays[name]
        sizes |= {axis: size for axis, size in zip(axes, array.shape, strict=False) if axis not in sizes}
        expected = tuple(sizes.get(axis, 0) for axis in axes)
        if array.dtype != dtype or array.shape != expected:
            raise ValueError(f"must hold {name} as {dtype} of Shape {expected}, but holds {array.dtype} of Shape {array.shape}")
        if dtype.startswith("float") and not np.isfinite(array).all():
            raise ValueError(f"must hold finite numbers, but {name} holds {array[~np.isfinite(array)][0]}")
    return arrays


def check_rows(X: np.ndarray, y: np.ndarray, encoder: Encoder, n_classes: int) -> None:
    """Check encoded rows and their class codes. Shape: (n, width) float32, (n,) int64

    Raises
    ------
    ValueError
        A category or a class has a code that does not exist.
    """
    codes = encoder.cardinalities
    coded = X[:, codes > 0]
    if ((coded < 0) | (coded >= codes[codes > 0]) | (coded != np.floor(coded))).any():
        raise ValueError("must hold codes that the encoder has, but a category has another one")
    if ((y < 0) | (y >= n_classes)).any():
        raise ValueError(f"must hold classes from 0 to {n_classes - 1}, but holds others")


def check_cardinalities(stored: np.ndarray, expected: np.ndarray) -> None:
    """Check that a member was fitted on the same encoded columns. Shape: (width,) each

    Raises
    ------
    ValueError
        It was not.
    """
    if (stored != expected).any():
        raise ValueError("must hold the numbers of codes that the encoder has, but holds others")
