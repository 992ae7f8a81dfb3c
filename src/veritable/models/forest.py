"""A forest of random trees as arrays: fitted by scikit-learn, saved without pickle."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from safetensors.numpy import load_file, save_file
from sklearn.tree._tree import NODE_DTYPE, Tree

from veritable.errors import UserError

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
        """Read what `save` wrote.

        Raises
        ------
        UserError
            A node refers to one that does not exist: compiled code would read beyond the arrays.
        """
        path = stem.with_suffix(".safetensors")
        forest = cls(**load_file(path))
        if not forest._is_sound():
            raise UserError(
                f"the forest '{path}' must have nodes that refer to later nodes of their tree, but is damaged. Restore it."
            )
        return forest

    def _is_sound(self) -> bool:
        n = len(self.column)
        node, inner = np.arange(n), self.column >= 0
        if not (
            self.root[0] == 0 and (np.diff(self.root) > 0).all() and self.root[-1] < n == len(self.left) == len(self.right)
        ):
            return False
        end = np.repeat([*self.root[1:], n], np.diff([*self.root, n]))
        later = [((side > node) & (side < end))[inner].all() for side in (self.left, self.right)]
        return all(later) and bool(((self.left >= 0) & (self.left < len(self.value)))[~inner].all())

    def save(self, stem: Path) -> None:
        """Write the arrays to `stem`.safetensors."""
        save_file({each.name: getattr(self, each.name) for each in fields(self)}, stem.with_suffix(".safetensors"))

    def scores(self, X: np.ndarray) -> np.ndarray:
        """Return the scaled shares; a row does not depend on other rows. Shape: (n, width) -> (n, classes), float64"""
        if len(X) and self.column.max() >= X.shape[1]:
            raise UserError(
                f"the forest splits column {self.column.max()}, but rows have {X.shape[1]} columns. Train it again."
            )
        found = np.empty((len(X), self.value.shape[1]))
        step = max(1, _BATCH_CELLS // len(self.root))
        for start in range(0, len(X), step):
            rows = np.ascontiguousarray(X[start : start + step], dtype=np.float32)
            leaves = np.stack(
                [self.left[root + tree.apply(rows)] for root, tree in zip(self.root, self._trees, strict=True)], axis=1
            )
            found[start : start + step] = _SCALE * self.value[leaves].mean(axis=1, dtype=np.float64)
        return found

    @cached_property
    def _trees(self) -> list[Tree]:
        """The trees as scikit-learn applies them, compiled."""
        ends, found = [*self.root[1:].tolist(), len(self.column)], []
        for start, end in zip(self.root.tolist(), ends, strict=True):
            nodes = np.zeros(end - start, dtype=NODE_DTYPE)
            inner = self.column[start:end] >= 0
            nodes["feature"] = np.where(inner, self.column[start:end], -2)  # as scikit-learn marks leaves
            nodes["threshold"] = self.threshold[start:end]
            for side, children in (("left_child", self.left), ("right_child", self.right)):
                nodes[side] = np.where(inner, children[start:end] - start, -1)
            tree = Tree(int(self.column.max()) + 1, np.ones(1, dtype=np.intp), 1)
            tree.__setstate__(
                {"max_depth": len(nodes), "node_count": len(nodes), "nodes": nodes, "values": np.zeros((len(nodes), 1, 1))}
            )
            found.append(tree)
        return found
