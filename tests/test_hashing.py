"""Hashes are the same on every machine, and evenly distributed."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from veritable.tables.splitting import hashing


def test_mix_is_splitmix64() -> None:
    """The hashes are the first outputs of the authors' C code of splitmix64 with seed 0."""
    states = np.arange(3, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    assert [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F] == hashing.mix(states).tolist()


@given(st.lists(st.floats()))
def test_equal_numbers_have_equal_hashes(values: list[float]) -> None:
    """Numbers have the same hash if and only if they are equal; all NaN are equal, and so are 0 and -0."""
    keys = hashing.hash_numbers(np.array([*values, 0.0, -0.0, np.nan]))
    assert keys[-3] == keys[-2]
    assert len(np.unique(np.array([*values, 0.0, np.nan]))) == len(np.unique(keys))


def test_evenly_spread() -> None:
    """The hashes of consecutive integers are evenly distributed over 16 ranges."""
    keys = hashing.hash_numbers(np.arange(16_000.0))
    counts = np.bincount((keys >> np.uint64(60)).astype(int))
    assert 16 == len(counts)
    assert (np.abs(counts - 1000) < 150).all()


def test_texts() -> None:
    """The hash of a text is a known number, and exists for a text that UTF-8 cannot encode."""
    assert 3 << 32 | 0x352441C2 == hashing.hash_text("abc")  # CRC-32, behind the length
    assert hashing.hash_text("\ud800") != hashing.hash_text("")
