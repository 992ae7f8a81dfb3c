"""Bars and forests are readable for any names and numbers."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.pictures import assert_readable, count, parse, texts
from tests.rooms import HOSTILE
from veritable.figures.axes import Axis
from veritable.figures.bars import Bar, Difference, draw_bars, draw_forest

NAMES = st.text(max_size=90)
BARS = st.lists(st.builds(Bar, NAMES, st.floats(), st.floats(), st.floats()), max_size=12)


@settings(max_examples=60)
@given(BARS, NAMES)
def test_any_bars(bars: list[Bar], title: str) -> None:
    """Any names and numbers, also none and infinite ones, give a picture with a bar each in which no text is cut or covered."""
    figure = draw_bars(title, bars, Axis(title))
    assert len(bars) == count(figure, "bar")
    assert_readable(figure)


@settings(max_examples=60)
@given(st.lists(st.builds(Difference, NAMES, *[st.floats()] * 3, st.sampled_from(["better", "worse", "open"])), max_size=12))
def test_any_forest(differences: list[Difference]) -> None:
    """The same holds for a forest."""
    assert_readable(draw_forest("Since v1", differences, Axis("difference")))


def test_lengths() -> None:
    """Bars are as long as their values, from 0, to either side."""
    figure = draw_bars("", [Bar("a", 2.0), Bar("b", 1.0), Bar("c", -1.0)], Axis("x"))
    bars = [each for each in parse(figure).iter() if each.get("class") == "bar c1"]
    widths, starts = ([float(each.get(name, "")) for each in bars] for name in ("width", "x"))
    assert widths[0] == pytest.approx(2 * widths[1], abs=0.2) and widths[1] == pytest.approx(widths[2], abs=0.2)
    assert starts[0] == starts[1] == pytest.approx(starts[2] + widths[2], abs=0.2)


def test_words() -> None:
    """A forest says in words and with its sign what each difference means."""
    figure = draw_forest(
        "Since v1",
        [Difference("Log loss", -0.0092, -0.01, -0.008, "better"), Difference("F1", 0.0, -1.0, 1.0, "open")],
        Axis("difference"),
    )
    assert {"−0.00920  ▲ better", "0  not shown"} <= set(texts(figure))
    assert ["better", "not shown"] == figure.data["outcome"]


def test_hostile_names() -> None:
    """Names of a table, however long, stand beside their bars."""
    assert_readable(
        draw_bars("", [Bar(name, 1.0) for name in (*HOSTILE, "x" * 60, "😀" * 30, "שלום עולם" * 9)], Axis("y" * 200))
    )
