"""Weights of the members: the best ones of 0 or more, near the prior if there are few rows."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax
from sklearn.linear_model import LogisticRegression

from tests.quick import examples
from tests.rooms import numbers_part
from veritable.tables.encoding.parts import Part
from veritable.training import blending as room
from veritable.training.blending import choose_weights, prior_weights

PRIOR_ROWS = 5


def part_of(y: np.ndarray, weight: np.ndarray | None = None) -> Part:
    return Part(np.arange(len(y)), y, np.zeros((len(y), 1), dtype=np.float32), weight)


def made(n: int, classes: int, noises: list[float], seed: int = 0) -> tuple[list[np.ndarray], Part]:
    """Return classes drawn from the softmax of true scores, and members that know these scores up to some noise."""
    draw = np.random.default_rng(seed)
    truth = 2 * draw.normal(size=(n, classes))
    y = (truth + draw.gumbel(size=truth.shape)).argmax(axis=1)
    return [truth + noise * draw.normal(size=truth.shape) for noise in noises], part_of(y)


def penalized(weights: Any, scores: list[np.ndarray], part: Part) -> float:
    """Compute the sum of the log losses and the penalty around the prior."""
    prior = prior_weights(len(scores))
    log_prob = log_softmax(sum(weight * each for weight, each in zip(weights, scores, strict=True)), axis=1)
    losses = -log_prob[np.arange(len(part)), part.y]
    weight = np.ones(len(part)) if part.weight is None else part.weight / part.weight.mean()
    return float(losses @ weight + PRIOR_ROWS * ((np.array(weights) - prior) ** 2 / prior).sum())


@pytest.mark.parametrize(("n", "expected"), [(1, [1]), (2, [0.5, 0.5]), (3, [0.5, 0.25, 0.25]), (7, [0.5, *[1 / 12] * 6])])
def test_prior(n: int, expected: list[float]) -> None:
    """Without data, the networks have half the weight, and the others share the rest."""
    np.testing.assert_allclose(expected, prior_weights(n))


@settings(deadline=None, max_examples=examples(60))
@given(st.integers(1, 400), st.integers(2, 6), st.lists(st.floats(0, 9), min_size=1, max_size=5), st.integers(0, 999))
def test_none_is_better(n: int, classes: int, noises: list[float], seed: int) -> None:
    """All weights are 0 or more, and no other weights have a lower penalized loss, unless a small member was left out."""
    scores, part = made(n, classes, noises, seed)
    found = choose_weights(scores, part, 0)
    assert len(noises) == len(found)
    assert all(weight >= 0 for weight in found)
    assert sum(found) > 0
    if 0.0 in found:
        return
    draw, least = np.random.default_rng(seed), penalized(found, scores, part)
    for _ in range(50):
        other = np.maximum(0, found + draw.normal(0, draw.choice([0.01, 0.1, 1]), len(found)))
        assert penalized(other, scores, part) >= least - 1e-3


def test_two_classes_as_a_logistic_regression() -> None:
    """With two classes and many rows, the weights are the coefficients of a logistic regression on the margins."""
    scores, part = made(20_000, 2, [0.5, 1.0, 2.0])
    margins = np.stack([each[:, 1] - each[:, 0] for each in scores], axis=1)
    expected = LogisticRegression(C=1e6, fit_intercept=False, tol=1e-8).fit(margins, part.y).coef_[0]
    assert (expected > 0).all()
    np.testing.assert_allclose(expected, choose_weights(scores, part, 0), atol=0.005)


def test_the_better_one_counts_more() -> None:
    """A member with less noise has more weight."""
    scores, part = made(5000, 3, [2.0, 0.5, 1.0])
    found = choose_weights(scores, part, 0)
    assert found[0] < found[2] < found[1]


@pytest.mark.parametrize("place", [0, 1, 2])
def test_useless(place: int) -> None:
    """A member of pure noise, or one that is always wrong, gets a weight of 0, whether it is a network or not."""
    scores, part = made(5000, 3, [0.5, 0.5, 0.5])
    for useless in (100 * np.random.default_rng(1).normal(size=scores[0].shape), -scores[place]):
        given = [useless if i == place else each for i, each in enumerate(scores)]
        found = choose_weights(given, part, 0)
        assert 0 == found[place]
        assert 0.0 not in [weight for i, weight in enumerate(found) if i != place]


def test_small_shares_are_dropped() -> None:
    """A member with less than 1 % of the weights is left out, and the others have the weights that they have without it."""
    scores, part = made(3000, 3, [0.5, 0.5])
    huge = 1000 * made(3000, 3, [0.7])[0][0]  # needs a tiny weight
    found = choose_weights([*scores, huge], part, 0)
    assert 0 == found[2]
    np.testing.assert_allclose(choose_weights(scores, part, 0), found[:2], atol=0.02)


def test_few_rows_decide_little() -> None:
    """With no information or a few rows, the weights stay near the prior."""
    scores, part = made(3, 2, [0.0, 3.0, 3.0])
    np.testing.assert_allclose(prior_weights(3), choose_weights(scores, part, 0), atol=0.25)
    nothing = [np.zeros((100, 2))] * 3
    np.testing.assert_allclose(prior_weights(3), choose_weights(nothing, part_of(np.arange(100) % 2), 0), atol=1e-4)


@pytest.mark.parametrize("temperature", [0.25, 4.0])
def test_calibrated(temperature: float) -> None:
    """Scores that are too large or too small get weights that correct them."""
    scores, part = made(20_000, 3, [0.0])
    assert temperature == pytest.approx(choose_weights([scores[0] / temperature], part, 0)[0], rel=0.05)


def test_a_member_given_twice() -> None:
    """Two equal members share the weight of one."""
    (one, two), part = made(20_000, 3, [0.5, 1.0])
    alone, twice = choose_weights([one, two], part, 0), choose_weights([one, two, two], part, 0)
    assert twice[1] == pytest.approx(twice[2], abs=1e-3)
    assert [alone[0], alone[1]] == pytest.approx([twice[0], twice[1] + twice[2]], abs=0.01)


class TestWeights:
    def test_rows_repeated(self) -> None:
        """Integer weights have the effect of repeated rows, and a weight of 0 that of no row."""
        scores, part = made(2000, 3, [0.5, 1.0])
        weight = np.arange(2000) % 3
        rows = np.repeat(np.arange(2000), weight)
        expected = choose_weights([each[rows] for each in scores], part_of(part.y[rows]), 0)
        np.testing.assert_allclose(expected, choose_weights(scores, part_of(part.y, weight.astype(float)), 0), atol=2e-3)

    def test_only_ratios_matter(self) -> None:
        """The scale of the row weights has no effect; equal weights are those of rows without weights."""
        scores, part = made(200, 3, [0.5, 1.0])
        draw = np.random.default_rng(0).exponential(size=200)
        one, two, equal, none = (
            choose_weights(scores, part_of(part.y, weight), 0) for weight in (draw, 1024 * draw, np.full(200, 3.0), None)
        )
        assert one == two != equal
        assert equal == none


@pytest.mark.parametrize("factor", [1e-4, 30, 1e3])
def test_any_scale(factor: float) -> None:
    """Scores of any scale have a weight above 0 if they are informative: the blend is the same."""
    scores, part = made(20_000, 3, [0.5])
    (plain,), (found,) = choose_weights(scores, part, 0), choose_weights([factor * scores[0]], part, 0)
    if factor > 1:
        assert plain == pytest.approx(factor * found, rel=0.02)
    assert found > 0


def test_all_are_wrong() -> None:
    """If no member is better than equal probabilities, the weights are those of the prior, not all 0."""
    scores, part = made(5000, 3, [0.5, 0.5])
    assert prior_weights(2).tolist() == choose_weights([-each for each in scores], part, 0)


def test_nearly_useless() -> None:
    """Members with next to no information, of which many rows are known, have small weights, but never all 0."""
    for seed in range(3):
        draw = np.random.default_rng(seed)
        scores = [1000 * draw.normal(size=(20_000, 2)) for _ in range(2)]
        found = choose_weights(scores, part_of(draw.integers(0, 2, 20_000)), 0)
        assert sum(found) > 0


def test_many_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """With too many rows, a sample by the seed is used."""
    scores, part = made(3000, 3, [0.5, 1.0])
    whole = choose_weights(scores, part, 0)
    assert whole == choose_weights(scores, part, 1)
    monkeypatch.setattr(room, "_MAX_CELLS", 3 * 1000)
    one, again, other = (choose_weights(scores, part, seed) for seed in (0, 0, 1))
    assert one == again
    assert other != one != whole
    np.testing.assert_allclose(whole, one, atol=0.2)


def test_a_class_absent() -> None:
    """A class without a row is no obstacle."""
    part = numbers_part(100, 0, 4)
    rows = np.flatnonzero(part.y != 2)
    scores = [np.random.default_rng(seed).normal(size=(len(rows), 4)) for seed in range(2)]
    assert np.isfinite(choose_weights(scores, part.take(rows), 0)).all()
