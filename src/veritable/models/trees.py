"""Boosted trees of a classifier, stored in LightGBM's text format, which cannot run code."""

import re
from collections.abc import Iterator, Sequence
from typing import Self

import numpy as np
import torch  # noqa: F401  loads the OpenMP library that LightGBM needs if the system has none
from lightgbm import Booster


class Trees:
    """Boosted models.

    Attributes
    ----------
    texts
        LightGBM's text of each model.
    """

    def __init__(self, texts: Sequence[str]):
        self.texts = tuple(texts)
        self._boosters = [Booster(model_str=text) for text in self.texts]

    @classmethod
    def from_boosters(cls, boosters: Sequence[Booster]) -> Self:
        """Make it from fitted models, each up to its best round, without the number of threads that they were fitted with."""
        texts = (booster.model_to_string(num_iteration=booster.best_iteration) for booster in boosters)
        return cls([re.sub(r"^\[num_threads: \d+\]$", "[num_threads: 0]", text, flags=re.MULTILINE) for text in texts])

    def predict_each(self, X: np.ndarray) -> Iterator[np.ndarray]:
        """Predict with each model; a row does not depend on other rows. Shape: (n, width) -> (n, classes) each, float64"""
        for booster in self._boosters:
            if not len(X):  # LightGBM returns no shape
                yield np.empty((0, max(2, booster.num_model_per_iteration())))
                continue
            y_prob = np.asarray(booster.predict(X))
            yield np.stack([1 - y_prob, y_prob], axis=1) if y_prob.ndim == 1 else y_prob
