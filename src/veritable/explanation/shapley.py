"""Compute Shapley values of predictions, one per raw column of the table, with shap's permutation estimator.

The estimator is that of Strumbelj & Kononenko 2014, "Explaining prediction models and individual predictions with feature
contributions", with antithetic permutations (Mitchell et al. 2022). Its values sum to the prediction by construction.
"""

from collections.abc import Callable, Iterable

import numpy as np

from veritable.errors import UserError
from veritable.explanation.library import shap

TOLERANCE = 1e-4  # of probabilities; the network computes in float32


class ExplanationError(UserError):
    """The attributions are wrong."""


def attribute(
    predict: Callable[[np.ndarray], np.ndarray], rows: np.ndarray, background: np.ndarray, *, n_permutations: int, seed: int
) -> shap.Explanation:
    """Compute how much each column changes the class probabilities of a row, compared with their mean on the background.

    Parameters
    ----------
    predict
        Function that predicts probabilities from one number per column. Shape: (n, columns) -> (n, n_classes)
    rows, background
        Rows to explain, and rows that replace their columns. Shape: (n, columns), (m, columns)
    n_permutations
        Number of random column orders, each evaluated together with its reverse. The error falls with its square root.

    Returns
    -------
    shap.Explanation with values (n, columns, n_classes), base_values (n, n_classes) and data (n, columns).

    Raises
    ------
    ExplanationError
        The values do not sum to the predictions.
    """
    np.random.seed(seed)  # noqa: NPY002  shap draws from numpy's global state (shap#3995)
    columns = rows.shape[1]
    masker = shap.maskers.Independent(background, max_samples=len(background))
    explainer = shap.explainers.Permutation(predict, masker, seed=seed)
    explanation = explainer(rows, max_evals=n_permutations * 2 * columns + n_permutations, silent=True)
    if (error := additivity_error(explanation, predict(rows))) > TOLERANCE:
        raise ExplanationError(
            f"attributions must sum to the prediction within {TOLERANCE}, but those of one row differ by {error:.2g}. "
            "This is a bug in veritable.explanation. Report it."
        )
    return explanation


def pool_indices(rows: int, background_rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """Represent rows and background by their indices in a pool that holds both; each column has the same index.

    Background rows are counted from the end of the pool with negative indices, because shap treats two numbers that are nearly
    equal (such as 100,000 and 100,001) as the same.

    Shape: (rows, columns), (background_rows, columns)
    """
    indices = np.arange(rows, dtype=np.float64), -1.0 - np.arange(background_rows)
    explained, reference = (np.repeat(each[:, None], columns, axis=1) for each in indices)
    return explained, reference


def combine_rows(source_rows: np.ndarray, pool: np.ndarray, blocks: Iterable[slice]) -> np.ndarray:
    """Build rows whose columns come from different rows of a pool; the encoded columns of one column stay together.

    Parameters
    ----------
    source_rows
        Index of the pool row that each column is taken from. Shape: (n, columns)
    pool
        Encoded rows. Shape: (m, width)
    blocks
        Slice of the encoded columns for each column.

    Returns
    -------
    Shape: (n, width)
    """
    combined = np.empty((len(source_rows), pool.shape[1]), dtype=pool.dtype)
    for index, block in zip(source_rows.T.astype(np.int64), blocks, strict=True):
        combined[:, block] = pool[index, block]
    return combined


def additivity_error(explanation: shap.Explanation, predicted: np.ndarray) -> float:
    """Return the largest gap between a prediction and its base value plus attributions. Shape of `predicted`: (n, n_classes)"""
    return float(np.abs(explanation.base_values + explanation.values.sum(axis=1) - predicted).max())


def importance(explanation: shap.Explanation) -> np.ndarray:
    """Return the mean absolute attribution of each column over rows and classes. Shape: (columns,)"""
    return np.asarray(np.abs(explanation.values).mean(axis=(0, 2)))
