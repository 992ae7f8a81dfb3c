"""Ticks at round numbers, and the scale that maps numbers to places."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

_LARGEST = 1e300  # numbers beyond are drawn at the edge, so that no difference overflows


@dataclass(frozen=True)
class Scale:
    """A linear map from numbers to places; `low` is drawn at `start`, `high` at `stop`."""

    low: float
    high: float
    start: float
    stop: float

    def __call__(self, value: float) -> float:
        """Return the place of a number; numbers outside are drawn at the end that they are nearest to.

        >>> Scale(0, 10, 100, 200)(2.5)
        125.0
        """
        share = (value / 2 - self.low / 2) / (self.high / 2 - self.low / 2)  # halves: the difference of two floats can overflow
        return self.start + min(max(share, 0.0), 1.0) * (self.stop - self.start)


def find_range(values: Iterable[float], *, include: Sequence[float] = ()) -> tuple[float, float]:
    """Return the lowest and the highest finite number, made a little wider where they are equal.

    >>> find_range([1, 5, float("nan")], include=[0])
    (0.0, 5.0)
    """
    finite = [min(max(float(each), -_LARGEST), _LARGEST) for each in (*values, *include) if math.isfinite(each)]
    low, high = min(finite, default=0.0), max(finite, default=1.0)
    if high - low <= 1e-9 * max(abs(low), abs(high)):
        margin = max(abs(low) * 0.1, 1e-9) if low else 1.0
        return low - margin, high + margin
    return low, high


def make_ticks(low: float, high: float, count: int = 5, *, whole: bool = False) -> list[float]:
    """Return at most `count` + 1 multiples of 1, 2 or 5 times a power of ten between two numbers.

    >>> make_ticks(0, 1)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    rough = high / count - low / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    if whole:
        step = max(1.0, math.ceil(step))
    first, last = math.ceil(low / step - 1e-6), math.floor(high / step + 1e-6)
    return [round(place * step, 12 - math.floor(math.log10(step))) + 0.0 for place in range(first, last + 1)]


def format_ticks(ticks: Sequence[float], *, percent: bool = False) -> list[str]:
    """Return the texts of the ticks, all with the same number of decimals.

    >>> format_ticks([0, 0.5, 1]), format_ticks([0, 20_000]), format_ticks([0, 5e7])
    (['0.0', '0.5', '1.0'], ['0', '20,000'], ['0', '5e+07'])
    >>> format_ticks([0, 0.5, 1], percent=True)
    ['0 %', '50 %', '100 %']
    """
    shown = [100 * each for each in ticks] if percent else list(ticks)
    step = min((b - a for a, b in pairwise(shown)), default=1.0)
    if max(map(abs, shown), default=0.0) >= 1e6 or step < 1e-5:
        texts = [f"{each:.6g}" for each in shown]
    else:
        decimals = max(0, -math.floor(math.log10(step) + 1e-9))
        texts = [f"{each:,.{decimals}f}" for each in shown]
    return [f"{with_minus(text)} %" if percent else with_minus(text) for text in texts]


def format_short(value: float) -> str:
    """Return a number with three significant digits, without a minus before zero.

    >>> [format_short(each) for each in (0.12345, 54932.001, 3.0, -0.0)]
    ['0.123', '54,932', '3.00', '0']
    """
    if not math.isfinite(value):
        return "–"
    if value == 0:
        return "0"
    if not 1e-4 <= abs(value) < 1e7:
        return with_minus(f"{value:.2e}")
    decimals = max(0, 2 - math.floor(math.log10(abs(value))))
    return with_minus(f"{value:,.{decimals}f}")


def with_minus(text: str) -> str:
    """Return the text of a number with a minus that is as wide as a plus."""
    return text.replace("-", "\N{MINUS SIGN}")
