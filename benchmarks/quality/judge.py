"""Metrics of the benchmark, the same code for every contestant."""

import numpy as np
from sklearn.metrics import roc_auc_score

LEAST = 1e-15  # minimum probability in the log loss


def judge(y_true: np.ndarray, y_prob: np.ndarray) -> dict[str, float]:
    """Compute ROC AUC (more than two classes: mean of each against the rest), log loss and accuracy.

    A class without a row in `y_true` has no AUC and is excluded from the mean.

    Shape: y_true (n,) of places in the classes, y_prob (n, classes)

    Raises
    ------
    ValueError
        The probabilities are none.
    """
    if y_prob.ndim != 2 or len(y_prob) != len(y_true):
        raise ValueError(f"the probabilities of {len(y_true):,} rows must have as many rows, but have Shape {y_prob.shape}")
    totals = y_prob.sum(axis=1)
    if not np.isfinite(y_prob).all() or y_prob.min() < 0 or np.abs(totals - 1).max() > 1e-3:
        raise ValueError(f"probabilities must be at least 0 and sum to 1, but a row sums to {totals.min():g} or more")
    y_prob = y_prob / totals[:, None]  # float32 sums to 1 up to the last digits
    classes = y_prob.shape[1]
    present = [1] if classes == 2 else [code for code in range(classes) if (y_true == code).any()]
    areas = [roc_auc_score(y_true == code, y_prob[:, code]) for code in present]
    return {
        "roc_auc": float(np.mean(areas)),
        "log_loss": float(-np.log(np.maximum(y_prob[np.arange(len(y_true)), y_true], LEAST)).mean()),
        "accuracy": float((y_prob.argmax(axis=1) == y_true).mean()),
    }
