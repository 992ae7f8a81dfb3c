"""Lines are drawn for any points, with a legend, marks and a rule."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.pictures import assert_readable, count, count_dots, parse, texts
from tests.rooms import HOSTILE
from veritable.figures.axes import Axis
from veritable.figures.lines import Mark, Series, draw_lines

POINTS = st.lists(st.tuples(st.floats(), st.floats()), max_size=20)


@settings(max_examples=60)
@given(st.lists(st.tuples(st.text(max_size=70), POINTS, st.booleans()), min_size=1, max_size=10), st.text(max_size=90))
def test_any_lines(lines: list[tuple[str, list[tuple[float, float]], bool]], title: str) -> None:
    """Any names and points give a picture in which no text is cut or covered."""
    series = [Series(name, [x for x, _ in points], [y for _, y in points], faint=faint) for name, points, faint in lines]
    assert_readable(draw_lines(title, series, Axis(title), Axis(title)))


def test_legend() -> None:
    """Several lines, marks and rules are named; a single line is not."""
    one = Series("classifier", [0, 1], [0, 1])
    assert "classifier" not in texts(draw_lines("", [one], Axis("x"), Axis("y")))
    figure = draw_lines(
        "",
        [one, Series("v1", [0, 1], [1, 0], faint=True)],
        Axis("x"),
        Axis("y"),
        marks=[Mark("here", 0.5, 0.5)],
        rule=("kept", 1),
    )
    assert ["classifier", "v1", "here", "kept"] == texts(figure)[-4:]
    assert 2 == count_dots(figure, "mark")  # in the plot and in the legend
    assert_readable(figure)


def test_many_names() -> None:
    """A dozen hostile names fit into the legend."""
    assert_readable(draw_lines("", [Series(name, [0, 1], [0, 1]) for name in HOSTILE], Axis("x"), Axis("y")))


def test_places() -> None:
    """Points are at their places: the line of equal axes has constant slope, and a missing point is left out."""
    figure = draw_lines("", [Series("a", [0, 0.5, math.nan, 1], [0, 0.5, 0.7, 1])], Axis("x", 0, 1), Axis("y", 0, 1))
    [line] = [each.get("d", "") for each in parse(figure).iter() if each.get("class") == "line c1"]
    points = [tuple(map(float, each.split())) for each in line[1:].split("L")]
    assert 3 == len(points)
    (x0, y0), (x1, y1), (x2, y2) = points
    assert (x0 + x2) / 2 == pytest.approx(x1, abs=0.1) and (y0 + y2) / 2 == pytest.approx(y1, abs=0.1)
    assert x2 > x0 and y2 < y0


def test_a_single_point_is_seen() -> None:
    """A line of one point is drawn as a dot."""
    assert 1 == count_dots(draw_lines("", [Series("loss", [1], [0.5])], Axis("epoch"), Axis("loss")), "c1")


def test_intervals_and_shares() -> None:
    """Each point has its interval, and each x of the first line the share of its rows."""
    figure = draw_lines("", [Series("a", [0, 1], [0.4, 0.6], [0.3, 0.5], [0.5, 0.7])], Axis("x"), Axis("y"), shares=[0.2, 0.8])
    assert (2, 2) == (count(figure, "whisker", "line"), count(figure, "bar"))
    assert {"low", "high", "share of rows"} <= set(figure.data)
    assert "series,x,y,low,high,share of rows" == figure.csv.splitlines()[0]
