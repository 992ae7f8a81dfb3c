"""A figure: a picture as SVG text, with the numbers that it shows.

The SVG has no id, no style and no script of its own: `style.py` styles its classes, so that dark screens and paper reach it.
"""

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

from veritable.figures.style import STYLE
from veritable.figures.text import FONT_SIZE, fit_text, is_measured, text_width
from veritable.files import escape_formula

WIDTH = 420.0  # of a figure in half a page, in CSS pixels: then its text has the size of the page's small print
LEGEND_ROW = 18.0


Data = dict[str, Sequence[Any]]


@dataclass(frozen=True)
class Figure:
    """A picture and the numbers that it shows.

    Attributes
    ----------
    svg
        An `<svg>` element for a page that has `style.STYLE`. All texts in it are escaped.
    data
        Columns of equal length: what the picture shows.
    """

    svg: str
    data: Mapping[str, Sequence[Any]] = field(default_factory=dict)

    @property
    def csv(self) -> str:
        """The numbers as CSV, in which no text is a formula for a spreadsheet."""
        written = io.StringIO()
        writer = csv.writer(written, lineterminator="\n")
        writer.writerow([escape_formula(name) for name in self.data])
        writer.writerows([_cell(each) for each in row] for row in zip(*self.data.values(), strict=True))
        return written.getvalue()

    @property
    def document(self) -> str:
        """The picture as a file of its own, with its style and background."""
        start = self.svg.index(">") + 1
        head = self.svg[: start - 1].replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
        return f"{head}><style>{STYLE}.figure{{background:var(--card)}}</style>{self.svg[start:]}\n"


def _cell(value: Any) -> Any:
    if isinstance(value, str) or value is None:
        return escape_formula(value)
    return f"{value:.6g}" if math.isfinite(value) else ""


def number(value: float) -> str:
    """Return a coordinate with at most one decimal.

    >>> number(3.04), number(-0.01), number(2.55)
    ('3', '0', '2.5')
    """
    text = f"{value:.1f}".removesuffix(".0")
    return "0" if text == "-0" else text


def element(tag: str, content: str = "", **attributes: Any) -> str:
    """Return an SVG element; numbers are rounded, texts escaped, and `_` in a name is `-` ("class_" is "class").

    >>> element("rect", x=1.25, class_="bar c1")
    '<rect x="1.2" class="bar c1"/>'
    """
    pairs = (
        f' {name.rstrip("_").replace("_", "-")}="{number(value) if isinstance(value, float | int) else escape(value)}"'
        for name, value in attributes.items()
        if value is not None
    )
    return f"<{tag}{''.join(pairs)}>{content}</{tag}>" if content else f"<{tag}{''.join(pairs)}/>"


def text(
    x: float,
    y: float,
    content: str,
    room: float,
    *,
    anchor: str = "start",
    class_: str | None = None,
    size: float = FONT_SIZE,
    turned: bool = False,
) -> str:
    """Return a text that is cut where it is wider than its room, with the whole text as its tooltip.

    Parameters
    ----------
    x, y
        End of the text that `anchor` names, and its baseline.
    size
        Size of the font that the class has.
    turned
        Whether the text is turned by a quarter, to be read from below.
    """
    shown = fit_text(content, room, size)
    pinned = None if is_measured(shown) else max(1.0, text_width(shown, size))
    tip = element("title", escape(content_tip)) if (content_tip := fit_text(content, math.inf)) != shown else ""
    return element(
        "text",
        escape(shown) + tip,
        x=x,
        y=y,
        transform=f"rotate(-90 {number(x)} {number(y)})" if turned else None,
        class_=class_ or None,
        text_anchor=None if anchor == "start" else anchor,
        textLength=pinned,
        lengthAdjust="spacingAndGlyphs" if pinned else None,
    )


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> str:
    """Return a straight line."""
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def path(points: Iterable[tuple[float, float]], class_: str) -> str:
    """Return a line through points, without those that repeat the one before."""
    places = [f"{number(x)} {number(y)}" for x, y in points]
    kept = [place for i, place in enumerate(places) if i == 0 or place != places[i - 1]]
    return element("path", d="M" + "L".join(kept), class_=class_) if kept else ""


def dots(points: Iterable[tuple[float, float]], class_: str) -> str:
    """Return round dots as one path: a tenth of the bytes of circles. Each dot is a line of length 0 with round ends."""
    places = "".join(f"M{number(x)} {number(y)}h0" for x, y in points)
    return element("path", d=places, class_=f"dots {class_}") if places else ""


def picture(title: str, description: str, width: float, height: float, parts: Iterable[str], **attributes: Any) -> str:
    """Return the `<svg>` element. The title names it for screen readers, the description says what it shows."""
    head = element("title", escape(fit_text(title, math.inf)))
    if description:
        head += element("desc", escape(fit_text(description, math.inf)))
    size = f"{number(width)} {number(height)}"
    drawn = head + "".join(parts)
    return element("svg", drawn, viewBox=f"0 0 {size}", width=width, height=height, role="img", class_="figure", **attributes)


def legend(entries: Sequence[tuple[str, str]], x: float, y: float, width: float) -> tuple[list[str], float]:
    """Return a legend that wraps, and its height.

    Parameters
    ----------
    entries
        Name and class of each mark: "line c1", "dots c2", "bar up".
    x, y
        Its upper left corner.
    """
    parts, left, row = [], 0.0, 0
    for name, mark in entries:
        room = min(text_width(fit_text(name, math.inf)), width / 2 - 34) if len(entries) > 1 else width - 34
        needed = 22 + text_width(fit_text(name, room)) + 14
        if left and left + needed > width + 14:
            left, row = 0.0, row + 1
        middle = y + row * LEGEND_ROW + LEGEND_ROW / 2
        parts += [_sample(x + left, middle, mark), text(x + left + 22, middle + 4, name, room)]
        left += needed
    return parts, (row + 1) * LEGEND_ROW if entries else 0.0


def _sample(x: float, y: float, mark: str) -> str:
    if mark.startswith("dots"):
        return dots([(x + 8, y)], mark.removeprefix("dots "))
    if mark.startswith("line"):
        return line(x, y, x + 16, y, mark)
    return element("rect", x=x + 2, y=y - 5, width=12, height=10, class_=mark)


def baseline(y: float) -> float:
    """Return the baseline of a text whose middle is at `y`."""
    return y + FONT_SIZE * 0.35
