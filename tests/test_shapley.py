"""Shapley values are those of the definition within their standard errors, sum to the predictions, and are reproducible."""

from collections.abc import Callable
from itertools import combinations
from math import comb

import numpy as np
import pytest
import torch

from tests.rooms import prepared
from veritable.explanation import shapley
from veritable.explanation.library import shap
from veritable.explanation.shapley import additivity_error, attribute, importance, worst_relative_error
from veritable.models.classifier import build_network

DRAW = np.random.default_rng(0)
ROWS, BACKGROUND = DRAW.normal(size=(5, 4)), DRAW.normal(size=(12, 4))
WEIGHTS = DRAW.normal(size=(4, 3))


def linear(X: np.ndarray) -> np.ndarray:
    return X @ WEIGHTS + 0.5


def bent(X: np.ndarray) -> np.ndarray:
    """Return probabilities in which all columns interact."""
    logits = np.stack([X[:, 0] * X[:, 1] * X[:, 2], X[:, 3] - X[:, 1], np.cos(X).sum(axis=1)], axis=1)
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(odds / odds.sum(axis=1, keepdims=True))


Predict = Callable[[np.ndarray], np.ndarray]


def estimated(
    predict: Predict, rows: np.ndarray = ROWS, background: np.ndarray = BACKGROUND, *, n: int = 1, seed: int = 0
) -> shap.Explanation:
    """Return the values for encoded rows with one encoded column per column."""
    blocks, numbers = [slice(i, i + 1) for i in range(rows.shape[1])], np.arange(len(rows)) + 100
    return attribute(predict, rows, background, blocks, numbers=numbers, n_permutations=n, seed=seed)


def exact(predict: Predict, rows: np.ndarray, background: np.ndarray, blocks: list[slice] | None = None) -> np.ndarray:
    """Return the mean contribution of each column to all coalitions of the others, by enumeration."""
    blocks = blocks or [slice(i, i + 1) for i in range(rows.shape[1])]
    places = range(len(blocks))

    def mean_prediction(row: np.ndarray, coalition: tuple[int, ...]) -> np.ndarray:
        X = background.copy()
        for i in coalition:
            X[:, blocks[i]] = row[blocks[i]]
        return np.asarray(predict(X).mean(axis=0))

    values = np.zeros((len(rows), len(blocks), predict(rows).shape[1]))
    for value, row in zip(values, rows, strict=True):
        worth = {each: mean_prediction(row, each) for size in range(len(blocks) + 1) for each in combinations(places, size)}
        for coalition in worth:
            for i in set(places) - set(coalition):
                share = 1 / (len(blocks) * comb(len(blocks) - 1, len(coalition)))
                value[i] += share * (worth[tuple(sorted((*coalition, i)))] - worth[coalition])
    return values


def test_exact_of_a_linear_model() -> None:
    """For a linear model, one permutation gives the weight times the distance from the background mean."""
    explanation = estimated(linear, seed=3)
    differences = (ROWS[:, None] - BACKGROUND)[:, :, :, None] * WEIGHTS
    np.testing.assert_allclose(differences.mean(axis=1), explanation.values, atol=1e-12)
    np.testing.assert_allclose(differences.std(axis=1, ddof=1) / np.sqrt(12), explanation.error_std, atol=1e-12)
    np.testing.assert_allclose(linear(BACKGROUND).mean(axis=0)[None].repeat(5, axis=0), explanation.base_values)


def test_nears_the_exact_values() -> None:
    """With more permutations the values approach those by enumeration."""
    expected = exact(bent, ROWS, BACKGROUND)
    errors = [np.abs(expected - estimated(bent, n=n).values).max() for n in (1, 300)]
    assert errors[0] > 0.01
    assert errors[1] < 0.003


def test_mean_of_many_seeds_is_exact() -> None:
    """The values of one permutation are not biased: their mean over seeds differs by chance alone from the exact values."""
    values = np.array([estimated(bent, seed=seed).values for seed in range(300)])
    expected, error = exact(bent, ROWS, BACKGROUND), values.std(axis=0, ddof=1) / np.sqrt(300)
    assert 4.5 > (np.abs(values.mean(axis=0) - expected) / error).max()


@pytest.mark.parametrize("n", [1, 3])
def test_standard_error(n: int) -> None:
    """The squared standard error is the variance of the values between backgrounds, whatever the number of permutations."""
    backgrounds = np.random.default_rng(1).normal(size=(200, 30, 4))
    found = [estimated(bent, background=each, n=n, seed=seed) for seed, each in enumerate(backgrounds)]
    variance = np.var([each.values for each in found], axis=0, ddof=1)
    squared_error = np.square([each.error_std for each in found]).mean(axis=0)
    assert 1 == pytest.approx((squared_error / variance).mean(), abs=0.1)


def test_interval_covers() -> None:
    """For 95 % of backgrounds of 300 rows, the exact values against all rows are within Student's interval."""
    backgrounds, inside = np.random.default_rng(1).normal(size=(100, 300, 4)), []
    expected = exact(bent, ROWS, backgrounds.reshape(-1, 4))
    for seed, background in enumerate(backgrounds):
        explanation = estimated(bent, background=background, seed=seed)
        inside.append(np.abs(explanation.values - expected) < 1.968 * explanation.error_std)
    assert 0.95 == pytest.approx(np.mean(inside), abs=0.02)


def test_network_like_exact() -> None:
    """The same holds for a network on columns with missing values, categories and booleans, for each class."""
    done = prepared(300, 4)
    torch.manual_seed(1)
    spec = {"name": "mlp", "hidden_layer_sizes": [8], "activation": "tanh", "dropout": 0.0}
    network = build_network(done.encoder, 4, spec).eval()
    X, blocks = done.parts["test"].X, list(done.encoder.blocks.values())
    has_gap = X[:, blocks[0].stop - 1] > 0
    assert (4, 5) == (len(blocks), X.shape[1])
    rows, background = np.concatenate([X[has_gap][:2], X[:2]]), X[20:40]

    @torch.inference_mode()
    def predict(encoded: np.ndarray) -> np.ndarray:
        return network(torch.from_numpy(np.ascontiguousarray(encoded))).double().softmax(1).numpy()

    explanation = attribute(predict, rows, background, blocks, numbers=np.arange(4), n_permutations=60, seed=0)
    assert (4, 4, 4) == explanation.values.shape
    np.testing.assert_allclose(exact(predict, rows, background, blocks), explanation.values, atol=5e-4)
    assert 1e-6 > additivity_error(explanation, predict(rows))
    np.testing.assert_allclose(0, explanation.values.sum(axis=2), atol=1e-6)  # what one class gains the others lose


def test_adds_up() -> None:
    """Base value and values of a row sum to its prediction for each class, with any number of permutations."""
    explanation = estimated(bent, n=2)
    np.testing.assert_allclose(bent(ROWS), explanation.base_values + explanation.values.sum(axis=1), atol=1e-14)
    assert 1e-14 > additivity_error(explanation, bent(ROWS))


def test_additivity_error() -> None:
    """The additivity error is the largest gap over rows and classes."""
    explanation = shap.Explanation(np.full((2, 3, 2), 0.1), np.full((2, 2), 0.2))
    assert 0.3 == pytest.approx(additivity_error(explanation, np.array([[0.5, 0.5], [0.2, 0.4]])))


def test_deterministic() -> None:
    """The same seed gives the same bits; another seed gives other values."""
    one = estimated(bent, n=2, seed=7).values
    assert one.tobytes() == estimated(bent, n=2, seed=7).values.tobytes()
    assert one.tobytes() != estimated(bent, n=2, seed=8).values.tobytes()


@pytest.mark.parametrize("batch_values", [1, 200, 2**20])
def test_a_row_does_not_depend_on_others(monkeypatch: pytest.MonkeyPatch, batch_values: int) -> None:
    """The number of a row and the seed determine its values and errors to the bit, whatever the other rows and the batches."""
    expected, blocks = estimated(bent, n=2), [slice(i, i + 1) for i in range(4)]
    monkeypatch.setattr(shapley, "BATCH_VALUES", batch_values)
    for chosen in ([3], [4, 1], [0, 1, 2, 3, 4]):
        numbers = np.array(chosen) + 100
        some = attribute(bent, ROWS[chosen], BACKGROUND, blocks, numbers=numbers, n_permutations=2, seed=0)
        assert expected.values[chosen].tobytes() == some.values.tobytes()
        assert expected.error_std[chosen].tobytes() == some.error_std.tobytes()
    other = attribute(bent, ROWS[[3]], BACKGROUND, blocks, numbers=np.array([3]), n_permutations=2, seed=0)
    assert not np.array_equal(expected.values[[3]], other.values)


@pytest.mark.parametrize(("equal", "expected"), [(0, 6), (1, 4), (2, 2), (3, 0), (4, 0)])
def test_number_of_predictions(equal: int, expected: int) -> None:
    """Each pair of walks costs a prediction per differing column and direction, except for the last, which ends at the row."""
    background, counts = BACKGROUND.copy(), []
    background[:, :equal] = ROWS[0, :equal]

    def predict(X: np.ndarray) -> np.ndarray:
        counts.append(len(X))
        return bent(X)

    estimated(predict, ROWS[:1], background, n=5)
    assert 1 + 12 + 12 * 5 * expected == sum(counts)


@pytest.mark.parametrize("columns", [1, 2])
def test_few_columns(columns: int) -> None:
    """Tables of one or two columns are explained exactly, because both orders are walked."""
    X, background = ROWS[:, :columns], BACKGROUND[:, :columns]

    def predict(rows: np.ndarray) -> np.ndarray:
        return np.stack([np.sin(rows).prod(axis=1), np.cos(rows).sum(axis=1)], axis=1)

    np.testing.assert_allclose(exact(predict, X, background), estimated(predict, X, background).values, atol=1e-12)


def test_column_without_part_in_it() -> None:
    """An unused column, and a column equal to the whole background, have the value 0 and the error 0."""
    rows, background = ROWS.copy(), BACKGROUND.copy()
    rows[:, 3] = background[:, 3] = 2.0

    def predict(X: np.ndarray) -> np.ndarray:
        return bent(np.where([True, True, False, True], X, 0.0))

    explanation = estimated(predict, rows, background, n=3)
    np.testing.assert_array_equal(0, explanation.values[:, 2:])
    np.testing.assert_array_equal(0, explanation.error_std[:, 2:])
    assert np.abs(explanation.values[:, :2]).min() > 0


def test_row_like_all_of_the_background() -> None:
    """A row that equals its whole background has values and errors of 0."""
    explanation = estimated(bent, ROWS[:1], ROWS[:1].repeat(3, axis=0), n=2)
    np.testing.assert_array_equal(np.zeros((1, 4, 3)), explanation.values)
    assert 0 == worst_relative_error(explanation)


def test_worst_relative_error() -> None:
    """The worst relative error is a row's largest error, relative to its largest absolute value, where it is worst."""
    values, errors = np.array([[[1.0], [-2.0]], [[0.5], [0.0]]]), np.array([[[0.1], [0.2]], [[0.1], [0.125]]])
    assert 0.25 == worst_relative_error(shap.Explanation(values, error_std=errors))


def test_importance() -> None:
    """Importance is the mean absolute value over rows and classes."""
    values = np.array([[[1.0, -1.0], [0.0, 0.0]], [[-3.0, 3.0], [0.5, -0.5]]])
    assert [2.0, 0.25] == importance(shap.Explanation(values)).tolist()
