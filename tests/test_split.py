"""The split: every row in one part, every class in every part, drawn from nothing but the classes and the seed."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from veritable.tables.split import split_rows

PARTS = ("train", "valid", "test")


@st.composite
def problems(draw: st.DrawFn) -> tuple[np.ndarray, float, float, int]:
    """Class codes with three rows or more each in any order, shares and a seed."""
    counts = draw(st.lists(st.integers(3, 60), min_size=1, max_size=5))
    y = np.array(draw(st.permutations(np.repeat(np.arange(len(counts)), counts).tolist())))
    valid = draw(st.floats(0.01, 0.98))
    test = draw(st.floats(0.01, 0.99 - valid))
    return y, valid, test, draw(st.integers(0, 2**32 - 1))


@given(problems())
def test_every_row_in_one_part(problem: tuple[np.ndarray, float, float, int]) -> None:
    """The parts are disjoint, and together they are the table."""
    y, valid, test, seed = problem
    parts = split_rows(y, valid=valid, test=test, seed=seed)
    assert PARTS == tuple(parts)
    np.testing.assert_array_equal(np.arange(len(y)), np.sort(np.concatenate(list(parts.values()))))


@given(problems())
def test_stratified(problem: tuple[np.ndarray, float, float, int]) -> None:
    """Every part has a row of every class, and its share of the class's rows to within one row where there are enough."""
    y, valid, test, seed = problem
    parts = split_rows(y, valid=valid, test=test, seed=seed)
    for rows in (y == code for code in np.unique(y)):
        counts = {name: int(rows[parts[name]].sum()) for name in PARTS}
        assert min(counts.values()) >= 1
        due = {"valid": valid * rows.sum(), "test": test * rows.sum()}
        if min(*due.values(), rows.sum() - sum(due.values())) >= 1:
            assert [] == [name for name in due if abs(counts[name] - due[name]) > 1]


@given(problems())
def test_same_seed_same_split(problem: tuple[np.ndarray, float, float, int]) -> None:
    """The same classes and seed give the same rows in the same order, whatever was drawn from global states meanwhile."""
    y, valid, test, seed = problem
    first = split_rows(y, valid=valid, test=test, seed=seed)
    np.random.random(3)  # noqa: NPY002  the global state is the point
    second = split_rows(y.copy(), valid=valid, test=test, seed=seed)
    for name in PARTS:
        np.testing.assert_array_equal(first[name], second[name])


def test_another_seed_another_split() -> None:
    """Another seed puts other rows into each part."""
    y = np.arange(300) % 2
    one, two = (split_rows(y, valid=0.2, test=0.2, seed=seed) for seed in (1, 2))
    for name in PARTS:
        assert set(one[name]) != set(two[name])


def test_rows_stand_in_random_order() -> None:
    """Within a part rows are dealt at random: the first half of it is a fair sample of the classes and of the table."""
    y = np.repeat([0, 1], 500)
    train = split_rows(y, valid=0.2, test=0.2, seed=0)["train"]
    half = train[:300]
    assert 0.4 < y[half].mean() < 0.6
    assert 400 < half.mean() < 600


def test_names_of_codes_do_not_matter() -> None:
    """Only which rows share a class matters, not what their code is."""
    y = np.arange(90) % 3
    one, two = (split_rows(codes, valid=0.3, test=0.2, seed=5) for codes in (y, y * 10 + 7))
    for name in PARTS:
        np.testing.assert_array_equal(one[name], two[name])
