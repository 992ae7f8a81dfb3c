"""Boosted trees, stored in LightGBM's text format, which cannot run code."""

import re
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import torch  # noqa: F401  loads the OpenMP library that LightGBM needs if the system has none
from lightgbm import Booster


class Trees:
    """Boosted trees whose scores are the margins: sums of leaf values. With two classes, half the margin is added to each.

    Attributes
    ----------
    text
        The model in LightGBM's text format.
    booster
        The model as LightGBM reads it.
    """

    kind: ClassVar[str] = "trees"

    def __init__(self, text: str):
        self.text = text
        self.booster = Booster(model_str=text)

    @classmethod
    def from_booster(cls, booster: Booster) -> Self:
        """Make it from a fitted model up to its best round, without the number of threads that it was fitted with."""
        text = booster.model_to_string(num_iteration=booster.best_iteration)
        return cls(re.sub(r"^\[num_threads: \d+\]$", "[num_threads: 0]", text, flags=re.MULTILINE))

    @classmethod
    def load(cls, stem: Path) -> Self:
        """Read what `save` wrote."""
        return cls(stem.with_suffix(".txt").read_text(encoding="utf-8"))

    def save(self, stem: Path) -> None:
        """Write the text to `stem`.txt."""
        stem.with_suffix(".txt").write_text(self.text, encoding="utf-8")

    def scores(self, X: np.ndarray) -> np.ndarray:
        """Return the margins; a row does not depend on other rows. Shape: (n, width) -> (n, classes), float64"""
        if not len(X):  # LightGBM returns no shape
            return np.empty((0, max(2, self.booster.num_model_per_iteration())))
        margin = np.asarray(self.booster.predict(X, raw_score=True))
        return np.stack([-margin / 2, margin / 2], axis=1) if margin.ndim == 1 else margin
