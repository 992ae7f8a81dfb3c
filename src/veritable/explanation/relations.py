"""How columns act together: pairs whose effects depend on each other, and columns that carry the same information."""

from itertools import combinations

import numpy as np
import pandas as pd
from scipy.cluster.hierarchy import fcluster, linkage
from sklearn.metrics import normalized_mutual_info_score

from veritable.explanation.explainer import Explainer
from veritable.explanation.proxy import fit_proxy, mix

_Z = 1.96
_DRAWS = 32  # coalitions per row and pair
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
    mixtures = mix(explainer.X, explainer.owner, seed)
    proxy = fit_proxy(mixtures, explainer.outputs(mixtures, classes)[:, 0], explainer.classifier.encoder.cardinalities)
    lines = []
    for one, other in combinations(players, 2):
        pair = [explainer.players.index(each) for each in (one, other)]
        few = _differences(explainer, X, pair, _DRAWS // 8, generator)
        many = _differences(explainer, X, pair, _DRAWS * 4, generator)
        residual = sum(
            sign * (explainer.outputs(rows, classes)[:, 0] - proxy.booster.predict(rows, num_threads=1)) for sign, rows in few
        )
        imitated = sum(sign * np.asarray(proxy.booster.predict(rows, num_threads=1)) for sign, rows in many)
        parts = [np.asarray(each).reshape(len(X), -1) for each in (residual, imitated)]
        index = sum(part.mean(axis=1) for part in parts)
        squared_error = sum(part.var(axis=1, ddof=1) / part.shape[1] for part in parts)
        squared = index**2 - squared_error
        strength = np.sqrt(max(squared.mean(), 0.0))
        half = _Z * squared.std() / np.sqrt(max(1, len(X) - 1))
        low, high = (np.sqrt(max(squared.mean() + side * half, 0.0)) for side in (-1, 1))
        lines.append({"one": one, "other": other, "strength": strength, "low": low, "high": high})
    frame = pd.DataFrame(lines, columns=["one", "other", "strength", "low", "high"])
    return frame.sort_values("strength", ascending=False, kind="stable", ignore_index=True)


def _differences(
    explainer: Explainer, X: np.ndarray, pair: list[int], draws: int, generator: np.random.Generator
) -> list[tuple[float, np.ndarray]]:
    """Return the rows whose outputs, with these signs, make up the interaction in random coalitions: (n * draws, width)."""
    n = len(X) * draws
    rows = np.repeat(X, draws, axis=0)
    background = explainer.X[generator.integers(0, len(explainer.X), n)]
    size = generator.integers(0, len(explainer.players) - 1, n)  # each number of other players is equally likely
    keys = generator.random((n, len(explainer.players)))
    keys[:, pair] = 2.0  # the pair comes last
    inside = np.argsort(np.argsort(keys, axis=1), axis=1) < size[:, None]
    found = []
    for one, other in ((True, True), (True, False), (False, True), (False, False)):
        inside[:, pair] = one, other
        found.append((1.0 if one == other else -1.0, np.where(inside[:, explainer.owner], rows, background)))
    return found


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
