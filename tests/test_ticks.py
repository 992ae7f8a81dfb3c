"""Ticks are round numbers within the range, and scales map any finite numbers."""

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from veritable.figures.ticks import Scale, find_range, format_short, format_ticks, make_ticks

FINITE = st.floats(-1e300, 1e300, allow_nan=False)


@given(FINITE, FINITE, st.integers(1, 8))
def test_ticks(one: float, other: float, count: int) -> None:
    """Ticks ascend, lie within the range, are at most one more than asked for, and have different texts."""
    low, high = find_range([one, other])
    assume(high - low > 1e-6 * max(abs(low), abs(high)))
    ticks = make_ticks(low, high, count)
    margin = (high / 2 - low / 2) * 1e-5
    assert len(ticks) <= count + 1
    assert ticks == sorted(set(ticks))
    assert all(low - margin <= tick <= high + margin for tick in ticks)
    assert len(set(format_ticks(ticks))) == len(ticks)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0, 1, ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]), (-3, 7, ["−2", "0", "2", "4", "6"]), (0, 90_000, None)],
)
def test_round_numbers(low: float, high: float, expected: list[str] | None) -> None:
    """Ticks are multiples of 1, 2 or 5 times a power of ten, with as many decimals as they need and commas."""
    assert (expected or ["0", "20,000", "40,000", "60,000", "80,000"]) == format_ticks(make_ticks(low, high))


@pytest.mark.parametrize("last", [2, 3, 7, 40, 1000])
def test_whole_numbers(last: int) -> None:
    """Ticks of epochs are whole numbers."""
    ticks = make_ticks(1, last, whole=True)
    assert 1 < len(ticks) <= 6
    assert all(tick == int(tick) for tick in ticks)


@given(st.lists(st.floats()), st.floats(allow_nan=False, allow_infinity=False))
def test_any_range(values: list[float], value: float) -> None:
    """Any numbers have a range of finite ends that differ, and every number a place within the scale."""
    low, high = find_range(values, include=[value])
    assert math.isfinite(low) and math.isfinite(high) and low < high
    assert 0 <= Scale(low, high, 0, 100)(value) <= 100


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (54932.001, "54,932"),
        (-0.0, "0"),
        (0.5, "0.500"),
        (1e-9, "1.00e−09"),
        (1e12, "1.00e+12"),
        (math.nan, "–"),
        (999.9, "1,000"),
    ],
)
def test_short_numbers(value: float, expected: str) -> None:
    """A number is shown with three significant digits; zero has no sign."""
    assert expected == format_short(value)
