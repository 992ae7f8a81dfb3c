"""Distances between rows are Gower's, and similar rows are the nearest."""

import numpy as np
import pandas as pd
import pytest

from tests.explaining import explainable, of_table
from tests.rooms import encoded, mixed_table, prepare_frame, prepared
from veritable.explanation.similarity import Distance, similar_rows


def by_hand(X: np.ndarray, x: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return the distances of `mixed_table`'s columns, value by value. Shape: (n, columns)"""
    found = np.zeros((len(X), 4))
    for i, row in enumerate(X):
        age = known[known[:, 1] == 0, 0]
        if row[1] != x[1]:
            found[i, 0] = 1
        elif row[0] != x[0]:
            low, high = sorted((row[0], x[0]))
            found[i, 0] = np.mean((age > low) & (age < high)) + np.mean((age == low) | (age == high)) / 2
        found[i, 1], found[i, 2] = row[2] != x[2], row[3] != x[3]
        low, high = sorted((row[4], x[4]))
        found[i, 3] = (
            np.mean((known[:, 4] > low) & (known[:, 4] < high)) + np.mean((known[:, 4] == low) | (known[:, 4] == high)) / 2
        )
    return found


def test_distance() -> None:
    """A number counts the share of background rows between both values, another column whether both are the same."""
    one, background = explainable(), explainable().background
    assert background is not None
    assert ["age", "colour", "member", "score"] == list(one.encoder.blocks)
    distance = Distance.fit(background.X, one.encoder)
    X = prepared().parts["test"].X
    for x in X[:5]:
        expected = by_hand(background.X, x, background.X)
        expected[(background.X[:, 4] == x[4]), 3] = 0
        for column in range(4):
            np.testing.assert_allclose(expected[:, column], distance.between(background.X, x, column), atol=1e-12)
        np.testing.assert_allclose(expected.mean(axis=1), distance.to(background.X, x), atol=1e-12)


def test_similar_rows() -> None:
    """The most similar rows come first, with their classes; a row of the background is most similar to itself."""
    one, background = explainable(), explainable().background
    assert background is not None
    found = similar_rows(background, one.encoder, background.X[7], n=3)
    np.testing.assert_array_equal(background.X[7], found.X[0])
    assert background.y[7] == found.y[0]
    assert 0 == found.distance[0]
    every = Distance.fit(background.X, one.encoder).to(background.X, background.X[7])
    assert sorted(every)[:3] == found.distance.tolist()


@pytest.mark.parametrize("n", [1, 10_000])
def test_any_number_of_similar_rows(n: int) -> None:
    """There are as many similar rows as asked for, or as the background has."""
    one, background = explainable(), explainable().background
    assert background is not None
    assert min(n, len(background.X)) == len(similar_rows(background, one.encoder, background.X[0], n=n).y)


def test_dates() -> None:
    """Dates are compared by their ranks, not by day or month."""
    days = pd.date_range("2024-01-01", periods=100)
    one = of_table(prepare_frame(mixed_table(100).assign(day=days)))
    assert one.background is not None
    rows = encoded(mixed_table(3).assign(day=[days[20], days[21], days[80]]), one.encoder, one.contract)
    column = list(one.encoder.blocks).index("day")
    near, far = Distance.fit(one.background.X, one.encoder).between(rows[1:], rows[0], column)
    assert 0 <= near <= 0.05
    assert 0.4 <= far <= 0.8
