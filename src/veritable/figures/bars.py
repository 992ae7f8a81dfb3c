"""Rows with names: bars with intervals, and a forest of differences."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, nan
from typing import Literal

from veritable.figures.axes import Axis, make_x_axis
from veritable.figures.svg import WIDTH, Data, Figure, baseline, dots, element, line, picture, text
from veritable.figures.text import text_width, visible
from veritable.figures.ticks import Scale, format_short

_ROW = 22.0
_TOP = 6.0
_WORDS = {"better": ("▲ better", "good"), "worse": ("▼ worse", "bad"), "open": ("not shown", "soft")}


@dataclass(frozen=True)
class Bar:
    """A named number, and the ends of its interval if it has one."""

    name: str
    value: float
    low: float = nan
    high: float = nan


@dataclass(frozen=True)
class Difference:
    """A named difference with its interval, and what it means: better, worse, or "open" where neither was shown."""

    name: str
    value: float
    low: float
    high: float
    outcome: Literal["better", "worse", "open"]


@dataclass(frozen=True)
class Rows:
    """Layout of named rows: room for the names, then the plot, then a text per row."""

    left: float
    right: float
    height: float = _ROW
    top: float = _TOP

    @classmethod
    def fit(cls, names: Sequence[str], texts: Sequence[str], height: float = _ROW) -> "Rows":
        """Give the names as much room as they need, up to 45 % of the width."""
        room = min(max(map(text_width, map(visible, names)), default=0.0) + 2, WIDTH * 0.45)
        return cls(room + 10, WIDTH - 8 - max(map(text_width, texts), default=0.0), height)

    def middle(self, row: int) -> float:
        """Return the middle of a row."""
        return self.top + (row + 0.5) * self.height

    def bottom(self, rows: int) -> float:
        """Return the lower end of so many rows."""
        return self.top + rows * self.height

    def label(self, row: int, name: str) -> str:
        """Return the name of a row, right before the plot."""
        return text(self.left - 8, baseline(self.middle(row)), name, self.left - 9, anchor="end")

    def note(self, row: int, content: str, class_: str = "soft") -> str:
        """Return the text at the right end of a row."""
        return text(WIDTH - 2, baseline(self.middle(row)), content, WIDTH - self.right, anchor="end", class_=class_)


def draw_bars(title: str, bars: Sequence[Bar], axis: Axis, *, description: str = "") -> Figure:
    """Draw horizontal bars from 0, in the given order, with intervals and values.

    Examples
    --------
    >>> figure = draw_bars("Importance", [Bar("age", 0.3, 0.2, 0.4), Bar("city", 0.1)], Axis("mean absolute value"))
    >>> print(figure.csv)
    name,mean absolute value,low,high
    age,0.3,0.2,0.4
    city,0.1,,
    <BLANKLINE>
    """
    notes = [format_short(bar.value) for bar in bars]
    rows = Rows.fit([bar.name for bar in bars], notes)
    low, high = axis.range([0.0, *(end for bar in bars for end in (bar.value, bar.low, bar.high))])
    scale, bottom = Scale(low, high, rows.left, rows.right - 8), rows.bottom(len(bars))
    parts = make_x_axis(scale, axis, bottom, rows.top)
    for i, (bar, note) in enumerate(zip(bars, notes, strict=True)):
        start, stop = sorted((scale(0.0), scale(bar.value))) if isfinite(bar.value) else (scale(0.0), scale(0.0))
        middle = rows.middle(i)
        parts += [
            rows.label(i, bar.name),
            element("rect", x=start, y=middle - 7, width=max(stop - start, 0.5), height=14, class_="bar c1"),
            rows.note(i, note),
        ]
        if isfinite(bar.low) and isfinite(bar.high):
            parts.append(line(scale(bar.low), middle, scale(bar.high), middle, "whisker over"))
    data: Data = {
        "name": [bar.name for bar in bars],
        axis.title: [bar.value for bar in bars],
        "low": [bar.low for bar in bars],
        "high": [bar.high for bar in bars],
    }
    return Figure(picture(title, description, WIDTH, bottom + 42, parts), data)


def draw_forest(title: str, differences: Sequence[Difference], axis: Axis, *, description: str = "") -> Figure:
    """Draw differences with their intervals around 0, and say for each whether it is better, worse, or not shown.

    Examples
    --------
    >>> log_loss = Difference("Log loss", -0.009, -0.011, -0.007, "better")
    >>> figure = draw_forest("Since v1", [log_loss], Axis("difference"))
    >>> "▲ better" in figure.svg
    True
    """
    notes = [f"{_signed(each.value)}  {_WORDS[each.outcome][0]}" for each in differences]
    rows = Rows.fit([each.name for each in differences], notes)
    low, high = axis.range([0.0, *(end for each in differences for end in (each.value, each.low, each.high))])
    scale, bottom = Scale(low, high, rows.left + 4, rows.right - 12), rows.bottom(len(differences))
    parts = make_x_axis(scale, axis, bottom, rows.top)
    parts.append(line(scale(0.0), rows.top, scale(0.0), bottom, "axis"))
    for i, (each, note) in enumerate(zip(differences, notes, strict=True)):
        word = _WORDS[each.outcome][1]
        color, middle = {"good": "c1", "bad": "c2", "soft": "faint"}[word], rows.middle(i)
        parts += [rows.label(i, each.name), rows.note(i, note, word)]
        if isfinite(each.low) and isfinite(each.high):
            parts.append(line(scale(each.low), middle, scale(each.high), middle, f"line {color}"))
        if isfinite(each.value):
            parts.append(dots([(scale(each.value), middle)], color))
    data: Data = {
        "name": [each.name for each in differences],
        axis.title: [each.value for each in differences],
        "low": [each.low for each in differences],
        "high": [each.high for each in differences],
        "outcome": [
            _WORDS[each.outcome][0].split(" ", 1)[1] if each.outcome != "open" else "not shown" for each in differences
        ],
    }
    return Figure(picture(title, description, WIDTH, bottom + 42, parts), data)


def _signed(value: float) -> str:
    """Return a number with its sign."""
    return ("+" if value > 0 else "") + format_short(value)
