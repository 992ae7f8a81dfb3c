"""The encoder: raw rows to numbers and back, by what the train part alone was like."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.preprocessing import OrdinalEncoder, StandardScaler

from tests.rooms import HOSTILE, mixed_table
from veritable.tables.encoder import Encoder, infer_kind
from veritable.tables.errors import TableError

NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8) | st.sampled_from(HOSTILE)
BOOLEANS = [["yes", "no"], ["Y", "N"], ["true", "false"], ["TRUE", "FALSE"], ["t", "f"], ["1", "0"], [True, False], [1, 0]]


def texts(values: list[Any]) -> list[str | None]:
    """Values as texts, missing ones as None."""
    return [None if value is None or value != value else str(value) for value in values]


def fitted(frame: pd.DataFrame, max_categories: int = 100) -> Encoder:
    return Encoder.fit(frame, {name: infer_kind(frame[name]) for name in frame.columns}, max_categories=max_categories)


def finite(size: float = 1e12) -> st.SearchStrategy[float]:
    return st.floats(-size, size, allow_subnormal=False)


@st.composite
def frames(draw: st.DrawFn) -> pd.DataFrame:
    """Tables of numbers, categories and booleans, all with gaps, under odd names and with odd values."""
    rows = draw(st.integers(1, 20))
    columns: dict[str, Any] = {}
    for name in draw(st.lists(NAMES, min_size=1, max_size=4, unique=True)):
        value = draw(st.sampled_from([finite(), st.integers(-5, 5), NAMES, *map(st.sampled_from, BOOLEANS)]))
        values = draw(st.lists(st.none() | value, min_size=rows, max_size=rows))
        columns[name] = pd.Series(values, dtype=float if not any(isinstance(v, str | bool) for v in values) else object)
    return pd.DataFrame(columns)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1, 2, 3], "number"),
        ([0.5, None], "number"),
        (["1", "2.5", "-3e4", None], "number"),
        ([None, None], "category"),
        ([np.nan, np.nan], "number"),
        ([0, 1, 0], "boolean"),
        ([0.0, 1.0, None], "boolean"),
        ([0, 0, 0], "number"),
        (["yes", "No", None], "boolean"),
        (["t", "F"], "boolean"),
        ([True, False], "boolean"),
        ([True, None, False], "boolean"),
        ([True, True], "boolean"),
        (["yes", "y"], "category"),
        (["yes", "no", "maybe"], "category"),
        (["yes"], "category"),
        (["a", "1"], "category"),
        (pd.to_datetime(["2020-01-01", None]), "category"),
        (pd.to_timedelta([1, 2], unit="s"), "category"),
        (pd.Categorical(["a", "b"]), "category"),
        (pd.Categorical(["1", "2", None]), "number"),
        (pd.array([1, None, 3], dtype="Int64"), "number"),
        (pd.array([True, None, False], dtype="boolean"), "boolean"),
    ],
    ids=str,
)
def test_kinds(values: Any, kind: str) -> None:
    """Numbers are numbers also as text, two-valued yes/no, t/f, true/false, 0/1 are booleans, the rest are categories."""
    assert kind == infer_kind(pd.Series(values))


def test_standardised_like_scikit_learn() -> None:
    """Numbers and booleans are standardised as StandardScaler does it with the values that are present."""
    frame = mixed_table(200)
    numbers = pd.DataFrame({"age": frame["age"], "member": frame["member"].eq("yes").astype(float), "score": frame["score"]})
    expected = StandardScaler().fit_transform(numbers)
    encoder = fitted(frame[["age", "member", "score"]])
    np.testing.assert_allclose(expected, encoder.compact(frame), rtol=1e-12, atol=1e-12)
    present = np.nan_to_num(expected).astype(np.float32)
    missing = frame["age"].isna().to_numpy(np.float32)
    expected = np.column_stack([present[:, 0], missing, present[:, 1:]])
    np.testing.assert_allclose(expected, encoder.encode(frame), rtol=1e-6)


@given(st.lists(finite(1e100), min_size=1, max_size=30), st.integers(1, 30))
def test_scale_like_scikit_learn(values: list[float], repeats: int) -> None:
    """Also of constants, whose deviation is rounding alone, and of the very large and small."""
    column = np.repeat(values, repeats)
    scaler = StandardScaler().fit(column[:, None])
    learned = fitted(pd.DataFrame({"x": column})).columns[0]
    if learned.kind == "number":
        assert scaler.mean_[0] == pytest.approx(learned.mean, rel=1e-9, abs=1e-9 * np.abs(column).max())
        if scaler.scale_[0] / (np.abs(column).max() or 1) > 1e-9:  # below lies rounding, and a variance that vanishes
            assert scaler.scale_[0] == pytest.approx(learned.scale, rel=1e-6)


def test_constant() -> None:
    """A constant is 0 everywhere, although the mean of ten times 0.1 is not 0.1, and another value later is no outlier."""
    encoder = fitted(pd.DataFrame({"x": [0.1] * 10}))
    np.testing.assert_allclose([[0], [0.2]], encoder.encode(pd.DataFrame({"x": [0.1, 0.3]})), atol=1e-6)


def test_codes_like_scikit_learn() -> None:
    """A category's codes are OrdinalEncoder's, from 1; missing is a level of its own, the last."""
    frame = mixed_table(200)[["colour"]]
    expected = OrdinalEncoder(encoded_missing_value=3).fit_transform(frame.astype(object).where(frame.notna(), np.nan)) + 1
    np.testing.assert_array_equal(expected, fitted(frame).encode(frame))


def test_unseen() -> None:
    """A level that train did not have is code 0; so is a missing value where train had none."""
    encoder = fitted(pd.DataFrame({"c": ["a", "b"]}))
    assert [[1], [0], [0], [2]] == encoder.encode(pd.DataFrame({"c": ["a", "new", None, "b"]})).tolist()


def test_missing_number_unseen() -> None:
    """A number that is missing only after training is the mean."""
    encoder = fitted(pd.DataFrame({"x": [1.0, 3.0]}))
    assert [[0], [1]] == encoder.encode(pd.DataFrame({"x": [None, 3.0]})).tolist()


def test_rare_levels() -> None:
    """Of more levels than max_categories the commonest have codes, of equals the first by name."""
    encoder = fitted(pd.DataFrame({"c": ["d"] * 3 + ["b"] * 2 + ["c", "a", None]}), max_categories=3)
    assert ("a", "b", "d", None) == encoder.columns[0].levels
    assert [[0], [1], [4]] == encoder.encode(pd.DataFrame({"c": ["c", "a", None]})).tolist()


@given(frames(), frames())
def test_never_nan(train: pd.DataFrame, later: pd.DataFrame) -> None:
    """Encoded rows are finite, of float32, and as wide as the names and cardinalities say, also for rows seen later."""
    encoder = fitted(train)
    if any(column.kind != "category" for column in encoder.columns):
        later = train.sample(len(later), replace=True, random_state=0)
    else:
        later = later.reindex(columns=train.columns)
    for frame in (train, later):
        encoded = encoder.encode(frame)
        assert np.float32 == encoded.dtype
        assert (len(frame), len(encoder.names)) == encoded.shape
        assert len(encoder.names) == len(encoder.cardinalities)
        assert np.isfinite(encoded).all()


@given(finite(1e150), finite(1e150), finite(1e150))
def test_far_values_stay_finite(one: float, two: float, later: float) -> None:
    """A later value, however far from the train part's, is a number that a network can be fed with."""
    encoder = fitted(pd.DataFrame({"x": [one, two, 3.0]}))
    assert 1e6 >= np.abs(encoder.encode(pd.DataFrame({"x": [later]}))).max()


@given(frames())
def test_raw_compact_raw(frame: pd.DataFrame) -> None:
    """Decoding compact rows gives the raw values back: categories and booleans as they were, numbers nearly."""
    encoder = fitted(frame)
    decoded = encoder.decode(encoder.compact(frame))
    assert list(frame.columns) == list(decoded.columns)
    for column in encoder.columns:
        before, after = frame[column.name], decoded[column.name]
        if column.kind == "number":
            numbers = pd.to_numeric(before).to_numpy(float)
            np.testing.assert_allclose(numbers, after.to_numpy(float), rtol=1e-6, atol=1e-6 * (np.nanmax([1, *abs(numbers)])))
        else:
            assert texts(before.tolist()) == texts(after.tolist())


def test_boolean_with_one_side_in_train() -> None:
    """The side of a boolean that the train part does not have is not taken for the other."""
    encoder = Encoder.fit(pd.DataFrame({"b": ["yes", "yes"]}), {"b": "boolean"}, max_categories=9)
    assert ["yes", "false"] == encoder.decode(encoder.compact(pd.DataFrame({"b": ["yes", "no"]})))["b"].tolist()


@given(frames())
def test_compact_encoded_compact(frame: pd.DataFrame) -> None:
    """Collapsing encoded rows gives the compact rows back, up to float32."""
    encoder = fitted(frame)
    compact = encoder.compact(frame)
    np.testing.assert_allclose(compact, encoder.collapse(encoder.expand(compact)), rtol=1e-6, atol=1e-30)


@given(frames())
def test_json_round_trip(frame: pd.DataFrame) -> None:
    """An encoder from JSON is equal, and encodes to the same bytes."""
    encoder = fitted(frame)
    again = Encoder.from_json(json.loads(json.dumps(encoder.to_json(), allow_nan=False)))
    assert encoder == again
    assert encoder.encode(frame).tobytes() == again.encode(frame).tobytes()


def test_order_and_company_of_columns_do_not_matter() -> None:
    """Raw rows may have their columns in another order, and others beside them."""
    frame = mixed_table(50).drop(columns="target")
    encoder = fitted(frame)
    other = frame[frame.columns[::-1]].assign(more=1)
    np.testing.assert_array_equal(encoder.encode(frame), encoder.encode(other))


def test_row_alone_as_in_company() -> None:
    """A row is encoded the same alone as among others."""
    frame = mixed_table(50).drop(columns="target")
    encoder = fitted(frame)
    alone = np.concatenate([encoder.encode(frame.iloc[[i]]) for i in range(len(frame))])
    np.testing.assert_array_equal(encoder.encode(frame), alone)


def test_no_rows() -> None:
    """No rows are encoded to no rows."""
    frame = mixed_table(50).drop(columns="target")
    assert (0, 6 - 1) == fitted(frame).encode(frame.head(0)).shape


def test_absent_column() -> None:
    """A column that the rows lack is named."""
    frame = mixed_table(50)[["age", "score"]]
    with pytest.raises(TableError, match="needs the column 'score', however the table does not have it"):
        fitted(frame).encode(frame[["age"]])


@pytest.mark.parametrize(
    ("train", "value", "words"),
    [
        (
            [1.0, 2.0],
            "abc",
            "'x' must hold a finite number of at most 1e+150 in size or nothing, however row 1 has 'abc'",
        ),
        ([1.0, 2.0], np.inf, "however row 1 has 'inf' (1 such rows)"),
        ([1.0, 2.0], 1e200, "however row 1 has '1e+200'"),
        (["yes", "no"], "maybe", "column 'x' must hold a boolean or nothing, however row 1 has 'maybe'"),
    ],
    ids=str,
)
def test_wrong_value(train: list[Any], value: Any, words: str) -> None:
    """A value that is not what its column is, or not finite, is refused with its row."""
    encoder = fitted(pd.DataFrame({"x": train}))
    with pytest.raises(TableError) as caught:
        encoder.encode(pd.DataFrame({"x": [train[0], value]}))
    assert words in str(caught.value)


def test_rows_read_by_another_reader_are_encoded_alike() -> None:
    """Blanks in front, tokens of missing values and whole floats for codes: encoded as the table's own reader leaves them."""
    own = pd.DataFrame({"size": ["1", "2", "x", None], "age": [1.0, 2.0, None, 4.0]})
    encoder = Encoder.fit(own, {"size": "category", "age": "number"}, max_categories=9, missing=["?"])
    other = pd.DataFrame({"size": [" 1", " 2", " x", " ?"], "age": ["1", " 2", "?", " 4"]})
    assert encoder.encode(own).tolist() == encoder.encode(other).tolist()
    gap = pd.DataFrame({"size": [1.0, 2.0, np.nan], "age": [1.0, 2.0, 4.0]})
    assert encoder.encode(own)[[0, 1, 3], 0].tolist() == encoder.encode(gap)[:, 0].tolist()
    assert encoder == Encoder.from_json(encoder.to_json())
