"""Figures of a comparison as plain SVG, styled by the page's CSS variables: differences with intervals, and two curves."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup, escape

OUTCOMES = {"better": "better", "worse": "worse", "tied": "not told apart", None: "–"}
_WIDTH, _HEIGHT = 180, 18  # of a difference
_SIZE, _MARGIN, _BELOW = 260, 34, 40  # of a curve, and the room for its axes
_MAX_POINTS = 300


def figures_of(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the templates of a comparison need besides its facts: figures, and the words for the outcomes."""
    return {
        "differences": draw_differences([each["difference"] for each in facts["metrics"]]),
        "overlays": [draw_curve(**each) for each in facts["curves"]],
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
            marks.append(f'<circle class="point" cx="{place(each["value"])}" cy="{middle}" r="3.5"/>')
        drawn.append(
            _svg(f'viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}" aria-hidden="true"', "".join(marks))
        )
    return drawn


def draw_curve(lines: Sequence[np.ndarray], title: str, x_title: str, y_title: str, names: Sequence[str]) -> Mapping[str, Any]:
    """Draw a curve of the old and of the new version in the unit square. Shape: lines (n, 2) each

    Returns
    -------
    The SVG and what stands around it: `svg`, `title`, `x_title` and `y_title`.
    """

    def place(point: np.ndarray) -> str:
        return f"{_MARGIN + point[0] * _SIZE:.1f},{6 + (1 - point[1]) * _SIZE:.1f}"

    marks = []
    for tick in (0.0, 0.5, 1.0):
        x, y = _MARGIN + tick * _SIZE, 6 + (1 - tick) * _SIZE
        marks.append(f'<line class="grid" x1="{x}" x2="{x}" y1="6" y2="{6 + _SIZE}"/>')
        marks.append(f'<line class="grid" x1="{_MARGIN}" x2="{_MARGIN + _SIZE}" y1="{y}" y2="{y}"/>')
        marks.append(f'<text x="{x}" y="{6 + _SIZE + 16}" text-anchor="middle">{tick:g}</text>')
        marks.append(f'<text x="{_MARGIN - 6}" y="{y + 4}" text-anchor="end">{tick:g}</text>')
    for kind, line in zip(("old", "new"), lines, strict=True):
        known = np.array([point for point in line if np.isfinite(point).all()]).reshape(-1, 2)
        kept = known[np.unique(np.linspace(0, len(known) - 1, min(len(known), _MAX_POINTS)).astype(int))]
        marks.append(f'<polyline class="{kind}" points="{" ".join(map(place, kept))}"/>')
    width, height = _MARGIN + _SIZE + 10, _SIZE + _BELOW - 12
    described = f"<title>{escape(title)}</title><desc>{escape(names[0])} dashed, {escape(names[1])} solid.</desc>"
    svg = _svg(f'viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img"', described + "".join(marks))
    return {"svg": svg, "title": title, "x_title": x_title, "y_title": y_title}


def _svg(attributes: str, content: str) -> Markup:
    return Markup(f'<svg xmlns="http://www.w3.org/2000/svg" {attributes}>{content}</svg>')  # noqa: S704  texts were escaped
