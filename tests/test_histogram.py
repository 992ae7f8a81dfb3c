"""A histogram shows the share of each part in each bin."""

import pytest

from tests.pictures import assert_readable, count, parse, texts
from tests.rooms import HOSTILE
from veritable.figures.axes import Axis
from veritable.figures.histogram import draw_histogram


def test_shares() -> None:
    """Bars are as tall as the shares of the first part, and other parts are outlines."""
    figure = draw_histogram("Age", [0, 1, 2, 4], {"train": [10, 20, 10], "test": [1, 1, 2]}, Axis("age"))
    heights = [float(each.get("height", "")) for each in parse(figure).iter() if each.get("class") == "bar c1 pale"][:3]
    assert heights[1] == pytest.approx(2 * heights[0], abs=0.2)
    assert [0.25, 0.5, 0.25, 0.25, 0.25, 0.5] == figure.data["share"]
    assert 1 + 1 == count(figure, "c2", "path") + count(figure, "c2", "line")  # the outline, and its sample in the legend
    assert ["train", "test"] == texts(figure)[-2:]
    assert_readable(figure)


def test_one_part() -> None:
    """A single part has no legend."""
    assert "rows" not in texts(draw_histogram("Age", [0, 1, 2], {"rows": [1, 3]}, Axis("age")))


@pytest.mark.parametrize("edges", [[0, 0], [1e300, 1.1e300], [-1e-300, 0, 1e-300]])
def test_any_edges(edges: list[float]) -> None:
    """Bins of any width, also without rows, are drawn."""
    for name in HOSTILE:
        assert_readable(draw_histogram(name, edges, {name: [0] * (len(edges) - 1), "b": [1] * (len(edges) - 1)}, Axis(name)))
