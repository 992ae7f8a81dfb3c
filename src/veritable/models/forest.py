"""A forest of random trees as arrays: fitted by scikit-learn, saved without pickle."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from safetensors.numpy import save_file

from veritable.models.arrays import load_arrays
from veritable.models.nodes import Nodes

_SCALE = 4.0  # makes scores about as large as log-probabilities; the weight in the blend corrects it
_BATCH_CELLS = 2**20  # rows times trees that are walked at once
_FORMS = {
    "root": "int32 trees",
    "column": "int32 nodes",
    "threshold": "float64 nodes",
    "left": "int32 nodes",
    "right": "int32 nodes",
    "value": "float32 leaves classes",
}


@dataclass(frozen=True)
class Forest:
    """Trees whose scores are the class shares in the leaves, averaged over the trees, times 4.

    The share itself is the score, not its logarithm: the scores are then a sum over the trees, as those of boosted trees are.

    Attributes
    ----------
    nodes
        The splits.
    value
        Class shares in the leaves. Shape: (leaves, classes) float32
    """

    nodes: Nodes
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
        nodes = Nodes(
            first[:-1].astype(np.int32),
            column.astype(np.int32),
            np.concatenate([tree.threshold for tree in trees]),
            left.astype(np.int32),
            right.astype(np.int32),
        )
        return cls(nodes, np.concatenate([tree.value[:, 0, :] for tree in trees])[is_leaf].astype(np.float32))

    @classmethod
    def load(cls, data: bytes, width: int, n_classes: int) -> Self:
        """Read what `save` wrote.

        Parameters
        ----------
        width
            Number of encoded columns.

        Raises
        ------
        ValueError
            The file is damaged, or the trees do not fit the columns or the classes.
        """
        arrays = load_arrays(data, _FORMS, classes=n_classes)
        value = arrays.pop("value")
        nodes = Nodes(arrays["root"], arrays["column"], arrays["threshold"], arrays["left"], arrays["right"])
        nodes.check(len(value))
        nodes.check_width(width)
        return cls(nodes, value)

    def save(self, stem: Path) -> None:
        """Write the arrays to `stem`.safetensors."""
        arrays = {name: getattr(self.nodes, name) for name in _FORMS if name != "value"}
        save_file(arrays | {"value": self.value}, stem.with_suffix(".safetensors"))

    def scores(self, X: np.ndarray) -> np.ndarray:
        """Return the scaled shares; a row does not depend on other rows. Shape: (n, width) -> (n, classes), float64"""
        found = np.empty((len(X), self.value.shape[1]))
        step = max(1, _BATCH_CELLS // len(self.nodes.root))
        for start in range(0, len(X), step):
            leaves = np.stack([self.nodes.left[each] for each in self.nodes.reach(X[start : start + step])], axis=1)
            found[start : start + step] = _SCALE * self.value[leaves].mean(axis=1, dtype=np.float64)
        return found
