"""What the columns do to the classifier as a whole: checks of the Shapley values, and answers to other questions."""

import numpy as np
import pandas as pd

from veritable.explanation.explainer import Estimate, Explainer
from veritable.metrics.losses import log_losses
from veritable.tables.encoding.gate import HIDDEN, Gate
from veritable.tables.encoding.parts import Part

_Z = 1.96  # of a 95 % interval
_PERMUTED_ROWS = 1_000
_PERMUTED_COLUMNS = 20
_DRAWS = 4
_STEPS = 8
_EFFECT_ROWS = 100
_GRID = 12


def compute_importance(explainer: Explainer, estimate: Estimate) -> pd.DataFrame:
    """Compute the mean absolute value of each column over rows and outputs, with its 95 % interval over rows.

    Returns
    -------
    Frame with the columns column, importance, low and high, in descending order of the importance.
    """
    of_row = np.abs(estimate.values).mean(axis=2)
    frame = _with_interval(of_row, "importance")
    frame.insert(0, "column", list(explainer.players))
    return frame.sort_values("importance", ascending=False, kind="stable", ignore_index=True)


def _with_interval(samples: np.ndarray, name: str) -> pd.DataFrame:
    """Return means over rows and their intervals. Shape: (n, columns)"""
    mean, half = samples.mean(axis=0), _Z * samples.std(axis=0) / np.sqrt(max(1, len(samples) - 1))
    return pd.DataFrame({name: mean, "low": mean - half, "high": mean + half})


def permutation_importance(explainer: Explainer, test: Part, players: list[str], seed: int) -> pd.DataFrame:
    """Compute how much the log loss grows if the values of a column are permuted among up to 1,000 test rows.

    It says what the classifier loses without the column, where Shapley values say how the column changes its predictions.

    Returns
    -------
    Frame with the columns column, loss_increase (nats), low and high, for up to 20 of the given players.
    """
    generator = np.random.default_rng(seed)
    part = test.take(generator.permutation(len(test))[:_PERMUTED_ROWS])
    weight = np.ones(len(part)) if part.weight is None else part.weight / part.weight.mean()
    before = log_losses(part.y, explainer.classifier.predict_proba(part.X))
    increases, players = [], players[:_PERMUTED_COLUMNS]
    for player in players:
        other = part.X[generator.permutation(len(part))]
        X = np.where(explainer.owner == explainer.players.index(player), other, part.X)
        increases.append(weight * (log_losses(part.y, explainer.classifier.predict_proba(X)) - before))
    frame = _with_interval(np.stack(increases, axis=1), "loss_increase")
    frame.insert(0, "column", players)
    return frame


def deletion_curve(explainer: Explainer, X: np.ndarray, estimate: Estimate, seed: int) -> tuple[pd.DataFrame, dict[str, float]]:
    """Replace the columns of each row by values of background rows, the most important ones first, or in random order.

    If the values are right, the output changes sooner in the order of importance (compare Petsiuk et al. 2018, "RISE", and
    Covert et al. 2021, "Explaining by removing").

    Returns
    -------
    Frame with the columns removed (number of columns), ordered and random (mean absolute change of the output); and the mean
    difference between the two over rows and steps, with its 95 % interval, as difference, low and high.
    """
    generator = np.random.default_rng(seed)
    place = np.abs(estimate.outputs - estimate.base).argmax(axis=1)  # the output that is farthest from the base value
    values = np.take_along_axis(estimate.values, place[:, None, None], axis=2)[:, :, 0]
    steps = np.unique(np.linspace(0, values.shape[1], _STEPS + 1).round().astype(int))[1:]
    by_importance = np.argsort(np.argsort(-np.abs(values), axis=1, kind="stable"), axis=1, kind="stable")
    at_random = generator.permuted(np.tile(np.arange(values.shape[1]), (len(X), 1)), axis=1)
    other = explainer.X[generator.integers(0, len(explainer.X), (len(X), _DRAWS))]
    actual = np.take_along_axis(estimate.outputs, place[:, None], axis=1)[:, 0]
    changes = np.zeros((2, len(X), len(steps)))
    for k, ranks in enumerate((by_importance, at_random)):
        for step, removed in enumerate(steps):
            state = np.where((ranks < removed)[:, explainer.owner][:, None], other, X[:, None])
            outputs = _outputs_of(explainer, state.reshape(-1, X.shape[1]), np.repeat(estimate.classes, _DRAWS, axis=0))
            chosen = np.take_along_axis(outputs, np.repeat(place, _DRAWS)[:, None], axis=1)[:, 0]
            changes[k, :, step] = np.abs(chosen.reshape(len(X), _DRAWS).mean(axis=1) - actual)
    ordered, random = changes.mean(axis=1)
    frame = pd.DataFrame({"removed": [0, *steps], "ordered": [0.0, *ordered], "random": [0.0, *random]})
    difference = _with_interval((changes[0] - changes[1]).mean(axis=1)[:, None], "difference")
    return frame, {name: float(difference[name].iloc[0]) for name in ("difference", "low", "high")}


def _outputs_of(explainer: Explainer, X: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Return the outputs of the given classes of each row. Shape: (n, width), (n, outputs) -> (n, outputs)"""
    found = np.empty(classes.shape)
    for explained in np.unique(classes, axis=0):
        rows = np.flatnonzero((classes == explained).all(axis=1))
        found[rows] = explainer.outputs(X[rows], tuple(explained.tolist()))
    return found


def partial_dependence(explainer: Explainer, players: list[str], explained: int, gate: Gate | None = None) -> pd.DataFrame:
    """Compute the mean output over up to 100 background rows if a column has one value in all of them.

    Parameters
    ----------
    explained
        Code of the class whose output is shown.
    gate
        Decides which values are shown, and how exactly.

    Returns
    -------
    Frame with the columns column, text (the value), number (NaN unless the column is a number), output (difference to the mean
    output) and share (of the background rows that are nearest to the value).
    """
    rows, classes = explainer.X[:_EFFECT_ROWS], (explained,)
    base = explainer.outputs(rows, classes).mean()
    frames = []
    for player in players:
        columns = np.flatnonzero(explainer.owner == explainer.players.index(player))
        grid, share = _grid(explainer, columns)
        X = np.tile(rows, (len(grid), 1))
        X[:, columns] = np.repeat(grid[:, columns], len(rows), axis=0)
        outputs = explainer.outputs(X, classes).reshape(len(grid), len(rows)).mean(axis=1) - base
        text, number = explainer.show(grid, gate)
        effect = {"column": player, "text": text[player], "number": number[player], "output": outputs, "share": share}
        frames.append(pd.DataFrame(effect)[lambda own: own["text"] != HIDDEN])
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def _grid(explainer: Explainer, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return background rows whose values of some columns stand for those of all, and the share of the rows near each of them.

    They are quantiles of a number, and the most frequent levels of a category or combinations of a group. Shape: (grid, width),
    (grid,)
    """
    first = explainer.X[:, columns[0]]
    if explainer.classifier.encoder.cardinalities[columns[0]]:
        _, where, counts = np.unique(first, return_index=True, return_counts=True)
        most = np.argsort(-counts, kind="stable")[:_GRID]
        return explainer.X[where[most]], counts[most] / len(first)
    order = np.argsort(first, kind="stable")
    chosen = order[np.linspace(0, len(order) - 1, _GRID).round().astype(int)]
    chosen = chosen[np.unique(first[chosen], return_index=True)[1]]
    nearest = np.abs(first[:, None] - first[chosen]).argmin(axis=1)
    return explainer.X[chosen], np.bincount(nearest, minlength=len(chosen)) / len(first)
