"""Dots: a swarm per name, or over two numeric axes, colored by rank or by group."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import isfinite, nan

from veritable.figures.axes import Axis, make_area, make_x_axis
from veritable.figures.bars import Rows
from veritable.figures.style import N_RANKS, N_SERIES
from veritable.figures.svg import WIDTH, Data, Figure, dots, legend, line, picture
from veritable.figures.ticks import Scale

_SWARM_ROW = 26.0
_STEP = 4.0  # between dots that would hide each other
RANKS = [(f"{100 * i // N_RANKS} to {100 * (i + 1) // N_RANKS} %", f"dots r{i + 1}") for i in range(N_RANKS)]


@dataclass(frozen=True)
class Swarm:
    """A named row of dots.

    Attributes
    ----------
    values
        Where the dots are. Shape: (n,)
    ranks
        Color of each dot: 0 (low) to 1 (high), NaN for gray. Shape: (n,)
    """

    name: str
    values: Sequence[float]
    ranks: Sequence[float]


def draw_swarms(
    title: str, swarms: Sequence[Swarm], axis: Axis, *, rank: str = "rank of the value", description: str = ""
) -> Figure:
    """Draw a swarm of dots per name around 0, as shap's beeswarm plot.

    Examples
    --------
    >>> figure = draw_swarms("Values", [Swarm("age", [-1, 0.5], [0.0, 1.0])], Axis("change of the log-odds"))
    >>> figure.data["name"]
    ['age', 'age']
    """
    rows = Rows.fit([swarm.name for swarm in swarms], [], _SWARM_ROW)
    low, high = replace(axis, padded=True).range([0.0, *(value for swarm in swarms for value in swarm.values)])
    scale, bottom = Scale(low, high, rows.left, WIDTH - 10), rows.bottom(len(swarms))
    parts = [*make_x_axis(scale, axis, bottom, rows.top), line(scale(0.0), rows.top, scale(0.0), bottom, "axis")]
    colored: list[tuple[str, tuple[float, float]]] = []
    for i, swarm in enumerate(swarms):
        parts.append(rows.label(i, swarm.name))
        places = [(scale(value), value, rank) for value, rank in zip(swarm.values, swarm.ranks, strict=True) if isfinite(value)]
        offsets = _spread([place for place, _, _ in places])
        colored += [
            (_rank_class(rank), (place, rows.middle(i) + offset))
            for (place, _, rank), offset in zip(places, offsets, strict=True)
        ]
    parts += _by_class(colored)
    shown, taken = legend(_rank_legend(rank, (class_ for class_, _ in colored)), 4, bottom + 44, WIDTH - 8)
    data: Data = {
        "name": [swarm.name for swarm in swarms for _ in swarm.values],
        axis.title: [value for swarm in swarms for value in swarm.values],
        rank: [each for swarm in swarms for each in swarm.ranks],
    }
    return Figure(picture(title, description, WIDTH, bottom + 48 + taken, [*parts, *shown]), data)


def draw_dots(
    title: str,
    x: Axis,
    y: Axis,
    xs: Sequence[float],
    ys: Sequence[float],
    *,
    ranks: Sequence[float] | None = None,
    groups: Sequence[str] | None = None,
    color: str = "",
    description: str = "",
) -> Figure:
    """Draw dots over two numeric axes.

    Parameters
    ----------
    ranks
        Color of each dot: 0 (low) to 1 (high), NaN for gray. Shape: (n,)
    groups
        Or the group of each dot; beyond the eight most frequent, groups are gray. Shape: (n,)
    color
        What the color means.

    Examples
    --------
    >>> figure = draw_dots("Age", Axis("age"), Axis("change"), [20, 60], [-1, 1], groups=["a", "b"], color="city")
    >>> figure.data["city"]
    ['a', 'b']
    """
    kept = [i for i, (a, b) in enumerate(zip(xs, ys, strict=True)) if isfinite(a) and isfinite(b)]
    x, y = replace(x, padded=True), replace(y, padded=True)
    area = make_area(x, y, [xs[i] for i in kept], [ys[i] for i in kept], height=180)
    drawn: list[str] = []
    if area.y.low < 0 < area.y.high:
        drawn.append(line(area.x.start, area.y(0.0), area.x.stop, area.y(0.0), "axis"))
    if groups is not None:
        frequent = [name for name, _ in Counter(groups).most_common(N_SERIES)]
        entries = [(f"{color} = {name}" if i == 0 and color else name, f"dots c{i + 1}") for i, name in enumerate(frequent)]
        classes = [f"c{frequent.index(name) + 1}" if name in frequent else "faint" for name in groups]
        if len(set(groups)) > N_SERIES:
            entries.append(("others", "dots faint"))
    else:
        classes = [_rank_class(each) for each in (ranks if ranks is not None else [nan] * len(xs))]
        entries = _rank_legend(color, classes)
    drawn += _by_class((classes[i], (area.x(xs[i]), area.y(ys[i]))) for i in kept)
    data: Data = {x.title: list(xs), y.title: list(ys)}
    shown = groups if groups is not None else ranks
    if shown is not None:
        data[color or "color"] = list(shown)
    return Figure(area.finish(title, description, drawn, entries), data)


def _rank_class(rank: float) -> str:
    """Return the class of a rank from 0 to 1; gray without a rank."""
    return f"r{min(int(rank * N_RANKS), N_RANKS - 1) + 1}" if isfinite(rank) else "faint"


def _rank_legend(title: str, classes: Iterable[str]) -> list[tuple[str, str]]:
    used = set(classes)
    if not any(each.startswith("r") for each in used):
        return []
    entries = [(f"{title}: low", "dots r1"), ("middle", "dots r3"), ("high", "dots r5")]
    return [*entries, ("no rank", "dots faint")] if "faint" in used else entries


def _by_class(colored: Iterable[tuple[str, tuple[float, float]]]) -> list[str]:
    """Return one path of dots per color, the gray ones first."""
    points: dict[str, list[tuple[float, float]]] = {}
    for class_, point in colored:
        points.setdefault(class_, []).append(point)
    return [dots(points[class_], f"many {class_}") for class_ in sorted(points, key=lambda each: (each != "faint", each))]


def _spread(places: Sequence[float]) -> list[float]:
    """Return how far each dot is moved up or down, so that dots at about the same place do not hide each other."""
    seen: Counter[int] = Counter()
    offsets = []
    for place in places:
        spot = round(place / _STEP)
        turn = seen[spot]
        seen[spot] += 1
        offsets.append((1 if turn % 2 == 0 else -1) * min((turn + 1) // 2 * 1.8, _SWARM_ROW / 2 - 3))
    return offsets
