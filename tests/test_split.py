"""Rules of the split: it depends on the classes of the rows, their order and the seed alone."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sources import refusal
from veritable.errors import TableError
from veritable.tables.splitting import split
from veritable.tables.splitting.split import (
    EXCLUDED,
    PARTS,
    TEST,
    TRAIN,
    VALID,
    Repeats,
    count_parts,
    deal,
    deal_rows,
    find_frequent,
    find_repeats,
    separate_frequent,
    split_by_time,
)

LABELS = ["a", "b", "c", "d", "e"]
Problem = tuple[np.ndarray, float, float, int]


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    """Draw class codes with at least three rows each, in any order, the shares of valid and test, and a seed."""
    counts = draw(st.lists(st.integers(3, 60), min_size=1, max_size=5))
    y = np.array(draw(st.permutations(np.repeat(np.arange(len(counts)), counts).tolist())))
    valid = draw(st.floats(0.01, 0.98))
    test = draw(st.floats(0.01, 0.99 - valid))
    return y, valid, test, draw(st.integers(0, 2**32 - 1))


def dealt(y: np.ndarray, valid: float = 0.2, test: float = 0.2, seed: int = 0) -> np.ndarray:
    """Deal all rows, none of which repeats another."""
    return deal(y, LABELS, np.ones(len(y), dtype=bool), valid=valid, test=test, seed=seed)


def shares(parts: np.ndarray) -> list[float]:
    return [float((parts == code).mean()) for code in (TRAIN, VALID, TEST)]


@given(problems())
def test_stratified(problem: Problem) -> None:
    """Every part has each class; valid and test have their share of it to within two rows, or four with unusual shares."""
    y, valid, test, seed = problem
    parts = dealt(y, valid, test, seed)
    assert {TRAIN, VALID, TEST} == set(parts.tolist())
    for code in np.unique(y):
        own = parts[y == code]
        counts = np.bincount(own, minlength=3)
        assert 1 <= counts.min()
        tolerance = 2 if valid <= 0.3 and test <= 0.3 else 4  # however small a share is, a class gives the part a row
        assert tolerance >= abs(counts[VALID] - valid * len(own))
        assert tolerance >= abs(counts[TEST] - test * len(own))


@pytest.mark.parametrize(("valid", "test"), [(0.2, 0.2), (0.49, 0.49), (0.01, 0.9), (0.05, 0.013), (0.333, 0.333), (0.2, 0.0)])
def test_shares_of_a_large_class(valid: float, test: float) -> None:
    """Rounding errors do not add up over a large class, whatever the shares."""
    counts = np.bincount(dealt(np.zeros(100_003, dtype=np.int64), valid, test), minlength=3)
    assert 2 >= abs(counts[VALID] - valid * 100_003)
    assert 2 >= abs(counts[TEST] - test * 100_003)


@given(problems(), st.integers(1, 20))
def test_rows_added_at_the_end_move_no_earlier_row(problem: Problem, first: int) -> None:
    """The parts of the first rows do not depend on the rows behind them, which may have more classes."""
    y, valid, test, seed = problem
    prefix = dealt(y[:first], valid, test, seed)
    np.testing.assert_array_equal(prefix, dealt(y, valid, test, seed)[: len(prefix)])


@given(problems(), st.integers(1, 20))
def test_batches_do_not_matter(problem: Problem, rows: int) -> None:
    """The parts do not depend on the number of rows that are dealt at once."""
    y, valid, test, seed = problem
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(split, "_ROWS_AT_ONCE", rows)
        piecemeal = dealt(y, valid, test, seed)
    np.testing.assert_array_equal(dealt(y, valid, test, seed), piecemeal)


@given(problems())
def test_a_new_class_moves_no_row_of_another(problem: Problem) -> None:
    """The parts of a class depend on its name, not its code: another class before it moves none of its rows."""
    y, valid, test, seed = problem
    more = np.concatenate([[0, 0, 0], y + 1])
    after = deal(more, ["A", *LABELS], np.ones(len(more), dtype=bool), valid=valid, test=test, seed=seed)
    np.testing.assert_array_equal(dealt(y, valid, test, seed), after[3:])


@given(problems())
def test_same_seed_same_split(problem: Problem) -> None:
    """The same classes and seed give the same parts, whatever the state of the global generators."""
    y, valid, test, seed = problem
    first = dealt(y, valid, test, seed)
    np.random.random(3)  # noqa: NPY002  the global state is the point
    np.testing.assert_array_equal(first, dealt(y.copy(), valid, test, seed))


def test_another_seed_another_split() -> None:
    """Another seed puts different rows into each part."""
    one, two = (dealt(np.arange(300) % 2, seed=seed) for seed in (1, 2))
    for code in (TRAIN, VALID, TEST):
        assert set(np.flatnonzero(one == code)) != set(np.flatnonzero(two == code))


def test_dealt_all_over_the_table() -> None:
    """Each half of the table, and every fifth row, has its share of each part."""
    parts = dealt(np.zeros(50_000, dtype=np.int64), seed=3)
    for rows in (parts[:25_000], parts[25_000:], *(parts[slot::5] for slot in range(5))):
        assert [0.6, 0.2, 0.2] == pytest.approx(shares(rows), abs=0.02)


def test_repeats_are_not_counted() -> None:
    """A unit of many rows is dealt once, with its first row."""
    keys = np.arange(3000, dtype=np.uint64) // np.uint64(3)
    repeats, firsts = find_repeats(lambda: [keys], len(keys))
    leads = np.ones(len(keys), dtype=bool)
    leads[repeats] = False
    parts = deal(np.zeros(3000, dtype=np.int64), LABELS, leads, valid=0.2, test=0.2, seed=0)
    assert 2000 == (parts == EXCLUDED).sum()
    parts[repeats] = parts[firsts]
    assert (parts.reshape(-1, 3) == parts[::3, None]).all()
    assert [600, 200, 200] == np.bincount(parts[::3]).tolist()


def test_without_test() -> None:
    """With a share of 0 for test, rows are dealt to train and valid alone, and the second row of a class to valid."""
    parts = dealt(np.zeros(100, dtype=np.int64), valid=0.2, test=0.0)
    assert [TRAIN, VALID] == parts[:2].tolist()
    assert [80, 20] == np.bincount(parts).tolist()


@given(st.lists(st.integers(0, 30), max_size=80), st.integers(1, 9), st.integers(1, 90))
def test_repeats_like_pandas(values: list[int], rows: int, at_once: int) -> None:
    """Repeats are the rows that pandas calls duplicated, with the first row of their key, however often the keys are read."""
    keys = np.array(values, dtype=np.uint64)
    batches = [keys[start : start + rows] for start in range(0, len(keys), rows)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(split, "_KEYS_AT_ONCE", at_once)
        repeats, firsts = find_repeats(lambda: batches, len(keys))
    series = pd.Series(values)
    assert series.index[series.duplicated()].tolist() == sorted(repeats.tolist())
    first_of = {value: place for place, value in reversed(list(enumerate(values)))}
    assert {repeat: first_of[values[repeat]] for repeat in repeats.tolist()} == dict(
        zip(repeats.tolist(), firsts.tolist(), strict=True)
    )


@given(st.lists(st.tuples(st.integers(0, 9), st.booleans()), max_size=60))
def test_repeats_among_some_rows(rows: list[tuple[int, bool]]) -> None:
    """The repeats among a subset of the rows are those of a table that holds this subset alone."""
    keys, chosen = np.array([key for key, _ in rows], dtype=np.uint64), np.array([each for _, each in rows], dtype=bool)
    found = find_repeats(lambda: [keys], len(keys)).among(chosen)
    subset = np.flatnonzero(chosen)
    alone = find_repeats(lambda: [keys[subset]], len(subset))
    assert set(zip(subset[alone.rows], subset[alone.firsts], strict=True)) == set(zip(found.rows, found.firsts, strict=True))


def frequent_sizes(sizes: list[int], singles: int, smallest_part: float, y: np.ndarray | None = None) -> list[int]:
    """Return the sizes of the frequent units in a table with units of these sizes and single rows."""
    keys = np.repeat(np.arange(len(sizes) + singles, dtype=np.uint64), [*sizes, *[1] * singles])
    codes = np.zeros(len(keys), dtype=np.int16) if y is None else y
    firsts = find_frequent(find_repeats(lambda: [keys], len(keys)), codes, np.ones(len(keys), dtype=bool), smallest_part)
    return [int((keys == keys[first]).sum()) for first in firsts]


def test_frequent_units() -> None:
    """A frequent unit has 1 % of the smallest part, and ten rows."""
    assert [20, 30] == frequent_sizes([19, 20, 30], 10_000, 2000)
    assert [12] == frequent_sizes([9, 12], 1000, 200)
    assert [10] == frequent_sizes([9, 10], 60, 12)
    assert [] == frequent_sizes([], 100, 20)


def test_units_of_usual_size_are_not_frequent() -> None:
    """A frequent unit has ten times the rows of the mean unit of its class, or a tenth of the rows of its class."""
    assert [] == frequent_sizes([20] * 500, 0, 2000)
    assert [400] == frequent_sizes([20] * 480 + [400], 0, 2000)
    assert [200] * 5 == frequent_sizes([200] * 5, 0, 200)
    oversampled = np.repeat([0, 1], [5000, 5000]).astype(np.int16)
    assert [] == frequent_sizes([100] * 50, 5000, 2000, oversampled)
    assert [100] * 50 == frequent_sizes([100] * 50, 5000, 2000, np.zeros(10_000, dtype=np.int16))


def test_frequent_rows_get_keys_of_their_own() -> None:
    """Each frequent row gets a key of its own, and the other rows keep theirs."""
    keys = np.repeat(np.arange(301, dtype=np.uint64), [30, 5, *[1] * 299])
    separate = separate_frequent(keys, np.zeros(len(keys), dtype=np.int16), 100)
    assert 30 == len(np.unique(separate[:30]))
    np.testing.assert_array_equal(keys[30:], separate[30:])


@given(st.lists(st.integers(0, 2), min_size=10, max_size=80), st.floats(0.05, 0.45), st.floats(0, 0.45), st.integers(0, 99))
def test_rows_of_a_unit_are_dealt(codes: list[int], valid: float, test: float, seed: int) -> None:
    """Valid and test get their shares of each class of a unit to within two rows, and later rows move no earlier row."""
    y = np.array(codes)
    unit = Repeats(np.arange(1, len(y)), np.zeros(len(y) - 1, dtype=np.int64))
    rows, parts = deal_rows(unit, y, LABELS, valid=valid, test=test, seed=seed)
    assert list(range(len(y))) == rows.tolist()
    for code in np.unique(y):
        own = parts[y == code]
        assert 2 >= abs((own == VALID).sum() - valid * len(own))
        assert 2 >= abs((own == TEST).sum() - test * len(own))
    shorter = Repeats(unit.rows[:5], unit.firsts[:5])
    np.testing.assert_array_equal(parts[:6], deal_rows(shorter, y, LABELS, valid=valid, test=test, seed=seed)[1])


@given(st.lists(st.integers(0, 12), min_size=3, max_size=60), st.floats(0.05, 0.45), st.floats(0.05, 0.45))
def test_split_by_time(values: list[int], valid: float, test: float) -> None:
    """All rows of train are before those of valid, and these before those of test, so equal times are together."""
    times = np.array(values, dtype=float)
    try:
        parts = split_by_time(times, "when", valid=valid, test=test)
    except TableError as error:
        assert "the time column 'when' must have enough different times" in str(error)
        return
    assert {TRAIN, VALID, TEST} == set(parts.tolist())
    assert times[parts == TRAIN].max() < times[parts == VALID].min()
    assert times[parts == VALID].max() < times[parts == TEST].min()


def test_split_by_time_shares() -> None:
    """The parts have their shares where all times differ; a row without a time is in none; times may be in any order."""
    times = np.random.default_rng(0).permutation(np.append(np.arange(100.0), np.nan))
    parts = split_by_time(times, "when", valid=0.1, test=0.3)
    assert [60, 10, 30] == np.bincount(parts, minlength=256)[[TRAIN, VALID, TEST]].tolist()
    assert [EXCLUDED] == parts[np.isnan(times)].tolist()


def test_times_too_few() -> None:
    """Two different times cannot split a table into three parts."""
    message = refusal(lambda: split_by_time(np.array([1.0, 1.0, 2.0, 2.0]), "when", valid=0.2, test=0.2))
    assert "must have enough different times to split the table into train, valid and test, but has 2." in message
    assert "but has 0." in refusal(lambda: split_by_time(np.array([np.nan]), "when", valid=0.2, test=0.2))


def test_counts() -> None:
    """Rows are counted by part and class; rows in no part are not counted."""
    parts = np.array([TRAIN, TRAIN, VALID, TEST, EXCLUDED, TRAIN], dtype=np.uint8)
    classes = np.array([0, 1, 1, 0, 1, 1])
    assert [[1, 2], [0, 1], [1, 0]] == count_parts(parts, classes, ["a", "b"], "x").tolist()


def test_empty_part() -> None:
    """A part without rows is named."""
    message = refusal(lambda: count_parts(np.array([0, 0, 1], np.uint8), np.array([0, 1, 0]), ["a", "b"], "the split"))
    assert message.startswith("the split must leave rows for every part, but test has none (train 2, valid 1, test 0).")
    assert ("train", "valid", "test") == PARTS


def test_one_class_in_train() -> None:
    """A train part of one class is refused."""
    y = np.array([1, 1, 0, 0])
    message = refusal(lambda: count_parts(np.array([0, 0, 1, 2], np.uint8), y, ["a", "b"], "the split by time"))
    assert "the train part must have at least two classes, but the split by time leaves it 1: 'b' (2 rows)." in message
