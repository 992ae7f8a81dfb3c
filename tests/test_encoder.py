"""Encoding rows as numbers and decoding them, as learned from the train part alone."""

import json
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.rooms import HOSTILE, data_params, encoded, finite, fitted, mixed_table
from tests.sources import refusal
from veritable.stored import parse_json
from veritable.tables.encoding.encoder import Encoder

NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8) | st.sampled_from(HOSTILE)
BOOLEANS = [["yes", "no"], ["Y", "N"], ["true", "false"], ["TRUE", "FALSE"], ["t", "f"], ["1", "0"]]


def texts(values: Iterable[Any]) -> list[str | None]:
    """Return values as texts, missing ones as None."""
    return [None if pd.isna(value) else str(value) for value in values]


@st.composite
def frames(draw: st.DrawFn) -> pd.DataFrame:
    """Generate tables of numbers, categories and booleans with missing values, unusual names and unusual values."""
    rows = draw(st.integers(2, 20))
    columns: dict[str, Any] = {"(one)": [f"{'ab'[i % 2]}" for i in range(rows)]}
    for name in draw(st.lists(NAMES, min_size=1, max_size=4, unique=True)):
        value = draw(st.sampled_from([finite(), st.integers(-5, 5), NAMES, *map(st.sampled_from, BOOLEANS)]))
        values = draw(st.lists(st.none() | value, min_size=rows, max_size=rows))
        columns[name] = pd.Series(values, dtype=float if not any(isinstance(v, str) for v in values) else object)
    return pd.DataFrame(columns)


def test_unseen() -> None:
    """A level that train does not have is code 0 and is reported. So is a missing value if train has none."""
    encoder, contract, _ = fitted(pd.DataFrame({"c": ["a", "b"]}))
    read = encoder.read({"c": pa.array(["a", "new", None, "b"])}, contract, rows=4)
    assert [[1], [0], [0], [2]] == encoder.encode(read.values).tolist()
    assert [False, True, True, False] == read.odd["unseen"]["c"].tolist()


def test_missing_number_unseen() -> None:
    """A number that is missing only in later rows is encoded as the mean."""
    encoder, contract, _ = fitted(pd.DataFrame({"x": [1.0, 3.0]}))
    assert [[0], [1]] == encoded(pd.DataFrame({"x": [None, 3.0]}), encoder, contract).tolist()


@given(frames(), frames())
def test_never_nan(train: pd.DataFrame, later: pd.DataFrame) -> None:
    """Encoded rows are finite float32 and as wide as the names and cardinalities, also for later rows."""
    encoder, contract, X = fitted(train)
    later = later.reindex(columns=train.columns).astype(object)
    later.iloc[:, 0] = later.iloc[:, -1] if len(later.columns) > 1 else None
    for frame in (train, later):
        again = encoded(frame, encoder, contract) if frame is train or all(c.indicator for c in encoder.columns) else X
        assert np.float32 == again.dtype
        assert len(encoder.names) == len(encoder.cardinalities) == again.shape[1]
        assert np.isfinite(again).all()


@given(finite(1e150), finite(1e150), finite(1e150))
def test_far_values_stay_finite(one: float, two: float, later: float) -> None:
    """A later value is encoded as a moderate number, however far it is from the values of train."""
    encoder, contract, _ = fitted(pd.DataFrame({"x": [one, two, 3.0]}), types={"x": "number"})
    frame = pd.DataFrame({"x": [later, -1e308, np.inf]})
    assert 1e6 >= np.abs(encoded(frame, encoder, contract)).max()


@settings(deadline=None)
@given(frames(), st.integers(1, 5))
def test_decode(frame: pd.DataFrame, rows: int) -> None:
    """Decoding returns categories and booleans exactly, and numbers nearly."""
    encoder, _, X = fitted(frame, rows)
    decoded = encoder.decode(X)
    assert [column.name for column in encoder.columns] == list(decoded.columns)
    for column in encoder.columns:
        before, after = frame[column.name], decoded[column.name]
        if column.kind == "number":
            numbers = pd.to_numeric(before, errors="coerce").to_numpy(float)
            np.testing.assert_allclose(numbers, after.to_numpy(float), rtol=1e-6, atol=1e-5 * np.nanmax([1, *abs(numbers)]))
        else:
            expected = [value and value.strip() for value in texts(before)]
            expected = [None if value in data_params().missing else value for value in expected]
            if column.levels == ("0", "1"):
                expected = [value and str(int(float(value))) for value in expected]
            assert expected == texts(after)


@pytest.mark.parametrize("clock", [False, True])
def test_dates_like_pandas(clock: bool) -> None:
    """A date is its standardized time, then month, day, weekday and, with times of day, hour, each from -1 to 1."""
    draw = np.random.default_rng(0)
    seconds = draw.integers(-2_000_000_000, 4_000_000_000, 500)
    seconds = seconds if clock else seconds // 86400 * 86400
    dates = pd.Series(seconds.astype("datetime64[s]"))
    encoder, contract, X = fitted(pd.DataFrame({"d": dates}))
    names = ["d", "d (month)", "d (day)", "d (weekday)", *(["d (hour)"] if clock else [])]
    assert names == list(encoder.names)
    hours = (dates.dt.hour * 3600 + dates.dt.minute * 60 + dates.dt.second) / 3600
    calendar = [(dates.dt.month - 6.5) / 5.5, (dates.dt.day - 16) / 15, (dates.dt.day_of_week - 3) / 3, (hours - 11.5) / 11.5]
    expected = np.column_stack([(seconds - seconds.mean()) / seconds.std(), *calendar[: len(names) - 1]])
    np.testing.assert_allclose(expected, X, rtol=1e-5, atol=1e-6)
    texts = pd.DataFrame({"d": dates.astype(str)})
    np.testing.assert_array_equal(X, encoded(texts, encoder, contract))
    decoded = pd.to_datetime(encoder.decode(X)["d"])
    assert 600 >= (decoded - dates).abs().dt.total_seconds().max()
    assert clock or (decoded == dates).all()


def test_missing_date() -> None:
    """A missing date is 0 in all columns but the indicator, and decodes to None."""
    encoder, _, X = fitted(pd.DataFrame({"d": pd.to_datetime(["2020-01-01", None, "2021-07-15"])}))
    assert [0, 0, 0, 0, 1] == X[1].tolist()
    assert ["2020-01-01", None, "2021-07-15"] == texts(encoder.decode(X)["d"])


@given(frames())
def test_json_round_trip(frame: pd.DataFrame) -> None:
    """An encoder from JSON is equal, and encodes to the same bytes."""
    encoder, contract, X = fitted(frame)
    again = parse_json(Encoder, json.dumps(encoder.to_json(), allow_nan=False).encode())
    assert encoder == again
    assert encoded(frame, encoder, contract).tobytes() == encoded(frame, again, contract).tobytes()
    np.testing.assert_array_equal(X, encoded(frame, again, contract))


def test_order_and_company_of_columns_do_not_matter() -> None:
    """Raw rows may have their columns in another order, and further columns."""
    frame = mixed_table(50).drop(columns="target")
    encoder, contract, X = fitted(frame)
    np.testing.assert_array_equal(X, encoded(frame[frame.columns[::-1]].assign(more=1), encoder, contract))


def test_row_alone_as_in_company() -> None:
    """The encoding of a row does not depend on the other rows of the batch."""
    frame = mixed_table(50).drop(columns="target")
    encoder, contract, X = fitted(frame)
    alone = np.concatenate([encoded(frame.iloc[[i]], encoder, contract) for i in range(len(frame))])
    np.testing.assert_array_equal(X, alone)


def test_no_rows() -> None:
    """An empty batch is encoded as an empty array."""
    frame = mixed_table(50).drop(columns="target")
    encoder, contract, X = fitted(frame)
    assert (0, X.shape[1]) == encoded(frame.head(0), encoder, contract).shape


def test_absent_column() -> None:
    """An absent column is an error if train has no missing value in it, and is missing otherwise."""
    encoder, contract, _ = fitted(mixed_table(50)[["age", "score", "colour"]])
    rows = {"age": pa.array([1.0]), "score": pa.array([1.0])}
    assert [[4]] == encoder.encode(encoder.read(rows, contract, rows=1).values)[:, encoder.blocks["colour"]].tolist()
    said = refusal(lambda: encoder.read({"age": pa.array([1.0])}, contract, rows=1))
    assert said == (
        "the table must have the column 'score', because no row of the train part lacks it, but does not. Add the column."
    )


def test_odd_values_are_said() -> None:
    """Wrong, outside and unseen values are reported by column and row, and no other values are."""
    encoder, contract, _ = fitted(pd.DataFrame({"x": [1.0, 2.0, None], "c": ["a", "b", "a"], "b": ["yes", "no", "yes"]}))
    rows = {"x": pa.array(["oops", "5", "1"]), "c": pa.array(["a", "b", "z"]), "b": pa.array(["yes", "no", "NO"])}
    odd = encoder.read(rows, contract, rows=3).odd
    said = {what: {name: rows.tolist() for name, rows in by_column.items()} for what, by_column in odd.items()}
    t, f = True, False
    assert {"wrong": {"x": [t, f, f]}, "outside": {"x": [f, t, f]}, "unseen": {"c": [f, f, t]}} == said


def test_rows_read_by_another_reader_are_encoded_alike() -> None:
    """Leading blanks, texts for missing values and whole floats for codes are encoded as in the table."""
    own = pd.DataFrame({"size": ["1", "2", "x", None], "age": [1.0, 2.0, None, 4.0]})
    encoder, contract, X = fitted(own)
    other = pd.DataFrame({"size": [" 1", " 2", " x", " ?"], "age": ["1", " 2", "?", " 4"]})
    assert X.tolist() == encoded(other, encoder, contract).tolist()
    gap = pd.DataFrame({"size": [1.0, 2.0, np.nan], "age": [1.0, 2.0, 4.0]})
    assert X[[0, 1, 3], 0].tolist() == encoded(gap, encoder, contract)[:, 0].tolist()


def test_blocks() -> None:
    """The slice of each column has the positions of its encoded names."""
    encoder, _, _ = fitted(mixed_table(50).drop(columns="target"))
    assert {"age": slice(0, 2), "colour": slice(2, 3), "member": slice(3, 4), "score": slice(4, 5)} == encoder.blocks
