"""Render a page about explained rows: self-contained, without scripts, for light and dark screens."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from veritable.serving.row_report import Bar, Mark, RowReport, format_value

_BARS = 12  # columns with a bar of their own
_LONGEST = 200  # characters of a text that are shown


@dataclass(frozen=True)
class Step:
    """A line of a waterfall. Positions are in percent of its width.

    Attributes
    ----------
    left, width
        Place of the bar.
    low, high
        End of the bar minus and plus its standard error; None if there is none.
    tick
        Where the line to the next bar is drawn; None for the last.
    """

    column: str
    cell: str
    text: str
    rises: bool
    left: float
    width: float
    low: float | None
    high: float | None
    tick: float | None


def render_page(reports: Sequence[RowReport], **facts: Any) -> str:
    """Render the page.

    Parameters
    ----------
    facts
        target: name of the target; values: what the values are; n_rows: number of rows of the table, None if it is not known;
        has_more: whether the table has more rows than are reported.
    """
    environment = Environment(
        loader=PackageLoader("veritable.serving"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["short"] = shorten
    template = environment.get_template("explain.html.j2")
    return template.render(reports=[(report, waterfall(report)) for report in reports], sentence=_sentence, **facts)


def _sentence(write: Callable[[Mark], str]) -> Markup:
    """Return a sentence of a row in which the texts of the table are bold."""
    return Markup(write(lambda text: f"<b>{escape(shorten(text))}</b>"))  # noqa: S704  the texts were escaped


def shorten(text: str) -> str:
    """Return the beginning of a long text, and make characters that cannot be printed visible."""
    plain = "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text[: _LONGEST + 1])
    return f"{plain[:_LONGEST]}…" if len(plain) > _LONGEST else plain


@dataclass(frozen=True)
class Waterfall:
    """Bars, and the places of the base value and of the output if there is a base value."""

    steps: Sequence[Step]
    base: float | None
    output: float | None


def waterfall(report: RowReport) -> Waterfall:
    """Lay out the bars of a row: from the base value to the output, or each from 0 if there is no base value."""
    bars = list(report.bars[:_BARS])
    if others := report.bars[_BARS:]:
        name = f"{len(others):,} other column{'s' * (len(others) > 1)}"
        bars.append(Bar(name, "", sum(bar.value for bar in others), None))
    start = report.base or 0.0
    ends: list[tuple[float, float]] = []
    for bar in bars:
        ends.append((start, start + bar.value))
        start = start if report.base is None else start + bar.value
    reach = [end + sign * (bar.error or 0) for (_, end), bar in zip(ends, bars, strict=True) for sign in (-1, 0, 1)]
    reach += [report.base or 0.0]
    low, width = min(reach), (max(reach) - min(reach)) or 1.0

    def place(position: float) -> float:
        return round(2 + 96 * (position - low) / width, 3)

    steps = []
    for i, (bar, (begin, end)) in enumerate(zip(bars, ends, strict=True)):
        left, right = sorted((place(begin), place(end)))
        low_end, high_end = (place(end - bar.error), place(end + bar.error)) if bar.error else (None, None)
        tick = place(end) if report.base is not None and i < len(bars) - 1 else None
        shown = max(round(right - left, 3), 0.3)
        steps.append(
            Step(bar.column, bar.cell, format_value(bar.value, bar.error), bar.value >= 0, left, shown, low_end, high_end, tick)
        )
    ends_at = (None, None) if report.base is None else (place(report.base), place(start))
    return Waterfall(steps, *ends_at)
