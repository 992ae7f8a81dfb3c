"""Train rows that travel with a classifier: its explanations compare a row with them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from safetensors.numpy import save_file

from veritable.models.arrays import check_rows, load_arrays
from veritable.tables.encoding.encoder import Encoder
from veritable.tables.encoding.parts import Part, Shards

FILE = "background.safetensors"


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
        save_file({"X": self.X, "y": self.y, "n_train": np.array([self.n_train])}, folder / FILE)

    @classmethod
    def load(cls, data: bytes, encoder: Encoder, n_classes: int) -> Self:
        """Read what `save` wrote.

        Raises
        ------
        ValueError
            The file is damaged, or the rows are not rows of the encoder.
        """
        forms = {"X": "float32 rows width", "y": "int64 rows", "n_train": "int64 one"}
        arrays = load_arrays(data, forms, width=len(encoder.names), one=1)
        check_rows(arrays["X"], arrays["y"], encoder, n_classes)
        n_train = int(arrays["n_train"][0])
        if n_train < len(arrays["y"]):
            raise ValueError(f"must hold at most as many rows as the train part has, but holds {len(arrays['y'])} of {n_train}")
        return cls(arrays["X"], arrays["y"], n_train)
