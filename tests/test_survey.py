"""Measuring a column batch by batch."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from veritable.tables.splitting.hashing import EXACT_DISTINCT, DistinctCounter
from veritable.tables.typing import survey as module
from veritable.tables.typing.form import Form
from veritable.tables.typing.survey import OTHER, ColumnSurvey

MISSING = frozenset({"", "?", "NA"})


def surveyed(values: list[object] | pa.Array, rows: int = 10**6, **given: object) -> tuple[ColumnSurvey, np.ndarray]:
    """Return the survey of a column that is measured until nothing changes, and the values that it reads."""
    array = values if isinstance(values, pa.Array) else pa.array(values)
    survey = ColumnSurvey("x", missing=MISSING, **given)  # type: ignore[arg-type]
    batches = [array.slice(start, rows) for start in range(0, len(array), rows)]
    for _ in range(4):
        measured = [survey.update(batch) for batch in batches]
        if not survey.changed:
            break
        survey = survey.again()
    assert not survey.changed
    read = np.concatenate([survey.read(batch) for batch in batches])
    for kept in ([array for array, _ in measured], [array if parsed is None else parsed for array, parsed in measured]):
        np.testing.assert_array_equal(read, np.concatenate([survey.read(batch) for batch in kept]))
    return survey, read


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40), st.integers(1, 9), st.booleans())
def test_numbers(values: list[float], rows: int, as_text: bool) -> None:
    """Numbers, also written as texts, are read exactly, and their range, order and kind are those that numpy finds."""
    found, stored = surveyed([repr(value) for value in values] if as_text else values, rows)
    np.testing.assert_array_equal(values, stored)
    assert (min(values), max(values)) == (found.minimum, found.maximum)
    assert len(set(values)) == found.distinct
    assert int((np.diff(values) < 0).sum()) == found.falls
    assert all(value.is_integer() for value in values) == found.whole
    assert not found.whole or bool((np.diff(values) == 1).all()) == found.steps
    assert (set(values) <= {0.0, 1.0}) == found.binary


@given(
    st.lists(st.none() | st.sampled_from(["a", "b", " a", "?", "", "  ", "ä", "A", "NA "]), min_size=1, max_size=30),
    st.integers(1, 9),
)
def test_texts(values: list[str | None], rows: int) -> None:
    """Texts are read as indices of the levels, which are in the order of the rows and have no blanks around them."""
    found, stored = surveyed(pa.array(values, pa.string()), rows)
    clean = [None if value is None or value.strip() in MISSING else value.strip() for value in values]
    levels = list(dict.fromkeys(value for value in clean if value is not None))
    assert levels == list(found.levels)
    assert clean == [None if np.isnan(place) else levels[int(place)] for place in stored]
    assert (len(values), len(values) - clean.count(None), len(levels)) == (found.rows, found.present, found.distinct)


@pytest.mark.parametrize("rows", [1, 2, 100])
def test_tokens_are_counted_once(rows: int) -> None:
    """Each text that was read as missing is counted once per row, whatever the form of the column."""
    for others in (["1", "2"], ["1", "x"], ["1", "1,234"], ["2020-01-01", "?"]):
        found, _ = surveyed([others[0], "?", " ?", None, "NA", "?", others[1], "  ?"], rows)
        extra = others.count("?")
        assert {"?": 2 + extra, " ?": 1, "NA": 1, "  ?": 1} == dict(found.tokens)


def test_the_last_row_counts() -> None:
    """A text in the last of many batches makes a column of numbers one of texts, from the first row on."""
    found, stored = surveyed([*["1.0", "1", "2"] * 50, "oops"], rows=10)
    assert Form("text") == found.form
    assert ["1.0", "1", "2", "oops"] == list(found.levels)
    assert 3 == stored[-1]


def test_a_late_format_is_read_from_the_start() -> None:
    """A date in the last batch that fits only day first changes how the dates before it are read."""
    found, stored = surveyed([*["01/02/2020"] * 9, "13/02/2020"], rows=3)
    assert (Form("date", "%d/%m/%Y"), False) == (found.form, found.ambiguous)
    assert pd.Timestamp("2020-02-01").timestamp() == stored[0]


@pytest.mark.parametrize("rows", [1, 2, 100])
@pytest.mark.parametrize(
    ("values", "ambiguous"),
    [
        (["01/02/2020", "03/04/2020"], True),
        (["01/02/2020", "13/02/2020"], False),
        (["01/01/2020", "02/02/2020"], False),
        (["02/13/2020", "01/02/2020"], False),
        (["2020-01-02", "2020-03-04"], False),
        (["1,234", "2,345"], True),
    ],
)
def test_ambiguous(values: list[str], ambiguous: bool, rows: int) -> None:
    """A column is ambiguous if two forms read different values."""
    assert ambiguous == surveyed(values, rows)[0].ambiguous


def test_beyond_the_list_of_levels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Levels beyond the limit are read as one, but have different hashes and count as distinct."""
    monkeypatch.setattr(module, "MAX_LEVELS", 3)
    values = pa.array(["a", "b", "c", "d", "e", "d", "a", None])
    survey, stored = surveyed(values)
    keys = survey.hash(values)
    assert [0, 1, 2, OTHER, OTHER, OTHER, 0] == stored[:-1].tolist()
    assert (5, True) == (survey.distinct, survey.overflow)
    assert (keys[3], keys[0]) == (keys[5], keys[6])
    assert 6 == len(set(keys.tolist()))
    assert 3 == survey.words


def test_oddities_of_numbers() -> None:
    """Infinite numbers and whole numbers beyond 2^53 are counted without a warning."""
    found, _ = surveyed(["1e999", "-inf", "inf", "3", "inf"], rows=2)
    assert (4, np.inf, -np.inf) == (found.infinite, found.maximum, found.minimum)
    found, stored = surveyed(pa.array([2**53 + 1, -(2**60), 5], pa.int64()), rows=1)
    assert (2, 5.0) == (found.rounded, stored[2])
    assert 0 == surveyed([2**53 - 1, 5])[0].rounded
    assert 1e308 == surveyed([1e308, -1e308])[0].maximum


def test_rising() -> None:
    """A column is in ascending order if at most one row in a thousand falls."""
    values = np.arange(5000.0)
    assert surveyed(pa.array(values), 100)[0].rising
    values[[10, 20, 30]] = 0
    assert surveyed(pa.array(values), 100)[0].rising
    assert not surveyed(pa.array(np.tile(np.arange(100.0), 50)), 30)[0].rising


def test_declared_form_of_another_type() -> None:
    """Whole numbers declared as texts are the texts that a person would write."""
    found, _ = surveyed(pa.array([1.0, 2.0, None]), form=Form("text"), fixed=True)
    assert ["1", "2"] == list(found.levels)


@given(st.lists(st.integers(0, 2**64 - 1), max_size=200), st.integers(1, 50))
def test_sketch_is_exact_for_few(keys: list[int], rows: int) -> None:
    """Up to 16,383 distinct values are counted exactly."""
    sketch = DistinctCounter()
    for start in range(0, len(keys), rows):
        batch = np.array(keys[start : start + rows], dtype=np.uint64)
        sketch.update(batch, len(batch))
    assert len(set(keys)) == sketch.distinct


@pytest.mark.parametrize("distinct", [EXACT_DISTINCT - 1, EXACT_DISTINCT + 1, 50_000, 300_000])
def test_sketch_is_near_for_many(distinct: int) -> None:
    """More are estimated within 3 %, however often the values occur."""
    draw = np.random.default_rng(distinct)
    keys = draw.integers(0, 2**64 - 1, distinct, dtype=np.uint64)
    sketch = DistinctCounter()
    for _ in range(3):
        for piece in np.array_split(draw.permutation(keys), 20):
            sketch.update(piece, len(piece))
    assert distinct == pytest.approx(sketch.distinct, rel=0.03 if distinct >= EXACT_DISTINCT else 0)
