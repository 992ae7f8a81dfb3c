"""Shapley values of predictions, one for each raw column of the table, by shap's permutation estimator.

Strumbelj & Kononenko 2014, "Explaining prediction models and individual predictions with feature contributions", with
antithetic permutations (Mitchell et al. 2022). Its values add up to the prediction by construction.
"""

from collections.abc import Callable

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
        Compact rows to probabilities. Shape: (n, columns) -> (n, classes)
    rows, background
        Compact rows (see `tables.encoder`). Shape: (n, columns), (m, columns)
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


def additivity_error(explanation: shap.Explanation, predicted: np.ndarray) -> float:
    """The largest gap between a prediction and its base value plus attributions. Shape of `predicted`: (n, classes)"""
    return float(np.abs(explanation.base_values + explanation.values.sum(axis=1) - predicted).max())


def importance(explanation: shap.Explanation) -> np.ndarray:
    """Mean absolute attribution of each column, over rows and classes. Shape: (columns,)"""
    return np.asarray(np.abs(explanation.values).mean(axis=(0, 2)))
