"""Which rows train, which choose (valid), which judge (test)."""

import numpy as np


def split_rows(y: np.ndarray, *, valid: float, test: float, seed: int) -> dict[str, np.ndarray]:
    """Row numbers of each part, stratified: each part has nearly the same share of every class, and at least one row of it.

    Rows stand in random order within a part, so that any run of them is a fair sample.

    Parameters
    ----------
    y
        Class codes. Shape: (rows,)
    valid, test
        Shares of the rows, each above 0, together below 1. What is left trains.
    """
    generator = np.random.default_rng(seed)
    parts: dict[str, list[np.ndarray]] = {"train": [], "valid": [], "test": []}
    for code in np.unique(y):
        rows = generator.permutation(np.flatnonzero(y == code))
        n_valid, n_test = (max(1, round(share * len(rows))) for share in (valid, test))
        while n_valid + n_test >= len(rows):  # a tiny class: leave one to train on
            n_valid, n_test = (n_valid - 1, n_test) if n_valid > n_test else (n_valid, n_test - 1)
        parts["valid"].append(rows[:n_valid])
        parts["test"].append(rows[n_valid : n_valid + n_test])
        parts["train"].append(rows[n_valid + n_test :])
    return {name: generator.permutation(np.concatenate(rows)) for name, rows in parts.items()}
