"""Figures of a comparison: the differences of the metrics as cells of a table, and the curves of both versions."""

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from veritable.figures.axes import Axis
from veritable.figures.lines import Series, draw_lines
from veritable.figures.svg import Figure

OUTCOMES = {"better": "better", "worse": "worse", "tied": "not told apart", None: "–"}
_WIDTH, _HEIGHT = 180, 18  # of a difference


def figures_of(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the templates of a comparison need besides its facts: figures, and the words for the outcomes."""
    return {
        "differences": draw_differences([each["difference"] for each in facts["metrics"]]),
        "overlays": [(each["title"], draw_curve(**each)) for each in facts["curves"]],
        "outcomes": OUTCOMES,
    }


def draw_differences(differences: Sequence[Mapping[str, Any]]) -> list[Markup]:
    """Draw each difference as a point with its interval beside a line at 0; all have one scale.

    >>> len(draw_differences([{"value": 0.1, "low": 0.05, "high": 0.15}]))
    1
    """
    ends = [abs(each[end]) for each in differences for end in ("value", "low", "high") if each[end] is not None]
    reach = max(ends, default=0.0) or 1.0

    def place(value: float) -> str:
        return f"{_WIDTH / 2 + value / reach * (_WIDTH / 2 - 6):.1f}"

    drawn = []
    for each in differences:
        middle = _HEIGHT / 2
        marks = [f'<line class="zero" x1="{_WIDTH / 2}" x2="{_WIDTH / 2}" y1="0" y2="{_HEIGHT}"/>']
        if each["low"] is not None:
            marks.append(
                f'<line class="interval" x1="{place(each["low"])}" x2="{place(each["high"])}" y1="{middle}" y2="{middle}"/>'
            )
        if each["value"] is not None:
            marks.append(f'<circle cx="{place(each["value"])}" cy="{middle}" r="3.5"/>')
        size = f'viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}"'
        drawn.append(Markup(f'<svg class="difference" {size} aria-hidden="true">{"".join(marks)}</svg>'))  # noqa: S704
    return drawn


def draw_curve(
    lines: Sequence[Sequence[Sequence[float]]], title: str, x_title: str, y_title: str, names: Sequence[str]
) -> Figure:
    """Draw a curve of the old and of the new version in the unit square. Shape: lines (n, 2) each"""
    old, new = (Series(name, [x for x, _ in line], [y for _, y in line]) for name, line in zip(names, lines, strict=True))
    return draw_lines(
        title,
        [new, Series(old.name, old.x, old.y, faint=True)],
        Axis(x_title, 0, 1),
        Axis(y_title, 0, 1),
        description=f"{y_title} by {x_title[0].lower()}{x_title[1:]} of both versions.",
        diagonal="recall" not in x_title.lower(),
    )
