"""Interactions are those of the definition within their intervals; columns of the same information are found."""

from dataclasses import replace

import numpy as np
import pytest

from tests.rooms import prepared
from tests.shapley import interaction_by_enumeration
from tests.test_explainer import fitted, only, with_background
from veritable.explanation.explainer import Explainer
from veritable.explanation.relations import interactions, shared_information


@pytest.mark.parametrize("kind", ["mlp", "blend"])
def test_interactions(kind: str) -> None:
    """The strength of a pair is the root of the mean squared interaction index over rows, within its interval."""
    explainer, X = fitted(kind=kind), prepared(300, 2).parts["test"].X[:25]
    found = interactions(explainer, X, list(explainer.players), 1, seed=0)
    assert 6 == len(found)
    assert found["strength"].is_monotonic_decreasing
    exact = []
    for one, other in zip(found["one"], found["other"], strict=True):
        pair = [explainer.players.index(each) for each in (one, other)]
        index = [
            interaction_by_enumeration(lambda Z: explainer.outputs(Z, (1,))[:, 0], row, explainer.X, explainer.owner, *pair)
            for row in X
        ]
        exact.append(np.sqrt(np.square(index).mean()))
    near = (np.array(exact) >= found["low"] * 0.9) & (np.array(exact) <= found["high"] * 1.1 + 0.01)
    assert near.mean() > 0.8
    assert found["strength"].to_numpy() == pytest.approx(np.array(exact), abs=0.35 * max(exact))


def test_no_interactions() -> None:
    """A linear model has none: every interval starts at 0."""
    explainer = Explainer.fit(only(with_background(), "linear"))
    found = interactions(explainer, prepared(300, 2).parts["test"].X[:20], list(explainer.players), 1, seed=0)
    scale = np.abs(explainer.outputs(explainer.X, (1,))).mean()
    assert (found["strength"] < 0.02 * scale).all()


def test_shared_information() -> None:
    """A column that is a function of another one is in a set with it; independent columns are in none."""
    explainer = fitted()
    assert [] == shared_information(explainer, list(explainer.players))
    X = explainer.X.copy()
    blocks = explainer.classifier.encoder.blocks
    X[:, blocks["score"].start] = X[:, blocks["age"].start] ** 3
    assert [["age", "score"]] == shared_information(replace(explainer, X=X), list(explainer.players))
    assert [] == shared_information(explainer, ["age"])
