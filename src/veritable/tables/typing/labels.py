"""Class names, which are texts, as the labels that a reader of the table would have."""

from collections.abc import Sequence

import numpy as np


def as_labels(classes: Sequence[str]) -> np.ndarray:
    """Whole numbers if all are, else numbers, else booleans, else texts. Shape: (classes,)"""
    if {name.lower() for name in classes} == {"true", "false"}:
        return np.array([name.lower() == "true" for name in classes])
    for kind in (np.int64, np.float64):
        try:
            labels = np.array([kind(name) for name in classes])
        except (ValueError, OverflowError):
            continue
        if all(str(label) == name for label, name in zip(labels.tolist(), classes, strict=True)):
            return labels  # "01" is no whole number, "1e3" none that is written so
    return np.array(classes, dtype=object)
