"""Trees by bit masks have the outputs of LightGBM, for whole rows and on walks."""

from dataclasses import replace

import lightgbm as lgb
import numpy as np
import pytest

from veritable.explanation.leaves import Tree, read_trees
from veritable.explanation.proxy import fit_proxy, mix
from veritable.explanation.tree_walks import TreesTerm
from veritable.explanation.walks import RowTerm
from veritable.models.trees import Trees

CARDINALITIES = np.array([0, 5, 0, 0, 3])
OWNER = np.array([0, 1, 0, 2, 3])  # two columns have one player
OUTPUTS = 2


def rows(n: int, seed: int) -> np.ndarray:
    draw = np.random.default_rng(seed)
    numbers = draw.normal(size=(n, 5)).round(1)
    return np.where(CARDINALITIES > 0, draw.integers(0, np.maximum(CARDINALITIES, 1), (n, 5)), numbers).astype(np.float32)


@pytest.fixture(scope="module")
def proxies() -> list[Trees]:
    mixtures = mix(rows(500, 0), OWNER, 0)
    bent = [mixtures[:, 0] * mixtures[:, 2] + (mixtures[:, 1] % 2), np.sin(3 * mixtures[:, 3]) * (mixtures[:, 4] == 1)]
    return [fit_proxy(mixtures, each.astype(float), CARDINALITIES) for each in bent]


@pytest.fixture(scope="module")
def term(proxies: list[Trees]) -> TreesTerm:
    trees = [replace(tree, output=i) for i, proxy in enumerate(proxies) for tree in read_trees(proxy, 1.0)]
    return TreesTerm(trees[::-1], CARDINALITIES, OWNER)


def test_outputs_of_rows(proxies: list[Trees], term: TreesTerm) -> None:
    """The outputs are those that LightGBM predicts, also for values that equal a threshold."""
    X = rows(700, 1)
    thresholds = [(tree.column[0], tree.threshold[0]) for tree in read_trees(proxies[0], 1.0) if tree.column]
    for i, (column, threshold) in enumerate(thresholds):
        if not isinstance(threshold, np.ndarray) and abs(threshold) > 1e-30:  # below, LightGBM takes a number for 0
            X[i, column] = threshold
    expected = np.stack([lgb.Booster(model_str=proxy.text).predict(X) for proxy in proxies], axis=1)
    np.testing.assert_allclose(term(X), expected, rtol=0, atol=1e-12)


def test_outputs_on_walks(proxies: list[Trees], term: TreesTerm) -> None:
    """After each switch, there and back, the outputs are those of the mixed rows."""

    def predict(X: np.ndarray) -> np.ndarray:
        return np.stack([lgb.Booster(model_str=proxy.text).predict(X) for proxy in proxies], axis=1)

    start, target, draw = rows(32, 2), rows(32, 3), np.random.default_rng(4)
    orders = draw.permuted(np.tile(np.arange(4), (32, 1)), axis=1)
    path, expected = (each.follow(start, target, orders) for each in (term, RowTerm(predict, OWNER)))
    for _ in range(2):
        for players in orders.T:
            path.switch(players)
            expected.switch(players)
            some = np.flatnonzero(draw.random(32) < 0.7)
            np.testing.assert_allclose(path.outputs(some), expected.outputs(some), rtol=0, atol=1e-12)
        path.turn()
        expected.turn()


def test_row_does_not_depend_on_others(term: TreesTerm) -> None:
    """A row has the same bits alone and among others."""
    X = rows(600, 5)
    np.testing.assert_array_equal(term(X)[300:301], term(X[300:301]))


def test_single_leaves() -> None:
    """Trees without a split add their only value, and no row has no output."""
    leaf = Tree([], [], [], [], np.array([0.25]), 0)
    term = TreesTerm([leaf, replace(leaf, output=1), leaf], CARDINALITIES, OWNER)
    np.testing.assert_array_equal([[0.5, 0.25]] * 3, term(rows(3, 0)))
    assert (0, 2) == term(rows(0, 0)).shape


def test_constant_function() -> None:
    """A proxy of a constant, for which LightGBM stops at once, has that constant."""
    mixtures = mix(rows(500, 0), OWNER, 0)
    proxy = fit_proxy(mixtures, np.full(len(mixtures), 1.5), CARDINALITIES)
    term = TreesTerm(read_trees(proxy, 1.0), CARDINALITIES, OWNER)
    np.testing.assert_allclose(1.5, term(rows(3, 1)), atol=1e-6)
