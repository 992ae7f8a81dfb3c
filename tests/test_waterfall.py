"""A waterfall leads from the base value to the output."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.pictures import assert_readable, count, parse, texts
from tests.rooms import HOSTILE
from veritable.figures.axes import Axis
from veritable.figures.svg import Figure
from veritable.figures.waterfall import MAX_STEPS, Step, draw_waterfall, merge_steps


def drawn(steps: list[Step], base: float = -0.5) -> Figure:
    return draw_waterfall("Row 7", steps, base, Axis("log-odds"), base_name="mean of the train rows", output_name="this row")


def test_bars_lead_to_the_output() -> None:
    """Each bar begins where the last one ended; the first line has the base value and the last one the output."""
    figure = drawn([Step("age", "39", 2.0, 0.1), Step("city", "Rome", -0.5)], 1.0)
    one, two = [each for each in parse(figure).iter() if (each.get("class") or "").startswith("bar")]
    assert ("bar up", "bar down") == (one.get("class"), two.get("class"))
    right, end = (float(each.get("x", "")) + float(each.get("width", "")) for each in (one, two))
    assert right == pytest.approx(end, abs=0.2)
    notes = texts(figure)
    assert {"1.00", "+2 ± 0.1", "−0.5", "2.50"} <= set(notes)
    assert 1 == count(figure, "whisker", "line")


def test_many_columns() -> None:
    """The columns after the twelfth are one step: their sum, without an error."""
    steps = [Step(f"c{i}", "1", 1.0, 0.1) for i in range(20)]
    assert ("8 other columns", 8.0, None) == (
        merge_steps(steps)[-1].column,
        merge_steps(steps)[-1].value,
        merge_steps(steps)[-1].error,
    )
    assert MAX_STEPS + 1 == count(drawn(steps), "bar")
    assert 20 == len(drawn(steps).data["value"])


@settings(max_examples=60)
@given(
    st.lists(st.builds(Step, st.text(max_size=90), st.text(max_size=90), st.floats(-1e9, 1e9), st.floats(0, 1e3)), max_size=15)
)
def test_any_steps(steps: list[Step]) -> None:
    """Any names, cells and values give a picture in which no text is cut or covered."""
    assert_readable(drawn(steps))


def test_hostile_names() -> None:
    """Names and cells of any kind fit, and do not reorder what is around them."""
    figure = drawn([Step(name, name, 1.0) for name in (*HOSTILE, "שלום")])
    assert_readable(figure)
    assert "\u2068שלום\u2069 = \u2068שלום\u2069" in texts(figure)
