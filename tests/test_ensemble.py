"""The blend of members in log space: the same bits for a row whatever the other rows."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax, softmax

from tests.quick import examples
from tests.rooms import prepared
from tests.training import NETWORKS, others_of, spec_of, train_plan
from veritable.models.build import NETWORK_CLASSES as KNOWN
from veritable.models.build import build_network
from veritable.models.ensemble import Ensemble, Member, blend_scores
from veritable.models.features import find_bins
from veritable.models.network import Network
from veritable.tables.encoding.parts import Part
from veritable.training.boosting import BoostingLearner
from veritable.training.forest import ForestLearner
from veritable.training.learner import Learner
from veritable.training.linear import LinearLearner

WEIGHTS = (0.3, 0.2, 0.0, 0.4, 0.1, 0.5)
SCORES = st.tuples(st.integers(2, 5), st.integers(1, 9), st.integers(1, 4), st.integers(0, 10**6), st.floats(0.1, 30))


def scores_of(given: tuple[int, int, int, int, float]) -> list[np.ndarray]:
    """Return random scores of several members from their numbers of classes, rows and members, a seed and a scale."""
    classes, n, members, seed, scale = given
    return list(np.random.default_rng(seed).normal(0, scale, (members, n, classes)))


def members(classes: int = 2, *, name: str = "mlp") -> list[Member]:
    """Return two networks, two boosted models, a forest and a linear model."""
    done = prepared(300, classes)
    spec = spec_of(train_plan(name), done.encoder.cardinalities, done.parts["train"])
    torch.manual_seed(0)
    return [*(Network(build_network(done.encoder, classes, spec)) for _ in range(2)), *others_of(done)]


def rows(classes: int = 2) -> np.ndarray:
    return prepared(300, classes).parts["test"].X


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize("factor", [0.0, 0.25, 1.0, 9.0])
def test_probabilities(name: str, classes: int, factor: float) -> None:
    """Every row has a float64 probability per class, and they sum to 1."""
    one = Ensemble(tuple(members(classes, name=name)), tuple(factor * weight for weight in WEIGHTS))
    y_prob = one.predict_proba(rows(classes))
    assert (len(rows(classes)), classes) == y_prob.shape
    assert np.float64 == y_prob.dtype
    assert ((y_prob >= 0) & (y_prob <= 1)).all()
    np.testing.assert_allclose(1, y_prob.sum(axis=1), rtol=1e-12)


@pytest.mark.parametrize("classes", [2, 5])
def test_scores_are_added(classes: int) -> None:
    """The probabilities are the softmax of the weighted sum of the scores; a member with a weight of 0 has no effect."""
    each = members(classes)
    expected = softmax(sum(weight * one.scores(rows(classes)) for weight, one in zip(WEIGHTS, each, strict=True)), axis=1)
    found = Ensemble(tuple(each), WEIGHTS).predict_proba(rows(classes))
    np.testing.assert_allclose(expected, found, rtol=1e-12)
    others = Ensemble(tuple(one for one, weight in zip(each, WEIGHTS, strict=True) if weight), tuple(filter(None, WEIGHTS)))
    np.testing.assert_array_equal(found, others.predict_proba(rows(classes)))


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_alone(name: str) -> None:
    """A network alone with a weight of 1 predicts its own probabilities, and one with a weight of 0 equal ones."""
    network = members(5, name=name)[0]
    expected = np.exp(network.scores(rows(5)))
    np.testing.assert_allclose(expected, Ensemble((network,), (1.0,)).predict_proba(rows(5)), rtol=1e-12)
    np.testing.assert_array_equal(0.2, Ensemble((network,), (0.0,)).predict_proba(rows(5)))


class TestBlend:
    @given(SCORES)
    def test_a_product_of_experts(self, given: tuple[int, int, int, int, float]) -> None:
        """The blend is the normalized product of the members' probabilities, each to the power of its weight."""
        scores = scores_of(given)
        weights = np.random.default_rng(1).random(len(scores))
        product = np.prod([softmax(one, axis=1) ** weight for one, weight in zip(scores, weights, strict=True)], axis=0)
        np.testing.assert_allclose(
            product / product.sum(axis=1, keepdims=True), blend_scores(scores, list(weights)), rtol=1e-7, atol=1e-12
        )

    @given(SCORES, st.floats(-50, 50))
    def test_a_constant_per_row_has_no_effect(self, given: tuple[int, int, int, int, float], constant: float) -> None:
        """Scores are defined up to a constant per row."""
        scores = scores_of(given)
        moved = [one + constant * np.arange(len(one))[:, None] for one in scores]
        weights = [0.5] * len(scores)
        np.testing.assert_allclose(blend_scores(scores, weights), blend_scores(moved, weights), rtol=1e-9, atol=1e-12)

    @given(SCORES, st.floats(0.1, 10))
    def test_the_sum_of_the_weights_is_an_inverse_temperature(
        self, given: tuple[int, int, int, int, float], temperature: float
    ) -> None:
        """Weights divided by a temperature divide the logits of the blend by it."""
        scores = scores_of(given)
        weights = np.full(len(scores), 1 / len(scores))
        logits = np.log(np.maximum(blend_scores(scores, list(weights)), 1e-300))
        found = blend_scores(scores, list(weights / temperature))
        sure = (logits > -600).all(axis=1)
        np.testing.assert_allclose(softmax(logits / temperature, axis=1)[sure], found[sure], rtol=1e-7, atol=1e-12)

    def test_draws_together(self) -> None:
        """Smaller weights make probabilities more equal; larger ones more extreme."""
        scores = [log_softmax(np.array([[0.0, 1.0]]), axis=1)]
        flat, plain, sharp = (blend_scores(scores, [weight])[0, 1] for weight in (0.5, 1.0, 2.0))
        assert 0.5 < flat < plain < sharp < 1

    def test_far_scores(self) -> None:
        """Scores of any finite size have finite probabilities."""
        found = blend_scores([np.array([[1e300, -1e300], [0.0, 1e5]]), np.array([[0.0, 0.0], [1e5, 0.0]])], [1.0, 1.0])
        np.testing.assert_array_equal([[1, 0], [0.5, 0.5]], found)


def encoded_rows(cardinalities: list[int], n: int, seed: int) -> np.ndarray:
    """Return numbers and codes in the memory layout of `Encoder`."""
    draw = np.random.default_rng(seed)
    columns = [draw.integers(0, codes, n) if codes else draw.normal(size=n) for codes in cardinalities]
    return np.array(columns, dtype=np.float32).T


@st.composite
def any_members(draw: st.DrawFn) -> tuple[Ensemble, list[int], int]:
    """Return networks of any architecture and size on any encoded columns, with random weights, and other members."""
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
    made: list[Member] = []
    for name in draw(st.lists(st.sampled_from(NETWORKS), min_size=1, max_size=2)):
        network = KNOWN[name](cardinalities, classes, **specs[name])
        with torch.no_grad():
            for weight in network.parameters():
                weight.add_(torch.randn_like(weight) / 9)
        made.append(Network(network))
    y = np.arange(60) % classes
    part = Part(np.arange(60), y.astype(np.int64), train)
    plan = train_plan(blend=["trees", "forest", "linear"], trees={"n_estimators": 3})
    codes = np.array(cardinalities)
    learners: list[Learner] = [BoostingLearner(plan, codes, classes, i) for i in range(draw(st.integers(0, 2)))]
    learners += draw(st.lists(st.sampled_from([ForestLearner(plan, classes), LinearLearner(plan, codes, classes)]), max_size=2))
    made += [member for learner in learners for member in learner.fit(part, part, 0).members]
    weights = draw(st.lists(st.sampled_from([0.0, 0.4, 1.3]), min_size=len(made), max_size=len(made)))
    return Ensemble(tuple(made), tuple(weights)), cardinalities, seed


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


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("classes", [2, 5])
def test_no_rows(name: str, classes: int) -> None:
    """Without rows, the result is empty and has the usual shape, for every member alone and for the blend."""
    each = members(classes, name=name)
    assert (0, classes) == Ensemble(tuple(each), WEIGHTS).predict_proba(rows(classes)[:0]).shape
    assert {(0, classes)} == {one.scores(rows(classes)[:0]).shape for one in each}
