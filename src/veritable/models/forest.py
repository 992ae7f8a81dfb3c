"""A forest of random trees as arrays: fitted by scikit-learn, saved without pickle."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from safetensors.numpy import load_file, save_file

_SCALE = 4.0  # makes scores about as large as log-probabilities; the weight in the blend corrects it
_BATCH_CELLS = 2**20  # rows times trees that are walked at once


@dataclass(frozen=True)
class Forest:
    """Trees whose scores are the class shares in the leaves, averaged over the trees, times 4.

    The share itself is the score, not its logarithm: the scores are then a sum over the trees, as those of boosted trees are.

    Attributes
    ----------
    root
        First node of each tree. Shape: (trees,) int32
    column
        Encoded column that each node splits, -1 for a leaf. Shape: (nodes,) int32
    threshold
        Value up to which a row goes to the left. Shape: (nodes,) float64
    left, right
        Children of each node; for a leaf, `left` is its row in `value`. Shape: (nodes,) int32
    value
        Class shares in the leaves. Shape: (leaves, classes) float32
    """

    root: np.ndarray
    column: np.ndarray
    threshold: np.ndarray
    left: np.ndarray
    right: np.ndarray
    value: np.ndarray
    kind: ClassVar[str] = "forest"

    @classmethod
    def from_trees(cls, trees: Sequence[Any]) -> Self:
        """Make it from the fitted `tree_` attributes of scikit-learn's classification trees."""
        first = np.cumsum([0, *(tree.node_count for tree in trees)])
        column = np.concatenate([np.maximum(tree.feature, -1) for tree in trees])
        left, right = (
            np.concatenate([getattr(tree, side) + start for tree, start in zip(trees, first[:-1], strict=True)])
            for side in ("children_left", "children_right")
        )
        is_leaf = column < 0
        left[is_leaf], right[is_leaf] = np.arange(is_leaf.sum()), 0
        return cls(
            first[:-1].astype(np.int32),
            column.astype(np.int32),
            np.concatenate([tree.threshold for tree in trees]),
            left.astype(np.int32),
            right.astype(np.int32),
            np.concatenate([tree.value[:, 0, :] for tree in trees])[is_leaf].astype(np.float32),
        )

    @classmethod
    def load(cls, stem: Path) -> Self:
        """Read what `save` wrote."""
        return cls(**load_file(stem.with_suffix(".safetensors")))

    def save(self, stem: Path) -> None:
        """Write the arrays to `stem`.safetensors."""
        save_file(dict(vars(self)), stem.with_suffix(".safetensors"))

    def scores(self, X: np.ndarray) -> np.ndarray:
        """Return the scaled shares; a row does not depend on other rows. Shape: (n, width) -> (n, classes), float64"""
        found = np.empty((len(X), self.value.shape[1]))
        step = max(1, _BATCH_CELLS // len(self.root))
        for start in range(0, len(X), step):
            leaves = self._leaves(np.ascontiguousarray(X[start : start + step], dtype=np.float32))
            found[start : start + step] = _SCALE * self.value[leaves].mean(axis=1, dtype=np.float64)
        return found

    def _leaves(self, X: np.ndarray) -> np.ndarray:
        """Return the leaf of each row in each tree, as its row in `value`. Shape: (n, width) -> (n, trees)"""
        cells, width = X.ravel(), X.shape[1]
        node = np.tile(self.root, len(X))
        first_cell = np.repeat(np.arange(len(X)) * width, len(self.root))
        walking = np.arange(len(node))
        while len(walking):
            at = node[walking]
            column = self.column[at]
            inner = column >= 0
            walking, at, column = walking[inner], at[inner], column[inner]
            goes_left = cells[first_cell[walking] + column] <= self.threshold[at]
            node[walking] = np.where(goes_left, self.left[at], self.right[at])
        leaves: np.ndarray = self.left[node].reshape(len(X), len(self.root))
        return leaves
