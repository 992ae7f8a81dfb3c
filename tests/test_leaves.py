"""Values of boosted trees are those of the definition to the last digits, with categories and several columns per player."""

import lightgbm as lgb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.shapley import by_enumeration
from veritable.explanation import leaves
from veritable.explanation.leaves import read_trees, tree_values
from veritable.explanation.library import shap
from veritable.models.trees import Trees

WIDTH, CATEGORY = 8, 7  # the last column is a category
SETTINGS = {"num_leaves": 16, "min_data_in_leaf": 2, "cat_smooth": 0.1, "verbosity": -1, "num_threads": 1, "seed": 0}


def rows(n: int, seed: int = 0) -> np.ndarray:
    """Rows with two decimals, so that many values are equal, and a category of six codes."""
    draw = np.random.default_rng(seed)
    X = draw.normal(size=(n, WIDTH)).round(1)
    X[:, CATEGORY] = draw.integers(0, 6, n)
    return X.astype(np.float32)


def boosted(classes: int = 2, rounds: int = 12, width: int = WIDTH) -> Trees:
    X = rows(400)[:, :width]
    score = X[:, 0] * X[:, 1] + np.sin(3 * X[:, 2]) + (X[:, -1] % 2) * X[:, 3] - X[:, 4]
    y = np.digitize(score, np.quantile(score, np.linspace(0, 1, classes + 1)[1:-1]))
    objective = {"objective": "binary"} if classes == 2 else {"objective": "multiclass", "num_class": classes}
    categories = [CATEGORY] if width == WIDTH else []
    data = lgb.Dataset(X, y, categorical_feature=categories, params=SETTINGS)
    return Trees.from_booster(lgb.train(SETTINGS | objective, data, rounds))


def margins(model: Trees, X: np.ndarray) -> np.ndarray:
    found = np.asarray(lgb.Booster(model_str=model.text).predict(X, raw_score=True))
    return found.reshape(len(X), -1)


OWNERS = {
    "a player per column": np.arange(WIDTH),
    "grouped": np.array([0, 1, 0, 2, 2, 1, 3, 0]),
    "one player": np.zeros(WIDTH, dtype=int),
}


@pytest.mark.parametrize("tables", [0, 3, 8])
@pytest.mark.parametrize("owner", OWNERS)
@pytest.mark.parametrize("classes", [2, 3])
def test_as_enumerated(monkeypatch: pytest.MonkeyPatch, classes: int, owner: str, tables: int) -> None:
    """Values against each background are those by enumeration, whether patterns are looked up in tables or one by one."""
    monkeypatch.setattr(leaves, "_MAX_TABLE_PLAYERS", tables)
    model, X, backgrounds = boosted(classes), rows(4, 1), (rows(9, 2), rows(14, 3))
    outputs = 1 if classes == 2 else classes
    found = tree_values(read_trees(model, 0.5), X, backgrounds, OWNERS[owner], outputs)
    expected = [by_enumeration(lambda Z: 0.5 * margins(model, Z), X, each, OWNERS[owner]) for each in backgrounds]
    np.testing.assert_allclose(expected, found, atol=1e-13)


def test_as_shap() -> None:
    """For numbers alone, shap's interventional TreeExplainer gives the same values."""
    model, X, background = boosted(width=7), rows(20, 1)[:, :7], rows(50, 2)[:, :7]
    explainer = shap.TreeExplainer(lgb.Booster(model_str=model.text), background, feature_perturbation="interventional")
    (found,) = tree_values(read_trees(model, 1.0), X, [background], np.arange(7), 1)
    np.testing.assert_allclose(explainer.shap_values(X), found[:, :, 0], atol=1e-5)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(1, 30), m=st.integers(1, 30), rounds=st.integers(1, 30))
def test_adds_up(seed: int, n: int, m: int, rounds: int) -> None:
    """The values of a row sum to its margin minus the mean margin of the background."""
    model, X, background = boosted(rounds=rounds), rows(n, seed), rows(m, seed + 1)
    (found,) = tree_values(read_trees(model, 1.0), X, [background], np.arange(WIDTH), 1)
    np.testing.assert_allclose(margins(model, X) - margins(model, background).mean(axis=0), found.sum(axis=1), atol=1e-12)


def test_a_row_does_not_depend_on_others() -> None:
    """The values of a row have the same bits whatever the other rows."""
    trees, X, background = read_trees(boosted(), 1.0), rows(40, 1), rows(60, 2)
    (whole,) = tree_values(trees, X, [background], np.arange(WIDTH), 1)
    for chosen in ([3], [7, 3], list(range(40))[::-1]):
        (some,) = tree_values(trees, X[chosen], [background], np.arange(WIDTH), 1)
        assert whole[chosen].tobytes() == some.tobytes()


def test_columns_without_part_in_it() -> None:
    """A column that no tree splits, and one that is equal in the row and the whole background, have the value 0."""
    X, background = rows(5, 1), rows(20, 2)
    X[:, 4] = background[:, 4] = 0.3
    (found,) = tree_values(read_trees(boosted(), 1.0), X, [background], np.arange(WIDTH), 1)
    splits = lgb.Booster(model_str=boosted().text).feature_importance("split")
    np.testing.assert_array_equal(0, found[:, splits == 0])
    np.testing.assert_array_equal(0, found[:, 4])
    assert np.abs(found).max() > 0.1


def test_trees_without_splits() -> None:
    """Trees of a single leaf add nothing."""
    data = lgb.Dataset(rows(50), np.zeros(50), params=SETTINGS)
    model = Trees.from_booster(lgb.train(SETTINGS | {"objective": "l2"}, data, 3))
    np.testing.assert_array_equal(0, tree_values(read_trees(model, 1.0), rows(3, 1), [rows(4, 2)], np.arange(WIDTH), 1))
