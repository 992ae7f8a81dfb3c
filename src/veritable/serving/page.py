"""Render a page about explained rows: self-contained, without scripts, for light and dark screens."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup, escape

from veritable.figures.style import COLORS
from veritable.figures.text import visible
from veritable.figures.waterfall import Step, find_ends, format_step, merge_steps
from veritable.serving.row_report import Mark, RowReport


@dataclass(frozen=True)
class Line:
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
    template = load_template("explain.html.j2")
    return template.render(
        reports=[(report, waterfall(report)) for report in reports], sentence=_sentence, colors=COLORS, **facts
    )


def load_template(name: str) -> Template:
    """Return a template of a page. It escapes all texts, and its filter `short` shortens them."""
    environment = Environment(
        loader=PackageLoader("veritable.serving"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["short"] = visible
    return environment.get_template(name)


def _sentence(write: Callable[[Mark], str]) -> Markup:
    """Return a sentence of a row in which the texts of the table are bold."""
    return Markup(write(lambda text: f"<b>{escape(visible(text))}</b>"))  # noqa: S704  the texts were escaped


@dataclass(frozen=True)
class Waterfall:
    """Bars, and the places of the base value and of the output if there is a base value."""

    steps: Sequence[Line]
    base: float | None
    output: float | None


def waterfall(report: RowReport) -> Waterfall:
    """Lay out the bars of a row: from the base value to the output, or each from 0 if there is no base value."""
    bars = merge_steps([Step(bar.column, bar.cell, bar.value, bar.error) for bar in report.bars])
    ends = find_ends(bars, report.base)
    reach = [end + sign * (bar.error or 0) for (_, end), bar in zip(ends, bars, strict=True) for sign in (-1, 0, 1)]
    reach += [report.base or 0.0]
    low, width = min(reach), (max(reach) - min(reach)) or 1.0

    def place(position: float) -> float:
        return round(2 + 96 * (position - low) / width, 3)

    lines = []
    for i, (bar, (begin, end)) in enumerate(zip(bars, ends, strict=True)):
        left, right = sorted((place(begin), place(end)))
        low_end, high_end = (place(end - bar.error), place(end + bar.error)) if bar.error else (None, None)
        tick = place(end) if report.base is not None and i < len(bars) - 1 else None
        shown = max(round(right - left, 3), 0.3)
        lines.append(
            Line(bar.column, bar.cell, format_step(bar.value, bar.error), bar.value >= 0, left, shown, low_end, high_end, tick)
        )
    ends_at = (None, None) if report.base is None else (place(report.base), place(ends[-1][1] if ends else report.base))
    return Waterfall(lines, *ends_at)
