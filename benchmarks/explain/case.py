"""What all contestants explain: the log-odds of a classifier, its columns as players, and a background."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
from safetensors.numpy import load_file

from veritable.models.classifier import Classifier


@dataclass(frozen=True)
class Case:
    """A classifier, the rows to explain and the rows to compare them with.

    The tables have no missing values and no dates, so each column of the table is one encoded column, and libraries that do not
    know groups of columns explain the same game.

    Attributes
    ----------
    X, numbers
        Encoded test rows in random order, and their row numbers. Shape: (n, columns) float32, (n,)
    background
        Shape: (m, columns) float32
    """

    classifier: Classifier
    X: np.ndarray
    numbers: np.ndarray
    background: np.ndarray

    @classmethod
    def load(cls, folder: Path, background_rows: int) -> Self:
        """Load a case that train.py wrote, with the first rows of the background."""
        classifier, rows = Classifier.load(folder), load_file(folder / "rows.safetensors")
        assert classifier.background is not None
        kept = replace(
            classifier.background, X=classifier.background.X[:background_rows], y=classifier.background.y[:background_rows]
        )
        assert rows["X"].shape[1] == len(classifier.encoder.blocks), "each column must be encoded as one"
        return cls(replace(classifier, background=kept), rows["X"], rows["row"], kept.X)

    def log_odds(self, X: np.ndarray) -> np.ndarray:
        """Return the log-odds of the positive class. Shape: (n, columns) -> (n,)"""
        rows, ensemble, total = np.asarray(X, dtype=np.float32), self.classifier.ensemble, np.zeros(len(X))
        for member, weight in zip(ensemble.members, ensemble.weights, strict=True):
            scores = member.scores(rows)
            total += weight * (scores[:, 1] - scores[:, 0])
        return total
