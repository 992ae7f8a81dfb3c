"""LIME's values are those of the package, with their fidelity."""

import sys
from dataclasses import replace

import numpy as np
import pytest

from tests.explaining import explainable
from tests.rooms import prepared
from veritable.errors import UserError
from veritable.explanation.explainer import Explainer
from veritable.explanation.lime_values import LimeExplainer
from veritable.models.ensemble import Ensemble
from veritable.models.linear import Linear

pytest.importorskip("lime", reason="lime is not installed")


@pytest.mark.parametrize("classes", [2, 3])
def test_agrees_with_shapley_values(classes: int) -> None:
    """One value per column and class, and one fidelity per class; the strongest column of a row mostly has the sign of its
    Shapley value."""
    explainer = Explainer.fit(explainable(classes))
    X = prepared(300, classes).parts["test"].X[:10]
    found, exact = LimeExplainer.fit(explainer).explain(X, np.arange(10)), explainer.estimate(X, np.arange(10))
    assert exact.values.shape == found.values.shape
    assert (10, 1 if classes == 2 else classes) == found.fidelity.shape
    assert (found.fidelity > 0).all()
    assert (found.fidelity <= 1).all()
    np.testing.assert_array_equal(exact.classes, found.classes)
    strongest = np.abs(exact.values).argmax(axis=1, keepdims=True)
    signs = [np.sign(np.take_along_axis(each, strongest, axis=1)) for each in (exact.values, found.values)]
    assert (signs[0] == signs[1]).mean() > 0.8


def test_a_sum_is_found_again() -> None:
    """For a linear model, the value of a category is its coefficient minus the mean coefficient of the others, within ridge's
    shrinkage."""
    one = explainable()
    linear = next(member for member in one.ensemble.members if isinstance(member, Linear))
    explainer = Explainer.fit(replace(one, ensemble=Ensemble((linear,), (1.0,))))
    X = prepared().parts["test"].X[:20]
    found = LimeExplainer.fit(explainer).explain(X, np.arange(20))
    column, block = list(one.encoder.blocks).index("member"), one.encoder.blocks["member"]
    swapped = X.copy()
    background = explainer.X[:, block]
    other = np.array([background[(background != x[block]).any(axis=1)][0] for x in X])
    swapped[:, block] = other
    expected = explainer.outputs(X, (1,)) - explainer.outputs(swapped, (1,))
    np.testing.assert_allclose(expected, found.values[:, column], rtol=0.1)


def test_a_row_for_itself() -> None:
    """The values of a row do not depend on the other rows, and are the same each time."""
    lime = LimeExplainer.fit(Explainer.fit(explainable()))
    X = prepared().parts["test"].X[:4]
    together, alone = lime.explain(X, np.arange(4)), lime.explain(X[2:3], np.array([2]))
    np.testing.assert_array_equal(together.values[2:3], alone.values)
    np.testing.assert_array_equal(together.fidelity[2:3], alone.fidelity)


def test_missing_and_unseen() -> None:
    """Rows with a missing number or a level that the train part does not have are explained."""
    explainer = Explainer.fit(explainable())
    x = prepared().parts["test"].X[:1].copy()
    x[0, :3] = 0, 1, 0  # age is missing, colour is another one
    found = LimeExplainer.fit(explainer).explain(x, np.array([0]))
    assert np.isfinite(found.values).all()
    assert (found.values[0, 2:] != 0).all()


def test_the_package_is_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the package, the error says how to install it."""
    monkeypatch.setitem(sys.modules, "lime", None)
    monkeypatch.delitem(sys.modules, "lime.lime_tabular", raising=False)
    with pytest.raises(UserError, match=r"the package 'lime' must be installed .*, but is not\. Run `pip install lime`"):
        LimeExplainer.fit(Explainer.fit(explainable()))
