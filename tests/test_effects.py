"""Importance, permutation importance, the check by deletion and partial dependence, against other ways to compute them."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import log_loss

from tests.rooms import prepared
from tests.test_explainer import fitted
from veritable.explanation.effects import compute_importance, deletion_curve, partial_dependence, permutation_importance
from veritable.tables.encoding.gate import Gate

NAMES = ["age", "colour", "member", "score"]


def test_importance() -> None:
    """The importance is the mean absolute value over rows and classes, in descending order, inside its interval."""
    part = prepared(300, 5).parts["test"]
    estimate = fitted(5).estimate(part.X[:20], part.row[:20])
    found = compute_importance(fitted(5), estimate).set_index("column")
    np.testing.assert_allclose(np.abs(estimate.values).mean(axis=(0, 2)), found.loc[NAMES, "importance"])
    assert found["importance"].is_monotonic_decreasing
    assert ((found["low"] < found["importance"]) & (found["importance"] < found["high"])).all()


def test_permutation_importance() -> None:
    """The increase of the log loss is that of scikit-learn's loss on the same rows; an ignored column has none."""
    explainer, test = fitted(), prepared(300, 2).parts["test"]
    found = permutation_importance(explainer, test, NAMES, seed=0).set_index("column")
    assert NAMES == list(found.index)
    generator = np.random.default_rng(0)
    part = test.take(generator.permutation(len(test)))
    before = log_loss(part.y, explainer.classifier.predict_proba(part.X))
    X = part.X.copy()
    block = explainer.classifier.encoder.blocks["age"]
    X[:, block] = part.X[generator.permutation(len(part))][:, block]
    expected = log_loss(part.y, explainer.classifier.predict_proba(X)) - before
    assert expected == pytest.approx(found.loc["age", "loss_increase"])
    constant = replace(test, X=np.where(explainer.owner == 0, test.X[:1], test.X))
    assert 0 == permutation_importance(explainer, constant, ["age"], seed=0)["loss_increase"].iloc[0]


@pytest.mark.parametrize("classes", [2, 5])
def test_deletion(classes: int) -> None:
    """In the order of importance the output changes sooner than in random order; against the order the check fails."""
    part = prepared(300, classes).parts["test"]
    explainer = fitted(classes)
    estimate = explainer.estimate(part.X[:60], part.row[:60])
    curve, difference = deletion_curve(explainer, part.X[:60], estimate, seed=0)
    assert [0, 1, 2, 3, 4] == curve["removed"].tolist()
    assert (curve["ordered"].iloc[1:-1] > curve["random"].iloc[1:-1]).all()
    assert curve["ordered"].iloc[-1] == pytest.approx(curve["random"].iloc[-1])
    assert 0 < difference["low"] < difference["difference"] < difference["high"]
    wrong = replace(estimate, values=1 / estimate.values)
    assert deletion_curve(explainer, part.X[:60], wrong, seed=0)[1]["high"] < 0


def test_partial_dependence() -> None:
    """It is the mean output with one value in all rows; the shares of the values sum to 1 for numbers."""
    explainer = fitted()
    found = partial_dependence(explainer, ["score", "colour"], 1)
    score = found[found["column"] == "score"]
    assert 1 == pytest.approx(score["share"].sum())
    assert score["number"].is_monotonic_increasing
    colour = found[found["column"] == "colour"]
    assert {"red", "green", "blue", "missing"} >= set(colour["text"])
    assert colour["number"].isna().all()
    block = explainer.classifier.encoder.blocks["colour"]
    codes = dict(zip(explainer.show(explainer.X)[0]["colour"], explainer.X[:, block.start], strict=True))
    X = explainer.X[:100].copy()
    X[:, block] = codes[colour["text"].iloc[0]]
    expected = (explainer.outputs(X, (1,)) - explainer.outputs(explainer.X[:100], (1,))).mean()
    assert expected == pytest.approx(colour["output"].iloc[0])


def test_partial_dependence_of_rounded_values() -> None:
    """A value that stands for several, because the gate rounds them, is one point; the points are in order."""
    explainer = fitted()
    gate = Gate.of(explainer.classifier.encoder, explainer.X, len(explainer.X) // 10)
    exact, rounded = (partial_dependence(explainer, ["score"], 1, each) for each in (None, gate))
    assert 1 < len(rounded) < len(exact)
    assert rounded["number"].is_monotonic_increasing and rounded["number"].is_unique
    assert exact["output"].min() <= rounded["output"].min() <= rounded["output"].max() <= exact["output"].max()
