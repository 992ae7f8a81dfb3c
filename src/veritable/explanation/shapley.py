"""Compute Shapley values of predictions, one per raw column of the table, by walking random permutations of the columns.

The estimator is that of Strumbelj & Kononenko 2014, "Explaining prediction models and individual predictions with feature
contributions", with antithetic permutations (Mitchell et al. 2022). Every background row has permutations of its own, so that
one permutation and its reverse per background row suffice. The values sum to the prediction by construction.
"""

from collections.abc import Callable, Iterable

import numpy as np

from veritable.errors import UserError
from veritable.explanation.library import shap
from veritable.progress import progress

TOLERANCE = 1e-4  # of probabilities; the network computes in float32
_BATCH_CELLS = 2**21  # columns times mixed rows that are predicted at once


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
        Number of random column orders per background row, each walked together with its reverse. The error falls with its
        square root.

    Returns
    -------
    shap.Explanation with values (n, columns, n_classes), base_values (n, n_classes) and data (n, columns).

    Raises
    ------
    ExplanationError
        The values do not sum to the predictions.
    """
    of_rows, of_background = predict(rows), predict(background)
    values = np.empty((*rows.shape, of_rows.shape[1]))
    with progress() as bar:
        for i in bar.track(range(len(rows)), description="explaining rows"):
            generator = np.random.default_rng((seed, i))
            walks = [_walk(predict, rows[i], of_rows[i], background, of_background, generator) for _ in range(n_permutations)]
            values[i] = np.mean(walks, axis=0)
    explanation = shap.Explanation(values, np.tile(of_background.mean(axis=0), (len(rows), 1)), data=rows)
    if (error := additivity_error(explanation, of_rows)) > TOLERANCE:
        raise ExplanationError(
            f"attributions must sum to the prediction within {TOLERANCE}, but those of one row differ by {error:.2g}. "
            "This is a bug in veritable.explanation. Report it."
        )
    return explanation


def _walk(
    predict: Callable[[np.ndarray], np.ndarray],
    row: np.ndarray,
    of_row: np.ndarray,
    background: np.ndarray,
    of_background: np.ndarray,
    generator: np.random.Generator,
) -> np.ndarray:
    """Walk from each background row to the row, replacing one column after the other, in a random order and in its reverse.

    Returns
    -------
    Mean change of the prediction when a column is replaced. Shape: (columns, n_classes)
    """
    m, d = background.shape
    drawn = generator.permuted(np.tile(np.arange(d), (m, 1)), axis=1)
    place = np.stack([drawn, d - 1 - drawn], axis=1)  # of each column in the order; the second is the reverse
    steps = np.empty((m, 2, d + 1, len(of_row)))
    steps[:, :, 0], steps[:, :, d] = of_background[:, None], of_row
    together = max(1, _BATCH_CELLS // (2 * d * d))
    for start in range(0, m if d > 1 else 0, together):
        batch = slice(start, start + together)
        replaced = place[batch, :, None, :] < np.arange(1, d)[:, None]  # (m, 2, d - 1, d)
        mixed = np.where(replaced, row, background[batch, None, None, :])
        steps[batch, :, 1:d] = predict(mixed.reshape(-1, d)).reshape(-1, 2, d - 1, len(of_row))
    changes = np.take_along_axis(np.diff(steps, axis=2), place[..., None], axis=2)
    return np.asarray(changes.mean(axis=(0, 1)))


def pool_indices(rows: int, background_rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """Represent rows and background by their indices in a pool that holds both; each column has the same index.

    Background rows are counted from the end of the pool with negative indices.

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
