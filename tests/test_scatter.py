"""Every row has its dot, colored by rank or by group."""

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.pictures import assert_readable, count_dots, texts
from tests.rooms import HOSTILE
from veritable.figures.axes import Axis
from veritable.figures.scatter import Swarm, draw_dots, draw_swarms

draw = np.random.default_rng(0)


@settings(max_examples=60)
@given(st.lists(st.tuples(st.text(max_size=90), st.lists(st.floats(), max_size=20)), max_size=8))
def test_any_swarms(named: list[tuple[str, list[float]]]) -> None:
    """Any names and values give a dot for each finite value, and no text is cut or covered."""
    figure = draw_swarms("", [Swarm(name, values, [0.5] * len(values)) for name, values in named], Axis("change"))
    n_finite = sum(math.isfinite(each) for _, values in named for each in values)
    assert n_finite == count_dots(figure)
    assert_readable(figure)


def test_ranks() -> None:
    """Low values are blue, high ones orange, and a value without a rank is gray."""
    figure = draw_swarms("", [Swarm("age", [1.0, 2.0, 3.0], [0.0, 1.0, math.nan])], Axis("change"))
    assert [1, 1, 1] == [sum("M" in path for path in figure.svg.split(f'many {name}"')[:-1]) for name in ("r1", "r5", "faint")]
    assert {"rank of the value: low", "middle", "high", "no rank"} <= set(texts(figure))


def test_groups() -> None:
    """The eight most frequent groups have colors, and the others are gray."""
    groups = [f"g{i}" for i in range(10) for _ in range(12 - i)]
    n = len(groups)
    figure = draw_dots("", Axis("x"), Axis("y"), list(range(n)), list(range(n)), groups=groups, color="city")
    assert n == count_dots(figure)
    in_legend = 1
    assert 4 + 3 + in_legend == count_dots(figure, "faint")
    assert ["city = g0", *(f"g{i}" for i in range(1, 8)), "others"] == texts(figure)[-9:]


def test_hostile_names() -> None:
    """Axes, groups and titles may have any name."""
    n = len(HOSTILE)
    for name in HOSTILE:
        figure = draw_dots(name, Axis(name), Axis(name), draw.normal(size=n).tolist(), [1e9] * n, groups=HOSTILE, color=name)
        assert_readable(figure)


def test_small() -> None:
    """A beeswarm of 12 columns and 200 rows takes less than 40 KB, and is the same each time."""
    swarms = [Swarm(f"c{i}", draw.normal(size=200).tolist(), draw.random(200).tolist()) for i in range(12)]
    svg = draw_swarms("", swarms, Axis("change")).svg
    assert len(svg) < 40_000
    assert svg == draw_swarms("", swarms, Axis("change")).svg
