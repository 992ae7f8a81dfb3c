"""64-bit hashes of numbers, the same on every machine: for telling rows apart and for drawing without a generator's state."""

import zlib

import numpy as np

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_STEPS = ((np.uint64(30), np.uint64(0xBF58476D1CE4E5B9)), (np.uint64(27), np.uint64(0x94D049BB133111EB)), (np.uint64(31), None))
_CACHED = 2**13  # values that the processor keeps at hand from one step to the next: three times as fast


def mix(bits: np.ndarray) -> np.ndarray:
    """splitmix64 (Steele, Lea & Flood 2014, "Fast splittable pseudorandom number generators"). Shape: (n,) uint64"""
    mixed = bits + _GOLDEN
    shifted = np.empty(min(len(mixed), _CACHED), dtype=np.uint64)
    for start in range(0, len(mixed), _CACHED):
        z = mixed[start : start + _CACHED]
        for shift, factor in _STEPS:
            z ^= np.right_shift(z, shift, out=shifted[: len(z)])
            if factor is not None:
                z *= factor
    return mixed


def of_numbers(values: np.ndarray) -> np.ndarray:
    """Equal numbers have equal hashes, and so have all NaN. Shape: (n,) float64 -> (n,) uint64"""
    plain = values + 0.0  # -0.0 + 0.0 is 0.0
    missing = np.isnan(plain)
    if missing.any():
        plain[missing] = np.nan  # there are many of them
    return mix(plain.view(np.uint64))


def of_text(text: str) -> np.uint64:
    """One text as a key."""
    return np.uint64(zlib.crc32(text.encode("utf-8", "surrogatepass")) | len(text) << 32)
