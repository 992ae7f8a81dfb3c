"""Predictions are summed up, so that those for two sets of rows can be compared."""

import json

import numpy as np
import pytest
from sklearn.metrics import log_loss, roc_auc_score

from veritable.metrics.outcomes import compute_outcomes, sample_rows


def predictions(rows: int = 2000, classes: int = 2, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return calibrated probabilities, and classes drawn from them."""
    draw = np.random.default_rng(seed)
    y_prob = draw.dirichlet(np.full(classes, 0.3), rows)
    return y_prob, (y_prob.cumsum(axis=1) > draw.random((rows, 1))).argmax(axis=1)


@pytest.mark.parametrize("classes", [2, 4])
def test_outcomes(classes: int) -> None:
    """Shares, counts and metrics are those of numpy and scikit-learn."""
    y_prob, y = predictions(classes=classes)
    found = compute_outcomes(y_prob, y_prob.argmax(axis=1), y, seed=0)
    assert np.bincount(y_prob.argmax(axis=1)).tolist() == found.predicted.tolist()
    np.testing.assert_allclose(np.bincount(y) / len(y), found.actual)
    assert len(y) == found.scores.sum()
    assert log_loss(y, y_prob) == pytest.approx(found.metrics["log_loss"].value)
    expected = roc_auc_score(y, y_prob[:, 1]) if classes == 2 else roc_auc_score(y, y_prob, multi_class="ovr")
    assert expected == pytest.approx(found.metrics["roc_auc"].value)
    assert log_loss(y, np.tile(found.actual, (len(y), 1))) - log_loss(y, y_prob) == pytest.approx(found.gain)


def test_weights() -> None:
    """Shares of the classes and metrics are weighted; numbers of rows are not."""
    y_prob, y = predictions()
    weight = np.random.default_rng(1).exponential(size=len(y))
    found = compute_outcomes(y_prob, y_prob.argmax(axis=1), y, weight=weight, seed=0)
    assert np.average(y, weights=weight) == pytest.approx(found.actual[1])
    assert log_loss(y, y_prob, sample_weight=weight) == pytest.approx(found.metrics["log_loss"].value)
    assert len(y) == found.predicted.sum()


def test_json() -> None:
    """Outcomes are JSON without loss, and at most a few kilobytes."""
    y_prob, y = predictions()
    found = compute_outcomes(y_prob, y_prob.argmax(axis=1), y, seed=0)
    text = json.dumps(found.to_json())
    assert found.to_json() == json.loads(text)
    assert found.scores.tolist() == json.loads(text)["scores"]["counts"]
    assert vars(found.metrics["log_loss"]) == json.loads(text)["metrics"]["log_loss"]
    assert len(text) < 5000


def test_bounded() -> None:
    """Metrics come from a bounded number of rows, fewer with more classes, always the same."""
    assert [10_000, 1_048, 50] == [len(sample_rows(*each, 0)) for each in ((10**6, 2), (10**6, 1_000), (50, 2))]
    np.testing.assert_array_equal(sample_rows(10**5, 2, 3), sample_rows(10**5, 2, 3))
