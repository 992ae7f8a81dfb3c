"""Boosted trees that imitate a function on mixtures of background rows: a control variate for walks.

The trees' Shapley values are known exactly, so that only those of the difference between the function and the trees must be
estimated, which is a tenth as large. (Compare Witter et al. 2025, "Regression-adjusted Monte Carlo estimators for Shapley
values".)
"""

import lightgbm as lgb
import numpy as np

from veritable.explanation.tree_walks import MAX_LEAVES
from veritable.models.trees import Trees

_MIXTURES = 10_000
_ROUNDS = 300
_SETTINGS = {
    "objective": "l2",
    "num_leaves": MAX_LEAVES,
    "learning_rate": 0.15,
    "min_data_in_leaf": 10,
    "cat_smooth": 1.0,
    "cat_l2": 1.0,
    "num_threads": 1,
    "deterministic": True,
    "seed": 0,
    "verbosity": -1,
}


def mix(background: np.ndarray, owner: np.ndarray, seed: int) -> np.ndarray:
    """Return rows as the walks meet them: each has some players' values of one background row and the others' of another.

    Shape: background (m, width), owner (width,) -> (mixtures, width)
    """
    generator = np.random.default_rng(seed)
    one, other = generator.integers(0, len(background), (2, _MIXTURES))
    n_players = owner.max() + 1
    sizes = generator.integers(0, n_players + 1, _MIXTURES)
    ranks = generator.permuted(np.tile(np.arange(n_players), (_MIXTURES, 1)), axis=1)
    mixed: np.ndarray = np.where((ranks < sizes[:, None])[:, owner], background[one], background[other])
    return mixed


def fit_proxy(mixtures: np.ndarray, output: np.ndarray, cardinalities: np.ndarray) -> Trees:
    """Fit boosted trees to the outputs of mixtures.

    Parameters
    ----------
    mixtures, output
        Shape: (mixtures, width), (mixtures,)
    cardinalities
        Number of codes of each encoded column, 0 for a number. Shape: (width,)
    """
    data = lgb.Dataset(mixtures, output, categorical_feature=np.flatnonzero(cardinalities).tolist(), params=_SETTINGS)
    return Trees.from_booster(lgb.train(_SETTINGS, data, _ROUNDS))
