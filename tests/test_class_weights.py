"""Weights of rows and classes, and rows for classes that a part lacks."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.utils.class_weight import compute_sample_weight

from tests.rooms import numbers_part
from veritable.training.class_weights import row_weights, weigh

PART = numbers_part(100, 1, 3)
WEIGHT = np.random.default_rng(0).exponential(size=100)


def test_none() -> None:
    """Without class weights, the rows keep their weights."""
    assert row_weights(PART, "none", 3) is None
    np.testing.assert_array_equal(WEIGHT, row_weights(replace(PART, weight=WEIGHT), "none", 3))


def test_balanced() -> None:
    """Balanced classes have the weights of scikit-learn, multiplied by the row weights; their total weights are equal."""
    np.testing.assert_allclose(compute_sample_weight("balanced", PART.y), row_weights(PART, "balanced", 3), rtol=1e-6)
    found = row_weights(replace(PART, weight=WEIGHT), "balanced", 3)
    assert found is not None
    np.testing.assert_allclose(WEIGHT.sum() / 3, np.bincount(PART.y, found), rtol=1e-6)


@pytest.mark.parametrize("class_weight", ["none", "balanced"])
@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["equal", "weighted"])
@pytest.mark.parametrize("absent", [0, 2])
def test_a_class_absent(class_weight: str, weight: np.ndarray | None, absent: int) -> None:
    """A class that a part lacks gets one row of mean numbers and of weight 1, the mean weight of the other rows."""
    part = replace(PART, weight=weight, unit=PART.row.astype(np.uint64)).take(np.flatnonzero(PART.y != absent))
    found = weigh(part, class_weight, 3)
    assert len(part) + 1 == len(found)
    assert (absent, [0, 0, 0, 0]) == (found.y[-1], found.X[-1].tolist())
    for name in ("row", "y", "X", "unit"):
        np.testing.assert_array_equal(getattr(part, name), getattr(found, name)[:-1])
        assert getattr(part, name).dtype == getattr(found, name).dtype
    expected = row_weights(part, class_weight, 3)
    if expected is None:
        assert found.weight is None
    else:
        np.testing.assert_allclose([*(expected / expected.mean()), 1], found.weight, rtol=1e-12)


def test_all_classes() -> None:
    """A part with a row of every class gets no other rows."""
    assert PART.row.tolist() == weigh(PART, "balanced", 3).row.tolist()
