"""How columns act together: pairs whose effects depend on each other, and columns that carry the same information."""

from itertools import combinations, product

import numpy as np
import pandas as pd
from scipy.cluster.hierarchy import fcluster, linkage
from sklearn.metrics import normalized_mutual_info_score

from veritable.explanation.explainer import Explainer
from veritable.explanation.leaves import read_trees
from veritable.explanation.proxy import fit_proxy
from veritable.explanation.tree_walks import TreesTerm

_Z = 1.96
_DRAWS = 8  # coalitions per row and pair for the output
_IMITATED_DRAWS = 64  # and for the trees that imitate it
_SIGNS = np.array([1.0, -1.0, -1.0, 1.0])  # of the outputs with both players, one, the other and neither
_BINS = 8
SHARED = 0.5  # normalized mutual information from which columns share credit
_CLUSTERED = 30


def interactions(explainer: Explainer, X: np.ndarray, players: list[str], explained: int, seed: int) -> pd.DataFrame:
    """Estimate the Shapley interaction index of each pair of players (Grabisch & Roubens 1999).

    It is the mean, over background rows and coalitions of the other players, of how much the effect of one player depends on
    the other. Trees that imitate the output serve as a control variate: their difference is averaged over few coalitions, with
    the trees alone over many.

    Parameters
    ----------
    X
        Encoded rows. Shape: (n, width)
    explained
        Code of the class whose output is used.

    Returns
    -------
    Frame with the columns one, other, strength (mean over rows of the absolute index, corrected for its error), low and high
    (95 %), in descending order.
    """
    classes, generator = (explained,), np.random.default_rng(seed)
    cardinalities = explainer.classifier.encoder.cardinalities
    proxy = fit_proxy(explainer.mixtures, explainer.outputs(explainer.mixtures, classes)[:, 0], cardinalities)
    trees = TreesTerm(read_trees(proxy, 1.0), cardinalities, explainer.owner)
    lines = []
    for one, other in combinations(players, 2):
        pair = [explainer.players.index(each) for each in (one, other)]
        few = _mix_pair(explainer, X, pair, _DRAWS, generator)
        many = _mix_pair(explainer, X, pair, _IMITATED_DRAWS, generator)
        outputs = explainer.outputs(few, classes)[:, 0] - trees(few)[:, 0], trees(many)[:, 0]
        parts = [(_SIGNS @ each.reshape(len(_SIGNS), -1)).reshape(len(X), -1) for each in outputs]
        index = sum(part.mean(axis=1) for part in parts)
        squared_error = sum(part.var(axis=1, ddof=1) / part.shape[1] for part in parts)
        squared = index**2 - squared_error
        strength = np.sqrt(max(squared.mean(), 0.0))
        half = _Z * squared.std() / np.sqrt(max(1, len(X) - 1))
        low, high = (np.sqrt(max(squared.mean() + side * half, 0.0)) for side in (-1, 1))
        lines.append({"one": one, "other": other, "strength": strength, "low": low, "high": high})
    frame = pd.DataFrame(lines, columns=["one", "other", "strength", "low", "high"])
    return frame.sort_values("strength", ascending=False, kind="stable", ignore_index=True)


def _mix_pair(explainer: Explainer, X: np.ndarray, pair: list[int], draws: int, generator: np.random.Generator) -> np.ndarray:
    """Mix rows with background rows in random coalitions of the other players: with both of the pair, one, the other, neither.

    Shape: (n, width) -> (4 * n * draws, width)
    """
    n = len(X) * draws
    rows = np.repeat(X, draws, axis=0)
    background = explainer.X[generator.integers(0, len(explainer.X), n)]
    size = generator.integers(0, len(explainer.players) - 1, n)  # each number of other players is equally likely
    keys = generator.random((n, len(explainer.players)))
    keys[:, pair] = 2.0  # the pair comes last
    inside = np.argsort(np.argsort(keys, axis=1), axis=1) < size[:, None]
    found = []
    for both in product((True, False), repeat=2):
        inside[:, pair] = both
        found.append(np.where(inside[:, explainer.owner], rows, background))
    return np.concatenate(found)


def shared_information(explainer: Explainer, players: list[str]) -> list[list[str]]:
    """Return the sets of columns that carry much of the same information, so that they share the credit of a prediction.

    Two columns are in one set if the normalized mutual information of their values in the background, in up to 8 bins, is 0.5
    or more, directly or through others. At most 30 players are compared.
    """
    players = players[:_CLUSTERED]
    if len(players) < 2:
        return []
    binned = [_bin(explainer, player) for player in players]
    distances = [1 - normalized_mutual_info_score(one, other) for one, other in combinations(binned, 2)]
    clusters = fcluster(linkage(np.clip(distances, 0, 1), "single"), 1 - SHARED, "distance")
    sets = [[name for name, each in zip(players, clusters, strict=True) if each == i] for i in dict.fromkeys(clusters.tolist())]
    return [each for each in sets if len(each) > 1]


def _bin(explainer: Explainer, player: str) -> np.ndarray:
    """Return a code for each background row: the level of a category, or the bin of a number."""
    column = np.flatnonzero(explainer.owner == explainer.players.index(player))[0]
    values = explainer.X[:, column]
    if explainer.classifier.encoder.cardinalities[column]:
        return values.astype(np.int64)
    edges = np.unique(np.quantile(values, np.linspace(0, 1, _BINS + 1)[1:-1]))
    return np.asarray(np.digitize(values, edges))
