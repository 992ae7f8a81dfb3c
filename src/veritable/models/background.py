"""Train rows that travel with a classifier: its explanations compare a row with them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from safetensors.numpy import load_file, save_file

from veritable.tables.encoding.parts import Part, Shards

_FILE = "background.safetensors"


@dataclass(frozen=True)
class Background:
    """A random sample of the train part.

    Attributes
    ----------
    X
        Encoded rows. Shape: (m, width) float32
    y
        Class codes. Shape: (m,) int64
    n_train
        Number of rows of the train part.
    """

    X: np.ndarray
    y: np.ndarray
    n_train: int

    @classmethod
    def draw(cls, train: Part | Shards, rows: int, seed: int) -> Self | None:
        """Draw up to `rows` rows of the train part, in random order; None if `rows` is 0."""
        if not rows:
            return None
        part = train.sample(rows, seed) if isinstance(train, Shards) else train
        chosen = np.random.default_rng(seed).permutation(len(part))[:rows]
        return cls(np.ascontiguousarray(part.X[chosen]), part.y[chosen], len(train))

    def save(self, folder: Path) -> None:
        """Write the rows to a folder."""
        save_file({"X": self.X, "y": self.y, "n_train": np.array([self.n_train])}, folder / _FILE)

    @classmethod
    def load(cls, folder: Path) -> Self | None:
        """Read what `save` wrote; None if there is nothing."""
        if not (folder / _FILE).is_file():
            return None
        content = load_file(folder / _FILE)
        return cls(content["X"], content["y"], int(content["n_train"][0]))
