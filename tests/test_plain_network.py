"""The plain network is a baseline: it learns, is reproducible, and its best epoch is chosen on valid."""

from pathlib import Path

import numpy as np
import pytest

from tests.rooms import prepared
from veritable.evaluation.plain_network import PlainNetwork, fit_plain_network


def fitted(scratch: Path, classes: int = 2, seed: int = 0) -> PlainNetwork:
    scratch.mkdir()
    done = prepared(300, classes)
    train, valid = done.parts["train"], done.parts["valid"]
    return fit_plain_network(train, valid, done.encoder.cardinalities, n_classes=classes, scratch=scratch, seed=seed)


@pytest.mark.parametrize("classes", [2, 4])
def test_better_than_the_class_shares(tmp_path: Path, classes: int) -> None:
    """On new rows, its log loss is lower than that of the class shares."""
    test = prepared(300, classes).parts["test"]
    y_prob = fitted(tmp_path / "a", classes).predict_proba(test.X)
    assert (len(test), classes) == y_prob.shape
    np.testing.assert_allclose(1, y_prob.sum(axis=1), rtol=1e-6)
    shares = np.bincount(test.y, minlength=classes) / len(test)
    assert -np.log(y_prob[np.arange(len(test)), test.y]).mean() < -np.log(shares[test.y]).mean()


def test_deterministic(tmp_path: Path) -> None:
    """The same seed gives the same bits, another one does not."""
    X = prepared().parts["test"].X
    one, two, other = (fitted(tmp_path / at, seed=seed).predict_proba(X) for at, seed in (("a", 1), ("b", 1), ("c", 2)))
    np.testing.assert_array_equal(one, two)
    assert not np.allclose(one, other)
