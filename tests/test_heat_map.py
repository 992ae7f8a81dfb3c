"""A heat map shows every cell that is not empty, for up to a hundred names."""

import numpy as np
import pytest

from tests.pictures import assert_readable, parse, texts
from tests.rooms import HOSTILE
from veritable.figures.heat_map import draw_heat_map


def cells(svg: str, kind: str) -> int:
    """Count cells of a kind."""
    return sum(part.count("h1v1") for part in svg.split("<path ") if f'"cell {kind}"' in part)


@pytest.mark.parametrize("n", [1, 11, 26, 100])
def test_cells(n: int) -> None:
    """Each cell that is not empty is drawn, right ones apart from wrong ones; names do not cover each other."""
    counts = np.random.default_rng(0).poisson(0.3, (n, n)) + 5 * np.eye(n, dtype=int)
    names = [f"class number {i}" for i in range(n)]
    figure = draw_heat_map("Confusion", names, counts.tolist())
    assert (n, int((counts > 0).sum()) - n) == (cells(figure.svg, "right"), cells(figure.svg, "wrong"))
    assert 2 * n + 2 == len(texts(figure))
    assert ["predicted →", "actual ↓"] == texts(figure)[:2]
    assert_readable(figure)
    assert len(figure.svg) < 120_000
    assert counts.sum() == sum(figure.data["rows"])


def test_short_names_leave_room_for_the_titles() -> None:
    """The titles of rows and columns are whole if the names are single letters."""
    assert ["predicted →", "actual ↓"] == texts(draw_heat_map("", ["a", "b"], [[1, 0], [0, 1]]))[:2]


def test_darker_is_more() -> None:
    """A cell is the darker the larger its share of the row."""
    figure = draw_heat_map("", ["a", "b"], [[90, 10], [50, 50]])
    opacity = {
        (each.get("class"), each.get("d", "")[:4]): float(each.get("fill-opacity", ""))
        for each in parse(figure).iter()
        if each.get("fill-opacity")
    }
    assert (
        opacity["cell right", "M0 0"]
        > opacity["cell right", "M1 1"]
        == opacity["cell wrong", "M0 1"]
        > opacity["cell wrong", "M1 0"]
    )


def test_several_classes_together() -> None:
    """Where the last name stands for several classes, its diagonal cell is neither right nor wrong."""
    figure = draw_heat_map("", ["a", "(9 others)"], [[1, 0], [0, 7]], mixed=True)
    assert (1, 1, 0) == tuple(cells(figure.svg, kind) for kind in ("right", "mixed", "wrong"))


def test_hostile_names() -> None:
    """Names of any kind fit."""
    n = len(HOSTILE)
    assert_readable(draw_heat_map("", HOSTILE, np.eye(n, dtype=int).tolist()))
