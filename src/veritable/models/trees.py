"""Boosted trees as members of a classifier: LightGBM's models, kept as its own text, which holds numbers alone."""

import re
from collections.abc import Iterator, Sequence
from typing import Self

import numpy as np
import torch  # noqa: F401  brings the OpenMP library that LightGBM needs, where the system has none
from lightgbm import Booster


class Trees:
    """Several boosted models.

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
        """Return the fitted models, each up to its best round, without the number of threads they were fitted with."""
        texts = (booster.model_to_string(num_iteration=booster.best_iteration) for booster in boosters)
        return cls([re.sub(r"^\[num_threads: \d+\]$", "[num_threads: 0]", text, flags=re.MULTILINE) for text in texts])

    def each(self, X: np.ndarray) -> Iterator[np.ndarray]:
        """Each model's probabilities; a row's hang on no other row. Shape: (n, width) -> (n, classes) each, float64"""
        for booster in self._boosters:
            if not len(X):  # of which LightGBM makes no shape
                yield np.empty((0, max(2, booster.num_model_per_iteration())))
                continue
            found = np.asarray(booster.predict(X))
            yield np.stack([1 - found, found], axis=1) if found.ndim == 1 else found
