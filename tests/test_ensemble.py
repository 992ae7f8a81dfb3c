"""Networks, boosted trees, or a blend of both: the same bits for a row whatever the other rows."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.quick import examples
from tests.rooms import prepared
from tests.training import NETWORKS, spec_of, train_plan, trees_of
from veritable.models.classifier import NETWORK_CLASSES as KNOWN
from veritable.models.classifier import build_network
from veritable.models.ensemble import Ensemble, apply_temperature, log_probabilities
from veritable.models.features import find_bins
from veritable.tables.encoding.parts import Part
from veritable.training.boosting import fit_trees

PROBABILITIES = st.integers(2, 5).flatmap(
    lambda classes: st.lists(st.lists(st.floats(0.001, 1), min_size=classes, max_size=classes), min_size=1, max_size=9)
)


def shares(rows: list[list[float]]) -> np.ndarray:
    found = np.array(rows)
    return found / found.sum(axis=1, keepdims=True)


def members(classes: int = 2, *, networks: int = 2, name: str = "mlp", share: float = 0.5, **changes: Any) -> Ensemble:
    """Return an ensemble of networks and two boosted models; `share` is that of the networks."""
    done = prepared(300, classes)
    spec = spec_of(train_plan(name), done.encoder.cardinalities, done.parts["train"])
    torch.manual_seed(0)
    built = tuple(build_network(done.encoder, classes, spec) for _ in range(networks))
    if "trees" in changes:
        return Ensemble(built, **changes)
    return Ensemble(built, trees_of(done, n_models=2), blend(share), **changes)


def blend(share: float) -> tuple[float, ...]:
    """Return the shares of the networks and of two boosted models."""
    return share, (1 - share) / 4, 3 * (1 - share) / 4


def rows(classes: int = 2) -> np.ndarray:
    return prepared(300, classes).parts["test"].X


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_probabilities(name: str, classes: int, share: float, temperature: float) -> None:
    """Every row has a float64 probability per class, and they sum to 1."""
    y_prob = members(classes, name=name, share=share, temperature=temperature).predict_proba(rows(classes))
    assert (len(rows(classes)), classes) == y_prob.shape
    assert np.float64 == y_prob.dtype
    assert ((y_prob >= 0) & (y_prob <= 1)).all()
    np.testing.assert_allclose(1, y_prob.sum(axis=1), rtol=1e-12)


@pytest.mark.parametrize("share", [0.0, 0.25, 0.9, 1.0])
def test_blend_is_the_weighted_mean(share: float) -> None:
    """A blend is the weighted mean of the networks' mean and of each boosted model."""
    of_all = members(share=share)
    of_each = list(of_all.predict_each(rows()))
    np.testing.assert_array_equal(of_all.predict_networks(rows()), of_each[0])
    expected = sum(part * each for part, each in zip(blend(share), of_each, strict=True))
    np.testing.assert_allclose(expected, of_all.predict_proba(rows()), rtol=1e-14)
    assert not np.allclose(of_each[0], of_each[1])
    assert not np.allclose(of_each[1], of_each[2])


def test_networks_alone() -> None:
    """Without trees, the networks predict alone."""
    alone = members(trees=None)
    np.testing.assert_array_equal(alone.predict_networks(rows()), alone.predict_proba(rows()))


def test_networks_count_alike() -> None:
    """Several networks predict the mean of their probabilities."""
    of_two = members(networks=2)
    one, two = (replace(of_two, networks=(network,)).predict_networks(rows()) for network in of_two.networks)
    np.testing.assert_allclose((one + two) / 2, of_two.predict_networks(rows()), rtol=1e-15)
    assert not np.allclose(one, two)


def test_the_networks_own_members_count_alike() -> None:
    """TabM predicts the mean of the probabilities of its networks; other networks predict their softmax."""
    logits = torch.randn(7, 4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(logits.softmax(-1).mean(1), log_probabilities(logits).exp())
    torch.testing.assert_close(logits[:, 0].softmax(-1), log_probabilities(logits[:, 0]).exp())


def test_far_logits() -> None:
    """Logits of any size have finite log-probabilities if the probabilities are not 0."""
    found = log_probabilities(torch.tensor([[[1e4, 0.0], [0.0, 1e4]], [[1e30, 1e30], [-1e30, -1e30]]]).double())
    torch.testing.assert_close(torch.full((2, 2), 0.5).double(), found.exp())


def test_dropout_is_over() -> None:
    """Networks predict without dropout, even if they are in training mode."""
    of_all = members()
    before = of_all.predict_proba(rows())
    for network in of_all.networks:
        network.train()
    np.testing.assert_array_equal(before, of_all.predict_proba(rows()))


class TestTemperature:
    @given(PROBABILITIES)
    def test_one_changes_nothing(self, given_rows: list[list[float]]) -> None:
        """A temperature of 1 changes no bit."""
        y_prob = shares(given_rows)
        assert apply_temperature(y_prob, 1.0) is y_prob

    @given(PROBABILITIES, st.floats(0.1, 10))
    def test_order_stays(self, given_rows: list[list[float]], temperature: float) -> None:
        """Every temperature keeps the order of the classes, and the probabilities sum to 1."""
        y_prob = shares(given_rows)
        found = apply_temperature(y_prob, temperature)
        np.testing.assert_allclose(1, found.sum(axis=1), rtol=1e-12)
        for before, after in zip(y_prob, found, strict=True):
            order = np.argsort(before, kind="stable")
            assert (np.diff(after[order]) >= -1e-15).all()

    @given(PROBABILITIES, st.floats(0.1, 10))
    def test_divides_the_logits(self, given_rows: list[list[float]], temperature: float) -> None:
        """It is the softmax of the logits divided by the temperature, whatever constant is added to them."""
        y_prob = shares(given_rows)
        expected = torch.from_numpy((np.log(y_prob) + 5) / temperature).softmax(1).numpy()
        np.testing.assert_allclose(expected, apply_temperature(y_prob, temperature), rtol=1e-9)

    def test_draws_together(self) -> None:
        """Above 1, probabilities become more equal; below 1, more extreme."""
        y_prob = np.array([[0.3, 0.7]])
        assert 0.5 < apply_temperature(y_prob, 2.0)[0, 1] < 0.7 < apply_temperature(y_prob, 0.5)[0, 1] < 1

    @pytest.mark.parametrize("temperature", [0.14, 0.5, 2.0, 7.4])
    def test_certain(self, temperature: float) -> None:
        """A certain class stays certain, and every probability is finite."""
        found = apply_temperature(np.array([[0.0, 1.0], [1e-300, 1.0], [0.5, 0.5]]), temperature)
        assert np.isfinite(found).all()
        assert (found[:2, 1] > 0.98).all()
        assert [0.5, 0.5] == found[2].tolist()


def encoded_rows(cardinalities: list[int], n: int, seed: int) -> np.ndarray:
    """Return numbers and codes in the memory layout of `Encoder`."""
    draw = np.random.default_rng(seed)
    columns = [draw.integers(0, codes, n) if codes else draw.normal(size=n) for codes in cardinalities]
    return np.array(columns, dtype=np.float32).T


@st.composite
def any_members(draw: st.DrawFn) -> tuple[Ensemble, list[int], int]:
    """Return networks of any architecture and size on any encoded columns, with random weights, and trees."""
    classes, seed = draw(st.integers(2, 9)), draw(st.integers(0, 10**6))
    cardinalities = draw(st.lists(st.sampled_from([0, 0, 0, 2, 4, 11]), min_size=1, max_size=20))
    width, blocks = 8 * draw(st.integers(1, 9)), draw(st.integers(1, 3))
    train = encoded_rows(cardinalities, 60, seed)
    shared = {
        "bins": find_bins(train, cardinalities, draw(st.integers(2, 30)), seed),
        "d_embedding": draw(st.integers(1, 20)),
        "n_blocks": blocks,
        "d_block": width,
        "dropout": 0.1,
    }
    specs: dict[str, dict[str, Any]] = {
        "mlp": {"hidden_layer_sizes": [width] * (blocks - 1), "activation": "relu", "dropout": 0.1},
        "resnet": shared,
        "tabm": shared | {"k": draw(st.integers(1, 9))},
    }
    torch.manual_seed(seed)
    networks = []
    for name in draw(st.lists(st.sampled_from(NETWORKS), min_size=1, max_size=2)):
        networks.append(KNOWN[name](cardinalities, classes, **specs[name]))
        with torch.no_grad():
            for weight in networks[-1].parameters():
                weight.add_(torch.randn_like(weight) / 9)
    if not draw(st.booleans()):
        return Ensemble(tuple(networks), temperature=draw(st.sampled_from([1.0, 1.3]))), cardinalities, seed
    y = np.arange(60) % classes
    part = Part(np.arange(60), y.astype(np.int64), train)
    params = train_plan(trees={"n_estimators": 3, "n_models": draw(st.integers(1, 2))})
    trees = fit_trees(params, np.array(cardinalities), part, part, n_classes=classes)
    assert trees is not None
    share, models = draw(st.sampled_from([0.0, 0.4])), len(trees.texts)
    shares = (share, *[(1 - share) / models] * models)
    one = Ensemble(tuple(networks), trees, shares, draw(st.sampled_from([1.0, 1.3])))
    return one, cardinalities, seed


@settings(deadline=None, max_examples=examples(60))
@given(any_members(), st.integers(1, 700), st.integers(1, 300), st.booleans())
def test_any_company(made: tuple[Ensemble, list[int], int], n: int, size: int, by_column: bool) -> None:
    """The probabilities of a row have the same bits in any order, batch, memory layout and set of rows."""
    one, cardinalities, seed = made
    X = encoded_rows(cardinalities, n, seed)
    expected = one.predict_proba(X)
    order = np.random.default_rng(seed).permutation(n)
    np.testing.assert_array_equal(expected[order], one.predict_proba(X[order]))
    again = np.ascontiguousarray(X) if by_column else X
    pieces = [one.predict_proba(again[start : start + size]) for start in range(0, n, size)]
    np.testing.assert_array_equal(expected, np.concatenate(pieces))
    alone = np.unique(np.random.default_rng(seed).integers(0, n, 20))
    np.testing.assert_array_equal(expected[alone], np.concatenate([one.predict_proba(X[[row]]) for row in alone]))
    far = np.where(np.array(cardinalities) > 0, 0, 1e6).astype(np.float32)[None]
    np.testing.assert_array_equal(expected, one.predict_proba(np.concatenate([far, X, far]))[1:-1])


@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_no_rows(classes: int, share: float) -> None:
    """Without rows, the result is empty and has the usual shape."""
    for name in NETWORKS:
        one = members(classes, name=name, share=share, temperature=1.2)
        assert (0, classes) == one.predict_proba(rows(classes)[:0]).shape
