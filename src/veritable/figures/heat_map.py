"""A confusion matrix as a heat map, for more classes than a table of numbers can show."""

from collections.abc import Sequence

from veritable.figures.svg import Data, Figure, element, line, picture
from veritable.figures.svg import text as draw_text
from veritable.figures.text import FONT_SIZE, text_width, visible

_LARGEST, _CELL = 22.0, 12.5  # size of a cell with few and with many names
_SIDE = 560.0  # of a map with names of usual size
_NAME = 130.0  # room for a name
_LEVELS = 8


def draw_heat_map(
    title: str,
    names: Sequence[str],
    counts: Sequence[Sequence[int]],
    *,
    rows: str = "actual",
    columns: str = "predicted",
    mixed: bool = False,
    description: str = "",
) -> Figure:
    """Draw a square matrix whose cells are darker the larger their share of the row is; empty cells are not drawn.

    Parameters
    ----------
    names
        Names of rows and columns, in the order in which they are drawn.
    counts
        Count of each cell. Shape: (n, n)
    mixed
        Whether the last name stands for several, so that its diagonal cell is neither right nor wrong.

    Examples
    --------
    >>> figure = draw_heat_map("Confusion", ["a", "b"], [[9, 1], [0, 5]])
    >>> print(figure.csv)
    actual,predicted,rows
    a,a,9
    a,b,1
    b,b,5
    <BLANKLINE>
    """
    cell = min(_LARGEST, max(_CELL, _SIDE / max(len(names), 1)))
    size = FONT_SIZE if cell > FONT_SIZE * 1.3 else 10.0
    small = "small" if size < FONT_SIZE else None
    widest = max((text_width(visible(name), size) for name in names), default=0.0) + 2
    room = min(max(widest, text_width(rows) + 8), _NAME)  # the title of the rows stands above their names
    left, top, side = room + 12 + 16, room + 12 + 16, cell * len(names)
    parts = [
        draw_text(left + side, 12, f"{columns} →", side + left, anchor="end", class_="soft"),
        draw_text(2, 12, f"{rows} ↓", left, class_="soft"),
    ]
    for i, name in enumerate(names):
        y = top + (i + 0.5) * cell + size * 0.35
        parts.append(draw_text(left - 6, y, name, room, anchor="end", class_=small, size=size))
        x = left + (i + 0.5) * cell + size * 0.35
        parts.append(draw_text(x, top - 6, name, room, class_=small, size=size, turned=True))
    parts += _cells(counts, left, top, cell, mixed)
    parts.append(element("rect", x=left, y=top, width=side, height=side, class_="frame"))
    parts += [line(left, top, left + side, top + side, "grid")] if len(names) > 30 else []
    filled = [(i, j, n) for i, row in enumerate(counts) for j, n in enumerate(row) if n]
    data: Data = {
        rows: [names[i] for i, _, _ in filled],
        columns: [names[j] for _, j, _ in filled],
        "rows": [n for _, _, n in filled],
    }
    return Figure(picture(title, description, left + side + 4, top + side + 4, parts), data)


def _cells(counts: Sequence[Sequence[int]], left: float, top: float, cell: float, mixed: bool) -> list[str]:
    """Return one path per kind and level of darkness, which takes a tenth of the bytes of a rectangle per cell."""
    paths: dict[tuple[str, int], list[str]] = {}
    last = len(counts) - 1
    for i, row in enumerate(counts):
        total = sum(row)
        for j, n in enumerate(row):
            if not n:
                continue
            kind = "wrong" if i != j else "mixed" if mixed and i == last else "right"
            level = max(1, min(_LEVELS, round((n / total) ** 0.5 * _LEVELS)))  # the root makes rare confusions visible
            paths.setdefault((kind, level), []).append(f"M{j} {i}h1v1h-1z")
    place = f"translate({left:.1f} {top:.1f})scale({cell:.3f})"
    drawn = "".join(
        f'<path class="cell {kind}" fill-opacity="{(level + 0.5) / (_LEVELS + 0.5):.2f}" d="{"".join(each)}"/>'
        for (kind, level), each in sorted(paths.items())
    )
    return [f'<g transform="{place}">{drawn}</g>'] if drawn else []
