"""A linear model of standardized numbers and one-hot categories."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from safetensors.numpy import save_file

from veritable.models.arrays import check_cardinalities, load_arrays

MAX_DEVIATIONS = 5.0  # numbers are clipped, so that one extreme value does not decide


@dataclass(frozen=True)
class Linear:
    """A linear model, the member that extrapolates most carefully from few rows.

    Attributes
    ----------
    cardinalities
        Number of codes of each encoded column, 0 for a number (`Encoder.cardinalities`). Shape: (width,) int64
    coefficients
        One row per number, and one per code of a category, in the order of the encoded columns. Shape: (inputs, classes)
    intercept
        Scores of a row whose inputs are all 0. Shape: (classes,)
    """

    cardinalities: np.ndarray
    coefficients: np.ndarray
    intercept: np.ndarray
    kind: ClassVar[str] = "linear"

    @classmethod
    def load(cls, data: bytes, cardinalities: np.ndarray, n_classes: int) -> Self:
        """Read what `save` wrote.

        Raises
        ------
        ValueError
            The file is damaged, or the model does not fit the encoded columns or the classes.
        """
        forms = {"cardinalities": "int64 width", "coefficients": "float64 inputs classes", "intercept": "float64 classes"}
        inputs = int(np.maximum(cardinalities, 1).sum())
        arrays = load_arrays(data, forms, width=len(cardinalities), inputs=inputs, classes=n_classes)
        check_cardinalities(arrays["cardinalities"], cardinalities)
        return cls(**arrays)

    def save(self, stem: Path) -> None:
        """Write the arrays to `stem`.safetensors."""
        save_file(dict(vars(self)), stem.with_suffix(".safetensors"))

    def parts(self, X: np.ndarray) -> Iterator[np.ndarray]:
        """Yield what each encoded column adds to the scores. Shape: (n, width) -> (n, classes) float64 each"""
        start = 0
        for column, codes in enumerate(self.cardinalities):
            if codes:
                yield self.coefficients[start + X[:, column].astype(np.int64)]
            else:
                clipped = np.clip(X[:, column], -MAX_DEVIATIONS, MAX_DEVIATIONS).astype(np.float64)
                yield clipped[:, None] * self.coefficients[start]
            start += codes or 1

    def scores(self, X: np.ndarray) -> np.ndarray:
        """Return the scores; a row does not depend on other rows. Shape: (n, width) -> (n, classes), float64

        Columns are added one by one: the order in which a matrix product adds depends on the number of rows.
        """
        total = np.tile(self.intercept, (len(X), 1))
        for part in self.parts(X):
            total += part
        return total
