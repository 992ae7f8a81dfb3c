"""Shapley values of predictions, one for each raw column of the table, by shap's permutation estimator.

Strumbelj & Kononenko 2014, "Explaining prediction models and individual predictions with feature contributions", with
antithetic permutations (Mitchell et al. 2022). Its values add up to the prediction by construction.
"""

from collections.abc import Callable, Iterable

import numpy as np

from veritable.errors import UserError
from veritable.explanation.library import shap

TOLERANCE = 1e-4  # probabilities, computed in float32 by the network


class ExplanationError(UserError):
    """Attributions that cannot be trusted."""


def attribute(
    predict: Callable[[np.ndarray], np.ndarray], rows: np.ndarray, background: np.ndarray, *, rounds: int, seed: int
) -> shap.Explanation:
    """What each column adds to a row's class probabilities, over their mean on the background.

    Parameters
    ----------
    predict
        Rows of one number a column to probabilities. Shape: (n, columns) -> (n, classes)
    rows, background
        Shape: (n, columns), (m, columns)
    rounds
        Pairs of a random order of the columns and its reverse; the error falls with its square root.

    Returns
    -------
    shap.Explanation with values of Shape (n, columns, classes), base_values (n, classes) and data (n, columns).

    Raises
    ------
    ExplanationError
        The values do not add up to the predictions.
    """
    np.random.seed(seed)  # noqa: NPY002  shap draws from numpy's global state (shap#3995)
    columns = rows.shape[1]
    masker = shap.maskers.Independent(background, max_samples=len(background))
    explainer = shap.explainers.Permutation(predict, masker, seed=seed)
    explanation = explainer(rows, max_evals=rounds * 2 * columns + rounds, silent=True)
    if (error := additivity_error(explanation, predict(rows))) > TOLERANCE:
        raise ExplanationError(
            f"attributions must add up to the prediction within {TOLERANCE}, however one row is off by {error:.2g}. "
            "This is an error in veritable.explanation, please report it."
        )
    return explanation


def origins(rows: int, background_rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows and background as places in a pool that holds both, the background from its end on; the same place for each column.

    Counted from the end a place is negative: shap takes two numbers that are nearly equal (100,000 and 100,001) for one.

    Shape: (rows, columns), (background_rows, columns)
    """
    places = np.arange(rows, dtype=np.float64), -1.0 - np.arange(background_rows)
    explained, behind = (np.repeat(each[:, None], columns, axis=1) for each in places)
    return explained, behind


def mix(taken_from: np.ndarray, pool: np.ndarray, blocks: Iterable[slice]) -> np.ndarray:
    """Rows whose columns come from several rows of a pool, all encoded columns of one column together.

    Parameters
    ----------
    taken_from
        Of each column the row of the pool. Shape: (n, columns)
    pool
        Encoded rows. Shape: (m, width)
    blocks
        Where each column stands among the encoded ones.

    Returns
    -------
    Shape: (n, width)
    """
    mixed = np.empty((len(taken_from), pool.shape[1]), dtype=pool.dtype)
    for place, block in zip(taken_from.T.astype(np.int64), blocks, strict=True):
        mixed[:, block] = pool[place, block]
    return mixed


def additivity_error(explanation: shap.Explanation, predicted: np.ndarray) -> float:
    """The largest gap between a prediction and its base value plus attributions. Shape of `predicted`: (n, classes)"""
    return float(np.abs(explanation.base_values + explanation.values.sum(axis=1) - predicted).max())


def importance(explanation: shap.Explanation) -> np.ndarray:
    """Mean absolute attribution of each column, over rows and classes. Shape: (columns,)"""
    return np.asarray(np.abs(explanation.values).mean(axis=(0, 2)))
