"""Learning an encoder from the train part, batch by batch."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.preprocessing import OrdinalEncoder, StandardScaler

from tests.rooms import encoded, finite, fitted, mixed_table


def test_standardised_like_scikit_learn() -> None:
    """Numbers and booleans are standardized as StandardScaler does it with the present values."""
    frame = mixed_table(200)
    numbers = pd.DataFrame({"age": frame["age"], "member": frame["member"].eq("yes").astype(float), "score": frame["score"]})
    present = np.nan_to_num(StandardScaler().fit_transform(numbers)).astype(np.float32)
    missing = frame["age"].isna().to_numpy(np.float32)
    encoder, _, X = fitted(frame[["age", "member", "score"]])
    assert ("age", "age (missing)", "member", "score") == encoder.names
    np.testing.assert_allclose(np.column_stack([present[:, 0], missing, present[:, 1:]]), X, rtol=1e-6, atol=1e-7)


@given(st.lists(finite(1e100), min_size=1, max_size=30), st.integers(1, 30), st.integers(1, 40))
def test_scale_like_scikit_learn(values: list[float], repeats: int, rows: int) -> None:
    """Mean and scale are those of StandardScaler, also for constants and extreme values, and in batches of any size."""
    column = np.repeat(values, repeats)
    scaler = StandardScaler().fit(column[:, None])
    learned = fitted(pd.DataFrame({"x": column}), rows, types={"x": "number"})[0].columns[0]
    assert scaler.mean_[0] == pytest.approx(learned.mean, rel=1e-9, abs=1e-9 * np.abs(column).max())
    if scaler.scale_[0] / (np.abs(column).max() or 1) > 1e-9:  # below lies rounding, and a variance that vanishes
        assert scaler.scale_[0] == pytest.approx(learned.scale, rel=1e-6)


def test_constant() -> None:
    """A constant is encoded as 0, although the mean of ten times 0.1 is not 0.1, and a later value is not an outlier."""
    encoder, contract, X = fitted(pd.DataFrame({"x": [0.1] * 10}), types={"x": "number"})
    np.testing.assert_allclose(np.zeros((10, 1)), X, atol=1e-6)
    np.testing.assert_allclose([[0], [0.2]], encoded(pd.DataFrame({"x": [0.1, 0.3]}), encoder, contract), atol=1e-6)


def test_codes_like_scikit_learn() -> None:
    """The codes of a category are those of OrdinalEncoder, from 1. Missing is a level of its own, the last."""
    frame = mixed_table(200)[["colour"]]
    expected = OrdinalEncoder(encoded_missing_value=3).fit_transform(frame.astype(object).where(frame.notna(), np.nan)) + 1
    encoder, contract, X = fitted(frame)
    np.testing.assert_array_equal(expected, X)
    np.testing.assert_array_equal(expected, encoded(frame, encoder, contract))
    assert [5] == encoder.cardinalities.tolist()


def test_rare_levels() -> None:
    """If there are more levels than max_categories, the most frequent have codes. Ties are broken by name."""
    frame = pd.DataFrame({"c": ["d"] * 3 + ["b"] * 2 + ["c", "a", None]})
    encoder, contract, X = fitted(frame, max_categories=3)
    assert ("a", "b", "d", None) == encoder.columns[0].levels
    assert [[0], [1], [4]] == X[-3:].tolist() == encoded(frame.tail(3), encoder, contract).tolist()
    assert ["other", "a", None] == encoder.decode(X[-3:])["c"].astype(object).where(lambda c: c.notna(), None).tolist()


@given(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=50), st.integers(1, 7), st.integers(1, 20))
def test_levels_like_value_counts(values: list[str], most: int, rows: int) -> None:
    """The kept levels are the first of pandas' value_counts, in batches of any size."""
    counts = pd.Series(values).value_counts()
    commonest = sorted(counts.index, key=lambda each: (-counts[each], each))[:most]
    encoder, _, _ = fitted(pd.DataFrame({"c": values}), rows, most, types={"c": "category"})
    assert tuple(sorted(commonest)) == encoder.columns[0].levels
