"""The metrics of the benchmark, computed by the same code for all contestants."""

import numpy as np
from sklearn.metrics import roc_auc_score

MIN_PROBABILITY = 1e-15  # smaller probabilities are raised to it in the log loss


def judge(y_true: np.ndarray, y_prob: np.ndarray) -> dict[str, float]:
    """Compute ROC AUC (for more than two classes the mean of one against the rest), log loss and accuracy.

    Classes without a row in `y_true` are excluded from the mean AUC.

    Shape: y_true (n,) class codes, y_prob (n, n_classes)

    Raises
    ------
    ValueError
        `y_prob` has the wrong shape or does not hold probabilities.
    """
    if y_prob.ndim != 2 or len(y_prob) != len(y_true):
        raise ValueError(f"y_prob must have Shape (n, n_classes) with n={len(y_true):,}, but has {y_prob.shape}")
    totals = y_prob.sum(axis=1)
    if not np.isfinite(y_prob).all() or y_prob.min() < 0 or np.abs(totals - 1).max() > 1e-3:
        raise ValueError(f"y_prob must hold probabilities that sum to 1, but the sums are {totals.min():g} to {totals.max():g}")
    y_prob = y_prob / totals[:, None]  # the sum of float32 differs from 1 in the last digits
    n_classes = y_prob.shape[1]
    present = [1] if n_classes == 2 else [code for code in range(n_classes) if (y_true == code).any()]
    areas = [roc_auc_score(y_true == code, y_prob[:, code]) for code in present]
    return {
        "roc_auc": float(np.mean(areas)),
        "log_loss": float(-np.log(np.maximum(y_prob[np.arange(len(y_true)), y_true], MIN_PROBABILITY)).mean()),
        "accuracy": float((y_prob.argmax(axis=1) == y_true).mean()),
    }
