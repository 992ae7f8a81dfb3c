"""Lines over two numeric axes: curves, calibration, training, and whatever depends on a threshold."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from veritable.figures.axes import HEIGHT, Area, Axis, make_area
from veritable.figures.style import N_FAINT, N_SERIES
from veritable.figures.svg import Data, Figure, dots, element, line, path

_FEW = 30  # points of a line that are drawn as dots too
_SHARES = 0.5  # of the height: all rows


@dataclass(frozen=True)
class Series:
    """A line with its name.

    Attributes
    ----------
    x, y
        Its points, in order. Shape: (n,) each
    low, high
        Ends of the interval of each y. Shape: (n,)
    faint
        Whether it is only there to compare with.
    dotted
        Whether its points are shown too.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] | None = None
    high: Sequence[float] | None = None
    faint: bool = False
    dotted: bool = False


@dataclass(frozen=True)
class Mark:
    """A point to notice, named in the legend."""

    name: str
    x: float
    y: float


def draw_lines(
    title: str,
    series: Sequence[Series],
    x: Axis,
    y: Axis,
    *,
    description: str = "",
    diagonal: bool = False,
    marks: Sequence[Mark] = (),
    rule: tuple[str, float] | None = None,
    shares: Sequence[float] | None = None,
    height: float = HEIGHT,
) -> Figure:
    """Draw lines.

    Parameters
    ----------
    series
        One to many; colors repeat beyond eight, dashes of faint ones beyond five. The data has their points below each other.
    diagonal
        Whether the line on which both axes are equal is drawn.
    rule
        Name and place of a vertical line.
    shares
        Share of the rows near each x of the first line, drawn as gray bars at the bottom. Shape: (n,)

    Examples
    --------
    >>> figure = draw_lines(
    ...     "ROC curve",
    ...     [Series("classifier", [0, 0.2, 1], [0, 0.8, 1]), Series("v1", [0, 0.4, 1], [0, 0.7, 1], faint=True)],
    ...     Axis("false positive rate", 0, 1),
    ...     Axis("true positive rate", 0, 1),
    ...     diagonal=True,
    ...     marks=[Mark("threshold 0.42", 0.2, 0.8)],
    ... )
    >>> list(figure.data)
    ['series', 'false positive rate', 'true positive rate']
    """
    ends = [each for one in series for each in (one.y, one.low, one.high) if each is not None]
    area = make_area(x, y, chain.from_iterable(one.x for one in series), chain.from_iterable(ends), height=height)
    drawn: list[str] = []
    for place, share in zip(series[0].x if shares is not None else (), shares or (), strict=True):
        tall = min(share, 1.0) * _SHARES * height
        drawn.append(element("rect", x=area.x(place) - 3, y=area.y.start - tall, width=6, height=tall, class_="bar faint pale"))
    if diagonal:
        low, high = max(area.x.low, area.y.low), min(area.x.high, area.y.high)
        drawn.append(line(area.x(low), area.y(low), area.x(high), area.y(high), "rule"))
    if rule:
        place = area.x(rule[1])
        drawn.append(line(place, area.y.stop, place, area.y.start, "rule"))
    for one, class_ in _behind_first(series):
        drawn += _draw(one, class_, area)
    entries = [(one.name, f"line {class_}") for one, class_ in _classes(series)] if len(series) > 1 else []
    for mark in marks:
        drawn.append(dots([(area.x(mark.x), area.y(mark.y))], "mark"))
        entries.append((mark.name, "dots mark"))
    if rule:
        entries.append((rule[0], "line rule"))
    data: Data = {"series": [one.name for one in series for _ in one.x]}
    data |= {x.title: [each for one in series for each in one.x], y.title: [each for one in series for each in one.y]}
    if any(one.low is not None for one in series):
        nothing = float("nan")
        data["low"] = [each for one in series for each in (one.low if one.low is not None else [nothing] * len(one.x))]
        data["high"] = [each for one in series for each in (one.high if one.high is not None else [nothing] * len(one.x))]
    if shares is not None:
        data["share of rows"] = [*shares, *[float("nan")] * (len(data["series"]) - len(shares))]
    return Figure(area.finish(title, description, drawn, entries), data)


def _classes(series: Sequence[Series]) -> list[tuple[Series, str]]:
    """Return each series with the class that gives it its color."""
    strong = faint = 0
    named = []
    for one in series:
        if one.faint:
            faint += 1
            named.append((one, f"faint f{(faint - 1) % N_FAINT + 1}"))
        else:
            strong += 1
            named.append((one, f"c{(strong - 1) % N_SERIES + 1}"))
    return named


def _behind_first(series: Sequence[Series]) -> Iterator[tuple[Series, str]]:
    """Yield the faint series first, and the first one last, so that it lies on top."""
    named = _classes(series)
    yield from [each for each in named if each[0].faint]
    yield from reversed([each for each in named if not each[0].faint])


def _draw(one: Series, class_: str, area: Area) -> Iterator[str]:
    points = [(area.x(x), area.y(y)) for x, y in zip(one.x, one.y, strict=True) if x == x and y == y]  # x != x: NaN
    if one.low is not None and one.high is not None:
        for (x, _), low, high in zip(points, one.low, one.high, strict=True):
            yield line(x, area.y(low), x, area.y(high), f"whisker {class_}")
    yield path(points, f"line {class_}")
    if len(points) == 1 or (one.dotted and len(points) <= _FEW):
        yield dots(points, class_)
