"""The plot area of a figure with two numeric axes: ticks, grid, titles and, below, the legend."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from veritable.figures.svg import WIDTH, legend, line, number, picture, text
from veritable.figures.text import text_width
from veritable.figures.ticks import Scale, find_range, format_ticks, make_ticks

HEIGHT = 240.0  # of a plot area
_TOP = 26.0
_PADDING = 0.04
_TICK = 6.0  # between a tick's text and the plot area


@dataclass(frozen=True)
class Axis:
    """An axis: its title, and its ends where they are not those of the data.

    Attributes
    ----------
    padded
        Whether the ends of the data are kept away from the edge of the plot.
    whole
        Whether only whole numbers have ticks.
    percent
        Whether numbers are shares that are shown in percent.
    """

    title: str
    low: float | None = None
    high: float | None = None
    whole: bool = False
    percent: bool = False
    padded: bool = False

    def range(self, values: Iterable[float]) -> tuple[float, float]:
        """Return both ends."""
        ends = [each for each in (self.low, self.high) if each is not None]
        low, high = find_range(values, include=ends)
        margin = _PADDING * (high - low) if self.padded else 0.0
        return low - margin if self.low is None else self.low, high + margin if self.high is None else self.high


@dataclass(frozen=True)
class Area:
    """A plot area: the scales of its axes, and the parts that are drawn below the data."""

    x: Scale
    y: Scale
    parts: list[str]
    bottom: float

    def finish(self, title: str, description: str, drawn: Iterable[str], entries: Sequence[tuple[str, str]] = ()) -> str:
        """Return the picture with the data and the legend; a script finds the ends of the axes in its `data-area`."""
        left, height = 4.0, self.bottom
        parts, taken = legend(entries, left, height + 4, WIDTH - 2 * left)
        ends = " ".join(map(number, (self.x.start, self.x.stop, self.y.start, self.y.stop)))
        return picture(title, description, WIDTH, height + taken + 6, [*self.parts, *drawn, *parts], data_area=ends)


def make_area(x: Axis, y: Axis, xs: Iterable[float], ys: Iterable[float], *, height: float = HEIGHT) -> Area:
    """Lay out a plot area for numbers in these ranges."""
    (x_low, x_high), (y_low, y_high) = x.range(xs), y.range(ys)
    y_ticks = make_ticks(y_low, y_high, 5 if height > 120 else 2, whole=y.whole)
    y_texts = format_ticks(y_ticks, percent=y.percent)
    left = max(map(text_width, y_texts), default=0.0) + _TICK + 4
    right, bottom = WIDTH - 12, _TOP + height
    area_x, area_y = Scale(x_low, x_high, left, right), Scale(y_low, y_high, bottom, _TOP)
    parts = [text(2, 14, y.title, WIDTH - 4, class_="soft")]
    for tick, label in zip(y_ticks, y_texts, strict=True):
        place = area_y(tick)
        parts += [line(left, place, right, place, "grid"), text(left - _TICK, place + 4, label, left, anchor="end")]
    parts += _x_axis(area_x, x, bottom, _TOP)
    return Area(area_x, area_y, parts, bottom + 40)


def _x_axis(scale: Scale, axis: Axis, y: float, top: float | None) -> list[str]:
    """Return the horizontal axis at `y`, with its grid up to `top` unless it is None."""
    for count in (5, 4, 3, 2, 1):
        ticks = make_ticks(scale.low, scale.high, count, whole=axis.whole)
        texts = format_ticks(ticks, percent=axis.percent)
        placed = [_within(scale(tick), text_width(label)) for tick, label in zip(ticks, texts, strict=True)]
        if all(a[1] + 8 <= b[0] for a, b in pairwise(placed)):
            break
    else:
        ticks, texts, placed = ticks[:1], texts[:1], placed[:1]
    parts = []
    for tick, label, (start, stop) in zip(ticks, texts, placed, strict=True):
        place = scale(tick)
        if top is not None:
            parts.append(line(place, top, place, y, "grid"))
        parts.append(text((start + stop) / 2, y + 18.5, label, WIDTH, anchor="middle"))
    parts.append(line(scale.start, y, scale.stop, y, "axis"))
    parts.append(text(scale.stop, y + 35, axis.title, scale.stop, anchor="end", class_="soft"))
    return parts


def make_x_axis(scale: Scale, axis: Axis, y: float, top: float) -> list[str]:
    """Return the axis and the grid of a figure whose rows have names."""
    return _x_axis(scale, axis, y, top)


def _within(place: float, width: float) -> tuple[float, float]:
    """Return the ends of a text that is centered at a place, moved into the picture."""
    start = min(max(place - width / 2, 2.0), WIDTH - 2 - width)
    return start, start + width
