"""64-bit hashes of numbers, the same on every machine: for telling rows apart and for drawing without a generator's state."""

import zlib

import numpy as np

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def mix(bits: np.ndarray) -> np.ndarray:
    """splitmix64 (Steele, Lea & Flood 2014, "Fast splittable pseudorandom number generators"). Shape: (n,) uint64"""
    z = bits + _GOLDEN
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(z ^ (z >> np.uint64(31)))


def of_numbers(values: np.ndarray) -> np.ndarray:
    """Equal numbers have equal hashes, and so have all NaN. Shape: (n,) float64 -> (n,) uint64"""
    plain = values + 0.0  # -0.0 + 0.0 is 0.0
    plain[np.isnan(plain)] = np.nan  # there are many of them
    return mix(plain.view(np.uint64))


def of_text(text: str) -> np.uint64:
    """One text as a key."""
    return np.uint64(zlib.crc32(text.encode("utf-8", "surrogatepass")) | len(text) << 32)
