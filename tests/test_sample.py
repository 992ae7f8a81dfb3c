"""Samples of a part, and statistics of single columns."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from veritable.tables.checking.sample import Sample, drift, predictability


def sample(values: object, classes: object = None) -> Sample:
    """Return a sample that holds all rows of one column."""
    column = np.asarray(values, dtype=float)
    one = Sample.empty(10**6, len(column), 0)
    one.add([column], np.zeros(len(column), dtype=int) if classes is None else np.asarray(classes), np.arange(len(column)))
    return one


@given(st.lists(st.integers(1, 400), min_size=1, max_size=6), st.integers(10, 300))
def test_batches_do_not_matter(sizes: list[int], max_rows: int) -> None:
    """The rows that are drawn do not depend on the batches; they are about `max_rows`, or all if the part has fewer."""
    rows = np.arange(sum(sizes))
    one, many = (Sample.empty(max_rows, len(rows), 3) for _ in range(2))
    one.add([rows * 1.0], rows % 2, rows)
    for piece in np.split(rows, np.cumsum(sizes)[:-1]):
        many.add([piece * 1.0], piece % 2, piece)
    np.testing.assert_array_equal(one.values[0], many.values[0])
    np.testing.assert_array_equal(one.classes, many.classes)
    np.testing.assert_array_equal(one.values[0] % 2, one.classes)
    drawn = len(one.classes)
    assert len(rows) == drawn if len(rows) <= max_rows else abs(drawn - max_rows) < 6 * max_rows**0.5


def test_a_copy_of_the_target_predicts_it() -> None:
    """A column made from the class predicts it perfectly, and a column of noise by chance."""
    draw = np.random.default_rng(0)
    classes = draw.integers(0, 3, 3000)
    noise = draw.normal(size=3000)
    for coded, column in ((True, classes), (False, classes * 2.5), (False, classes + 0.3 * np.clip(noise, -1, 1))):
        train, test = (sample(column[half], classes[half]) for half in (slice(0, 2000), slice(2000, None)))
        assert 1.0 == pytest.approx(predictability(train, test, 0, coded=coded, n_classes=3), abs=0.01)
    train, test = (sample(noise[half], classes[half]) for half in (slice(0, 2000), slice(2000, None)))
    assert 1 / 3 == pytest.approx(predictability(train, test, 0, coded=False, n_classes=3), abs=0.08)


def test_known_recall() -> None:
    """With recalls of 3/4 and 1, the mean recall is 7/8, whatever the sizes of the classes."""
    train = sample([0, 0, 0, 1] * 10 + [1] * 10, [0] * 40 + [1] * 10)
    test = sample([0, 0, 0, 1] * 100 + [1] * 7, [0] * 400 + [1] * 7)
    assert 7 / 8 == predictability(train, test, 0, coded=True, n_classes=2)


def test_missing_and_unseen_values() -> None:
    """A missing value can predict the class; a value that train lacks predicts none; with one class in test, the score is 0."""
    train = sample([np.nan] * 9 + [5] * 9, [0] * 9 + [1] * 9)
    assert 1.0 == predictability(train, sample([np.nan, 5], [0, 1]), 0, coded=True, n_classes=2)
    assert 0.5 == predictability(train, sample([np.nan, 77], [0, 1]), 0, coded=True, n_classes=2)
    assert 0.0 == predictability(train, sample([5, 5], [1, 1]), 0, coded=True, n_classes=2)


def test_no_drift() -> None:
    """The index of samples from the same distribution is close to its expected value."""
    draw = np.random.default_rng(1)
    found = [drift(sample(draw.normal(size=4000)), sample(draw.normal(size=1000)), 0, coded=False) for _ in range(30)]
    noise = found[0][1]
    assert 11 * (1 / 4000 + 1 / 1000) * 0.5 < noise < 11 * (1 / 4000 + 1 / 1000)
    assert noise == pytest.approx(np.mean([shift for shift, _ in found]), rel=0.35)


def test_drift_by_hand() -> None:
    """The index is the sum of (p - q) ln(p / q) over the bins."""
    train, test = sample([0] * 5000 + [1] * 5000), sample([0] * 8000 + [1] * 2000)
    by_hand = (0.5 - 0.8) * np.log(0.5 / 0.8) + (0.5 - 0.2) * np.log(0.5 / 0.2)
    assert by_hand == pytest.approx(drift(train, test, 0, coded=True)[0], rel=0.01)


def test_drift_of_gaps() -> None:
    """More missing values are drift, and so is a shift; an empty part is not."""
    values = np.arange(1000.0)
    assert 0.25 < drift(sample(values), sample(np.where(values % 2, np.nan, values)), 0, coded=False)[0]
    assert 0.25 < drift(sample(values), sample(values + 300), 0, coded=False)[0]
    assert (0.0, 0.0) == drift(sample(values), sample([]), 0, coded=False)
    assert 0.01 > drift(sample([np.nan] * 100), sample([np.nan] * 100), 0, coded=False)[0]
