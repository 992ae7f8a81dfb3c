"""Conditions on the raw columns of a table."""

import itertools

import numpy as np
import pandas as pd
import pytest

from tests.rooms import mixed_table, prepare_frame, prepared
from veritable.evaluation.conditions import MAX_LEVELS, make_conditions

DONE = prepared(300, 2)
TEST = DONE.parts["test"]


def conditions_on(column, done=DONE, part="test"):
    X = done.parts[part].X
    return [each for each in make_conditions(done.encoder, X, np.arange(len(X))) if each.column == column]


def test_a_number_is_cut_at_its_quartiles():
    """A numeric column has four ranges with about as many rows each, and the rows of a range have such values."""
    found = conditions_on("score")
    assert 4 == len(found)
    sizes = [each.rows.sum() for each in found]
    assert max(sizes) - min(sizes) <= 1
    values = mixed_table(300, 2)["score"].to_numpy()[TEST.row]
    for lower, upper in itertools.pairwise(found):
        assert values[lower.rows].max() < values[upper.rows].min()
    assert found[0].text.startswith("up to ")
    assert found[3].text.startswith("above ")


def test_missing_values_and_levels_are_conditions():
    """A category has its levels; missing values are a condition of their own, in numbers too."""
    frame = mixed_table(300, 2).iloc[TEST.row]
    for column in ("colour", "member", "age"):
        found = {each.text: each.rows for each in conditions_on(column)}
        assert frame[column].isna().to_numpy().tolist() == found.get("missing", np.zeros(len(TEST), dtype=bool)).tolist()
        if column != "age":
            levels = set(frame[column].dropna())
            assert levels == set(found) - {"missing"}
            assert all((frame[column] == level).tolist() == found[level].tolist() for level in levels)


def test_the_conditions_of_a_column_hold_every_row_once():
    """Every row fulfils exactly one condition of each column of few levels."""
    for column in ("age", "colour", "member", "score"):
        assert (np.sum([each.rows for each in conditions_on(column)], axis=0) == 1).all()


def test_conditions_are_learned_from_some_rows():
    """Ranges and levels come from the rows that are learned from; other rows are in the nearest range, or in no level."""
    learned = np.flatnonzero(np.isin(TEST.row, np.flatnonzero((mixed_table(300, 2)["colour"] == "red").to_numpy())))
    found = make_conditions(DONE.encoder, TEST.X, learned)
    assert ["red", "missing"] == [each.text for each in found if each.column == "colour"]
    assert len(TEST) == sum(each.rows.sum() for each in found if each.column == "score")


def test_dates_and_many_levels():
    """A date is cut at its quartiles; a category of more than ten levels has its ten most frequent."""
    draw = np.random.default_rng(0)
    rows = 600
    frame = pd.DataFrame(
        {
            "day": [f"2024-{month:02}-{day:02}" for month, day in draw.integers(1, 13, (rows, 2))],
            "town": draw.choice([f"town {n}" for n in range(14)], rows),
            "target": draw.choice(["a", "b"], rows),
        }
    )
    done = prepare_frame(frame)
    days, towns = (conditions_on(column, done, "train") for column in ("day", "town"))
    assert 4 == len(days)
    assert days[0].text.startswith("up to 2024-0")
    assert days[1].text.startswith("after 2024-0")
    assert MAX_LEVELS == len(towns)
    assert sorted((each.rows.sum() for each in towns), reverse=True) == [each.rows.sum() for each in towns]


def test_a_range_of_one_value_is_named_by_it():
    """If more than half of the numbers are the lowest one, the first range is that number; the others are ranges."""
    X = TEST.X.copy()
    score = X[:, DONE.encoder.blocks["score"]]
    column = next(each for each in DONE.encoder.columns if each.name == "score")
    score[: len(X) // 2 + 5] = score.min() - 1
    lowest = column.mean + column.scale * float(score.min())
    found = [each for each in make_conditions(DONE.encoder, X, np.arange(len(X))) if each.column == "score"]
    assert lowest == pytest.approx(float(found[0].text), abs=1e-3)
    assert len(X) // 2 + 5 == found[0].rows.sum()
    assert found[1].text.startswith("above ")


def test_a_constant_has_no_condition():
    """A column with a single value among the rows has no range."""
    X = TEST.X.copy()
    X[:, DONE.encoder.blocks["score"]] = 0
    assert not [each for each in make_conditions(DONE.encoder, X, np.arange(len(X))) if each.column == "score"]
