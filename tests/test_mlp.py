"""The perceptron and its layers: one-hot categories, unchanged numbers, and padding."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import OneHotEncoder
from torch import nn

from veritable.models.mlp import ACTIVATIONS, MLP, Linear, OneHot


@given(st.lists(st.integers(2, 6), min_size=1, max_size=4), st.integers(1, 12), st.randoms(use_true_random=False))
def test_one_hot_like_scikit_learn(cardinalities: list[int], rows: int, random: object) -> None:
    """Codes become the columns of OneHotEncoder without that of code 0, which is all zeros."""
    codes = np.array([[random.randrange(n) for n in cardinalities] for _ in range(rows)])  # type: ignore[attr-defined]
    encoder = OneHotEncoder(categories=[range(n) for n in cardinalities], drop=[0] * len(cardinalities), sparse_output=False)
    expected = encoder.fit_transform(codes)
    one_hot = OneHot(cardinalities)
    assert expected.shape[1] == one_hot.out_features
    np.testing.assert_array_equal(expected, one_hot(torch.from_numpy(codes).float()))


def test_numbers_pass() -> None:
    """Numbers beside categories are unchanged, also negative ones and those that equal a code."""
    X = torch.tensor([[1.0, 2.0, -1.0], [-3.5, 1.0, 2.0]])
    expected = torch.tensor([[1.0, 0, 1, -1.0], [-3.5, 1, 0, 2.0]])
    torch.testing.assert_close(expected, OneHot([0, 3, 0])(X))


def test_numbers_alone() -> None:
    """Without categories, numbers are passed unchanged."""
    X = torch.randn(3, 2)
    assert OneHot([0, 0])(X) is X


def test_level_without_column() -> None:
    """A category with a single code has no column."""
    assert (2, 1) == OneHot([1, 0])(torch.zeros(2, 2)).shape


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_like_scikit_learn(activation: str) -> None:
    """With the weights of scikit-learn's MLPClassifier, the probabilities are the same."""
    draw = np.random.default_rng(0)
    X, y = draw.normal(size=(60, 3)), draw.integers(0, 3, 60)
    other = MLPClassifier((5, 4), activation=activation, max_iter=3, early_stopping=False, random_state=0)
    for _ in range(3):
        other.partial_fit(X, y, classes=[0, 1, 2])
    network = MLP([0, 0, 0], 3, hidden_layer_sizes=[5, 4], activation=activation, dropout=0.5).double().eval()
    linear = [layer for layer in network if isinstance(layer, Linear)]
    with torch.no_grad():
        for layer, weights, bias in zip(linear, other.coefs_, other.intercepts_, strict=True):
            layer.weight.copy_(torch.from_numpy(weights.T))
            layer.bias.copy_(torch.from_numpy(bias))
        np.testing.assert_allclose(other.predict_proba(X), network(torch.from_numpy(X)).softmax(1), rtol=1e-9)


@pytest.mark.parametrize("hidden_sizes", [[], [7], [7, 5, 3]], ids=str)
@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_layers(activation: str, hidden_sizes: list[int]) -> None:
    """A hidden layer is linear, activation, dropout; the last layer is linear; without hidden layers the model is linear."""
    network = MLP([0, 4, 0], 3, hidden_layer_sizes=hidden_sizes, activation=activation, dropout=0.25)
    expected = [OneHot, *[Linear, ACTIVATIONS[activation], nn.Dropout] * len(hidden_sizes), Linear]
    assert expected == [type(layer) for layer in network]
    assert [5, *hidden_sizes] == [layer.in_features for layer in network if isinstance(layer, Linear)]
    assert {0.25} >= {layer.p for layer in network if isinstance(layer, nn.Dropout)}
    assert (6, 3) == network(torch.ones(6, 3)).shape


def test_activations() -> None:
    """The names of the activations are those of torch."""
    x = torch.linspace(-3, 3, 13)
    for name, module in ACTIVATIONS.items():
        expected = torch.tanh(x) if name == "tanh" else getattr(nn.functional, name)(x)
        torch.testing.assert_close(expected, module()(x))


def test_only_weights_are_state() -> None:
    """The saved state holds only weights; the one-hot columns follow from the encoder."""
    network = MLP([0, 4], 2, hidden_layer_sizes=[3], activation="relu", dropout=0.0)
    assert ["hidden_1.weight", "hidden_1.bias", "output.weight", "output.bias"] == list(network.state_dict())


@pytest.mark.parametrize("size", [1, 7, 16, 130])
def test_trained_layer_computes_what_it_learned(size: int) -> None:
    """A linear layer computes the same with and without padding, in training and evaluation mode."""
    torch.manual_seed(0)
    layer, X = Linear(size, 3), torch.randn(64, size)
    training = layer.train()(X)
    torch.testing.assert_close(training, layer.eval()(X))
    torch.testing.assert_close(training, nn.functional.linear(X, layer.weight, layer.bias))
