"""Shapley values approach the exact ones, sum to the predictions, and are reproducible."""

import numpy as np
import pytest
import torch

from tests.rooms import prepared
from veritable.explanation import shapley
from veritable.explanation.library import shap
from veritable.explanation.shapley import ExplanationError, additivity_error, attribute, combine_rows, importance, pool_indices
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
    return odds / odds.sum(axis=1, keepdims=True)


def exact(predict: object, rows: np.ndarray, background: np.ndarray) -> np.ndarray:
    masker = shap.maskers.Independent(background, max_samples=len(background))
    return np.asarray(shap.explainers.Exact(predict, masker)(rows).values)


def test_exact_of_a_linear_model() -> None:
    """For a linear model, one permutation gives the weight times the distance from the background mean."""
    expected = (ROWS - BACKGROUND.mean(axis=0))[:, :, None] * WEIGHTS[None]
    explanation = attribute(linear, ROWS, BACKGROUND, n_permutations=1, seed=3)
    np.testing.assert_allclose(expected, explanation.values, atol=1e-12)
    np.testing.assert_allclose(linear(BACKGROUND).mean(axis=0)[None].repeat(5, axis=0), explanation.base_values)


def test_nears_the_exact_values() -> None:
    """With more permutations the values approach those of shap's exact explainer."""
    expected = exact(bent, ROWS, BACKGROUND)
    errors = [np.abs(expected - attribute(bent, ROWS, BACKGROUND, n_permutations=n, seed=0).values).max() for n in (1, 300)]
    assert errors[0] > 0.02
    assert errors[1] < 0.01


def test_network_like_exact() -> None:
    """The same holds for a network on columns with missing values, categories and booleans, for each class."""
    done = prepared(300, 4)
    torch.manual_seed(1)
    spec = {"name": "mlp", "hidden_layer_sizes": [8], "activation": "tanh", "dropout": 0.0}
    network = build_network(done.encoder, 4, spec).eval()
    X, blocks = done.parts["test"].X, list(done.encoder.blocks.values())
    has_gap = X[:, blocks[0].stop - 1] > 0
    assert (4, 5) == (len(blocks), X.shape[1])
    pool = np.concatenate([X[has_gap][:2], X[:2], X[20:40]])

    @torch.inference_mode()
    def predict(source_rows: np.ndarray) -> np.ndarray:
        return network(torch.from_numpy(combine_rows(source_rows, pool, blocks))).double().softmax(1).numpy()

    rows, reference = pool_indices(4, 20, len(blocks))
    np.testing.assert_array_equal(pool[:4], combine_rows(rows, pool, blocks))
    np.testing.assert_array_equal(pool[:3:-1], combine_rows(reference, pool, blocks))
    explanation = attribute(predict, rows, reference, n_permutations=60, seed=0)
    assert (4, 4, 4) == explanation.values.shape
    np.testing.assert_allclose(exact(predict, rows, reference), explanation.values, atol=2e-3)
    assert 1e-6 > additivity_error(explanation, predict(rows))
    np.testing.assert_allclose(0, explanation.values.sum(axis=2), atol=1e-6)  # what one class gains the others lose


def test_adds_up() -> None:
    """Base value and values of a row sum to its prediction for each class, with any number of permutations."""
    explanation = attribute(bent, ROWS, BACKGROUND, n_permutations=2, seed=0)
    np.testing.assert_allclose(bent(ROWS), explanation.base_values + explanation.values.sum(axis=1), atol=1e-12)
    assert 1e-12 > additivity_error(explanation, bent(ROWS))


def test_additivity_error() -> None:
    """The additivity error is the largest gap over rows and classes."""
    explanation = shap.Explanation(np.full((2, 3, 2), 0.1), np.full((2, 2), 0.2))
    assert 0.3 == pytest.approx(additivity_error(explanation, np.array([[0.5, 0.5], [0.2, 0.4]])))


def test_not_additive(monkeypatch: pytest.MonkeyPatch) -> None:
    """Values that do not sum to the prediction raise an error."""
    monkeypatch.setattr(shapley, "additivity_error", lambda *_: 0.25)
    with pytest.raises(ExplanationError, match=r"must sum to the prediction .* but those of one row differ by 0\.25"):
        attribute(linear, ROWS, BACKGROUND, n_permutations=1, seed=0)


def test_deterministic() -> None:
    """The same seed gives the same bits, whatever was drawn before; another seed gives other values."""
    one = attribute(bent, ROWS, BACKGROUND, n_permutations=2, seed=7).values
    np.random.random(5)  # noqa: NPY002  the global state is the point
    assert one.tobytes() == attribute(bent, ROWS, BACKGROUND, n_permutations=2, seed=7).values.tobytes()
    assert one.tobytes() != attribute(bent, ROWS, BACKGROUND, n_permutations=2, seed=8).values.tobytes()


@pytest.mark.parametrize("columns", [1, 2])
def test_few_columns(columns: int) -> None:
    """Tables of one or two columns are explained exactly."""
    X, background = ROWS[:, :columns], BACKGROUND[:, :columns]

    def predict(rows: np.ndarray) -> np.ndarray:
        return np.stack([np.sin(rows).prod(axis=1), np.cos(rows).sum(axis=1)], axis=1)

    expected = exact(predict, X, background) if columns > 1 else (predict(X) - predict(background).mean(axis=0))[:, None]
    np.testing.assert_allclose(expected, attribute(predict, X, background, n_permutations=1, seed=0).values, atol=1e-12)


def test_column_without_part_in_it() -> None:
    """An unused column, and a column equal to the whole background, have the value 0."""
    rows, background = ROWS.copy(), BACKGROUND.copy()
    rows[:, 3] = background[:, 3] = 2.0

    def predict(X: np.ndarray) -> np.ndarray:
        return bent(np.where([True, True, False, True], X, 0.0))

    values = attribute(predict, rows, background, n_permutations=3, seed=0).values
    np.testing.assert_allclose(0, values[:, 2:], atol=1e-12)


def test_row_like_all_of_the_background() -> None:
    """A row that equals its whole background has values of 0."""
    values = attribute(bent, ROWS[:1], ROWS[:1].repeat(3, axis=0), n_permutations=2, seed=0).values
    np.testing.assert_array_equal(np.zeros((1, 4, 3)), values)


def test_importance() -> None:
    """Importance is the mean absolute value over rows and classes."""
    values = np.array([[[1.0, -1.0], [0.0, 0.0]], [[-3.0, 3.0], [0.5, -0.5]]])
    assert [2.0, 0.25] == importance(shap.Explanation(values)).tolist()
