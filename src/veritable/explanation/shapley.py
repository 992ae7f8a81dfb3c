"""Estimate Shapley values of predictions, one per raw column of the table, by walks from background rows to the explained row.

A walk switches one column after the other from its value in the background row to its value in the explained row. Each switch
changes the prediction; the change is the contribution of the column. The Shapley value is the mean contribution over background
rows and orders of the columns (Strumbelj & Kononenko 2014, "Explaining prediction models and individual predictions with
feature contributions"). Each order is walked together with its reverse, because their errors partly cancel (Mitchell et al.
2022, "Sampling permutations for Shapley value estimation").
"""

from collections.abc import Callable, Sequence

import numpy as np

from veritable.explanation.library import shap

BATCH_VALUES = 2**20  # encoded values, and contributions, that are held at once
Predict = Callable[[np.ndarray], np.ndarray]


def attribute(
    predict: Predict,
    rows: np.ndarray,
    background: np.ndarray,
    blocks: Sequence[slice],
    *,
    numbers: np.ndarray,
    n_permutations: int,
    seed: int,
) -> shap.Explanation:
    """Estimate how much each column changes the class probabilities of a row, compared with their mean on the background.

    The values of a row sum to its prediction minus the base value, up to rounding. They do not depend on the other rows.

    Parameters
    ----------
    predict
        Function that predicts probabilities from encoded rows, the same whatever the other rows.
        Shape: (n, width) -> (n, n_classes)
    rows, background
        Encoded rows to explain, and rows that the walks start from. Shape: (n, width), (m, width), m of 2 or more
    blocks
        Slice of the encoded columns for each column of the table; they are switched together.
    numbers
        Number of each explained row; seeds its orders together with `seed`. Shape: (n,), 0 or more
    n_permutations
        Number of random column orders per explained row and background row, each walked in both directions.

    Returns
    -------
    shap.Explanation with values and error_std (n, columns, n_classes), and base_values (n, n_classes). error_std is the
    standard error of the values as estimates of those against all rows that the background is a random sample of: it includes
    both the choice of the background rows and that of the orders. It has m - 1 degrees of freedom.
    """
    predicted, base = predict(rows), predict(background)
    shape = len(background), len(blocks), base.shape[1]
    columns = np.tile(np.arange(len(blocks)), (len(background), 1))
    values, errors = np.empty((2, len(rows), *shape[1:]))
    at_once = max(1, BATCH_VALUES // (len(background) * max(rows.shape[1], shape[1] * shape[2])))
    for first in range(0, len(rows), at_once):
        batch = slice(first, first + at_once)
        generators = [np.random.default_rng((seed, number)) for number in numbers[batch].tolist()]
        start, target = np.tile(background, (len(generators), 1)), np.repeat(rows[batch], len(background), axis=0)
        before, after = np.tile(base, (len(generators), 1)), np.repeat(predicted[batch], len(background), axis=0)
        total = np.zeros((len(start), *shape[1:]))
        for _ in range(n_permutations):
            orders = np.concatenate([generator.permuted(columns, axis=1) for generator in generators])
            for each in (orders, orders[:, ::-1]):
                total += _walk(predict, (start, target), (before, after), each, blocks)
        contributions = total.reshape(-1, *shape) / (2 * n_permutations)
        values[batch] = contributions.mean(axis=1)
        errors[batch] = contributions.std(axis=1, ddof=1) / np.sqrt(len(background))
    return shap.Explanation(values, np.repeat(base.mean(axis=0)[None], len(rows), axis=0), error_std=errors)


def _walk(
    predict: Predict,
    ends: tuple[np.ndarray, np.ndarray],
    predictions: tuple[np.ndarray, np.ndarray],
    orders: np.ndarray,
    blocks: Sequence[slice],
) -> np.ndarray:
    """Return how much the prediction changes when each column is switched, for several walks.

    The switch of a column whose value is equal at both ends changes nothing, and after the last of the other columns the walk
    is at its end; neither needs a prediction.

    Parameters
    ----------
    ends, predictions
        Encoded rows at the start and at the end of each walk, and the predictions for them. Shape: (n, width), (n, n_classes)
    orders
        Columns in the order in which they are switched. Shape: (n, columns)

    Returns
    -------
    Shape: (n, columns, n_classes)
    """
    (start, target), (current, after) = ends, predictions
    differs = np.stack([(start[:, block] != target[:, block]).any(axis=1) for block in blocks], axis=1)
    owner = np.repeat(np.arange(len(blocks)), [block.stop - block.start for block in blocks])
    walks, remaining = np.arange(len(start)), differs.sum(axis=1)
    state, contributions = start, np.zeros((*orders.shape, current.shape[1]))
    for columns in orders.T:
        state = np.where(owner == columns[:, None], target, state)
        switched = differs[walks, columns]
        remaining -= switched
        between = switched & (remaining > 0)
        reached = np.where((remaining > 0)[:, None], current, after)
        if between.any():
            reached[between] = predict(state[between])
        contributions[walks, columns] = reached - current
        current = reached
    return contributions


def additivity_error(explanation: shap.Explanation, predicted: np.ndarray) -> float:
    """Return the largest gap between a prediction and its base value plus attributions. Shape of `predicted`: (n, n_classes)"""
    return float(np.abs(explanation.base_values + explanation.values.sum(axis=1) - predicted).max())


def worst_relative_error(explanation: shap.Explanation) -> float:
    """Return the largest standard error of a row divided by its largest absolute attribution, where the ratio is worst."""
    errors, values = (np.abs(each).max(axis=(1, 2)) for each in (explanation.error_std, explanation.values))
    return float(np.divide(errors, values, out=np.zeros_like(errors), where=values > 0).max())


def importance(explanation: shap.Explanation) -> np.ndarray:
    """Return the mean absolute attribution of each column over rows and classes. Shape: (columns,)"""
    return np.asarray(np.abs(explanation.values).mean(axis=(0, 2)))
