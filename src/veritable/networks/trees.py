"""Boosted trees as members of a classifier: LightGBM's models, kept as its own text, which holds numbers alone."""

from collections.abc import Sequence
from typing import Self

import numpy as np
import torch  # noqa: F401  brings the OpenMP library that LightGBM needs, where the system has none
from lightgbm import Booster


class Trees:
    """The mean of several boosted models' probabilities.

    Attributes
    ----------
    texts
        LightGBM's text of each model.
    """

    def __init__(self, texts: Sequence[str]):
        self.texts = tuple(texts)
        self._boosters = [Booster(model_str=text) for text in self.texts]

    @classmethod
    def of(cls, boosters: Sequence[Booster]) -> Self:
        """Of models as they were fitted, each up to its best round."""
        return cls([booster.model_to_string(num_iteration=booster.best_iteration) for booster in boosters])

    def probabilities(self, X: np.ndarray) -> np.ndarray:
        """A row's hang on no other row. Shape: (n, width) -> (n, classes), float64"""
        if not len(X):  # of which LightGBM makes no shape
            return np.empty((0, max(2, self._boosters[0].num_model_per_iteration())))
        mean = np.mean([booster.predict(X) for booster in self._boosters], axis=0)
        return np.stack([1 - mean, mean], axis=1) if mean.ndim == 1 else np.asarray(mean)
