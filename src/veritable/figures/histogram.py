"""Histograms: the shares of the rows by value, for one to a few parts that are compared."""

from collections.abc import Mapping, Sequence

from veritable.figures.axes import Axis, make_area
from veritable.figures.svg import Data, Figure, element, path


def draw_histogram(
    title: str,
    edges: Sequence[float],
    counts: Mapping[str, Sequence[float]],
    axis: Axis,
    *,
    description: str = "",
    height: float = 120.0,
) -> Figure:
    """Draw the share of the rows in each bin: the first part as bars, the others as outlines over them.

    Parameters
    ----------
    edges
        Ends of the bins, ascending. Shape: (n + 1,)
    counts
        Counts or weights in each bin, by the name of the part. Shape: (n,) each

    Examples
    --------
    >>> figure = draw_histogram("Age", [0, 30, 60, 90], {"train": [50, 40, 10], "test": [5, 3, 2]}, Axis("age"))
    >>> figure.data["share"]
    [0.5, 0.4, 0.1, 0.5, 0.3, 0.2]
    """
    shares = {name: [each / (sum(bins) or 1) for each in bins] for name, bins in counts.items()}
    area = make_area(
        axis, Axis("Share of rows", 0.0, percent=True), edges, (s for bins in shares.values() for s in bins), height=height
    )
    drawn, entries = [], []
    for number, (name, bins) in enumerate(shares.items()):
        tops = [area.y(share) for share in bins]
        if number == 0:
            for start, stop, top in zip(edges[:-1], edges[1:], tops, strict=True):
                x = area.x(start)
                drawn.append(
                    element(
                        "rect",
                        x=x,
                        y=top,
                        width=max(area.x(stop) - x - 1, 0.5),
                        height=area.y.start - top,
                        class_="bar c1 pale",
                    )
                )
            entries.append((name, "bar c1 pale"))
            continue
        corners = [(area.x(edge), top) for i, top in enumerate(tops) for edge in (edges[i], edges[i + 1])]
        drawn.append(path([(area.x.start, area.y.start), *corners, (area.x.stop, area.y.start)], f"line c{number + 1}"))
        entries.append((name, f"line c{number + 1}"))
    data: Data = {
        "part": [name for name, bins in shares.items() for _ in bins],
        "from": [edge for _ in shares for edge in edges[:-1]],
        "to": [edge for _ in shares for edge in edges[1:]],
        "share": [each for bins in shares.values() for each in bins],
    }
    return Figure(area.finish(title, description, drawn, entries if len(shares) > 1 else []), data)
