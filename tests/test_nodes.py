"""Trees as arrays: unsound ones are refused before compiled code walks them."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from veritable.models.nodes import Nodes

SOUND = Nodes(  # one tree of two splits, the second by the codes 1, 2 and 5, and one of a single leaf
    root=np.array([0, 5]),
    column=np.array([0, 1, -1, -1, -1, -1]),
    threshold=np.array([0.5, 0.0, 0.0, 0.0, 0.0, 0.0]),
    left=np.array([1, 3, 0, 1, 2, 3]),
    right=np.array([2, 4, -1, -1, -1, -1]),
    codes={1: np.array([1, 2, 5])},
)


def test_reach() -> None:
    """A row goes to the left up to a threshold, or with one of the codes."""
    X = np.array([[0.5, code] for code in range(8)] + [[0.6, 1]], dtype=np.float32)
    first, second = SOUND.reach(X)
    assert [4, 3, 3, 4, 4, 3, 4, 4, 2] == first.tolist()
    assert [5] * 9 == second.tolist()


def test_sound() -> None:
    """Sound nodes pass; the depth of a node counts the nodes above it."""
    SOUND.check(4)
    SOUND.check_width(2)
    assert [0, 1, 1, 2, 2, 0] == SOUND.depth.tolist()


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"root": [0, 6]}, "roots"),
        ({"root": [1, 5]}, "roots"),
        ({"root": [5, 0]}, "roots"),
        ({"root": []}, "roots"),
        ({"left": [0, 3, 0, 1, 2, 3]}, "later nodes"),  # a cycle
        ({"left": [99_999_999, 3, 0, 1, 2, 3]}, "later nodes"),
        ({"left": [-2_000_000, 3, 0, 1, 2, 3]}, "later nodes"),
        ({"right": [5, 4, -1, -1, -1, -1]}, "later nodes"),  # a node of another tree
        ({"right": [1, 4, -1, -1, -1, -1]}, "one parent"),
        ({"column": [-1, 1, -1, -1, -1, -1]}, "one parent"),
        ({"left": [1, 3, 0, 1, 2, 4]}, "leaves from 0 to 3"),
        ({"left": [1, 3, -1, 1, 2, 3]}, "leaves from 0 to 3"),
    ],
)
def test_unsound(change: dict[str, Any], rule: str) -> None:
    """Nodes that would send the walk astray, in a circle, or to a leaf that does not exist are refused."""
    with pytest.raises(ValueError, match=f"^must hold .*{rule}"):
        replace(SOUND, **{name: np.array(values, dtype=np.int64) for name, values in change.items()}).check(4)


def test_too_few_columns() -> None:
    """Rows that lack a column that the trees split are refused."""
    with pytest.raises(ValueError, match="must hold trees that split columns from 0 to 0, but they split others"):
        next(SOUND.reach(np.zeros((1, 1), dtype=np.float32)))
