"""The nodes of binary trees as arrays, walked by scikit-learn's compiled code."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from sklearn.tree._tree import NODE_DTYPE, Tree


@dataclass(frozen=True)
class Nodes:
    """The nodes of several trees, one tree after the other.

    Attributes
    ----------
    root
        First node of each tree. Shape: (trees,) int32
    column
        Encoded column that each node splits, -1 for a leaf. Shape: (nodes,) int32
    threshold
        Value up to which a row goes to the left. Shape: (nodes,) float64
    left, right
        Children of each node; for a leaf, `left` is its number. Shape: (nodes,) int32
    codes
        Sorted codes of a category with which a row goes to the left, instead of a threshold, by node.
    """

    root: np.ndarray
    column: np.ndarray
    threshold: np.ndarray
    left: np.ndarray
    right: np.ndarray
    codes: Mapping[int, np.ndarray] = field(default_factory=dict)

    def check(self, n_leaves: int) -> None:
        """Check what the compiled code does not: it would read beyond the arrays, or never end.

        Raises
        ------
        ValueError
            A node refers to what does not exist, to an earlier node, or to a node of another tree; two refer to the same one.
        """
        n = len(self.column)
        node, inner = np.arange(n), self.column >= 0
        starts = self.root.tolist()
        if not (starts and starts[0] == 0 and (np.diff(self.root) > 0).all() and starts[-1] < n):
            raise ValueError("must hold the nodes of trees one after the other, but the roots are not in order")
        end = np.repeat([*self.root[1:], n], np.diff([*self.root, n]))
        for side in (self.left, self.right):
            if not ((side > node) & (side < end))[inner].all():
                raise ValueError("must hold nodes that refer to later nodes of their tree, but one does not")
        parents = np.bincount(np.concatenate([self.left[inner], self.right[inner]]), minlength=n)
        parents[self.root] += 1
        if (parents != 1).any():
            raise ValueError("must hold nodes that have one parent each, but one has none or several")
        leaves = self.left[~inner]
        if ((leaves < 0) | (leaves >= n_leaves)).any():
            raise ValueError(f"must hold leaves from 0 to {n_leaves - 1}, but holds others")

    def check_width(self, width: int) -> None:
        """Check that all split columns exist.

        Raises
        ------
        ValueError
            One does not.
        """
        if not ((self.column >= -1) & (self.column < width)).all():
            raise ValueError(f"must hold trees that split columns from 0 to {width - 1}, but they split others")

    @cached_property
    def by_codes(self) -> np.ndarray:
        """Whether each node splits by codes. Shape: (nodes,)"""
        found = np.zeros(len(self.column), dtype=bool)
        found[list(self.codes)] = True
        return found

    @property
    def depth(self) -> np.ndarray:
        """Number of nodes above each node. Shape: (nodes,)"""
        found = np.zeros(len(self.column), dtype=np.int32)
        level = self.root
        while level.size:
            level = level[self.column[level] >= 0]
            for side in (self.left, self.right):
                found[side[level]] = found[level] + 1
            level = np.concatenate([self.left[level], self.right[level]])
        return found

    def reach(self, X: np.ndarray) -> Iterator[np.ndarray]:
        """Yield the leaf that each row reaches, as a position in the arrays, tree by tree. Shape: (n, width) -> (n,) each"""
        rows = np.ascontiguousarray(X, dtype=np.float32)
        self.check_width(rows.shape[1])
        for root, tree in zip(self.root, self._trees, strict=True):
            yield root + tree.apply(rows)

    @cached_property
    def _trees(self) -> list[Tree]:
        """The trees as scikit-learn applies them, compiled."""
        ends = [*self.root[1:].tolist(), len(self.column)]
        by_tree = np.searchsorted(self.root, list(self.codes), side="right") - 1
        codes: list[dict[int, np.ndarray]] = [{} for _ in ends]
        for tree, (node, own) in zip(by_tree.tolist(), self.codes.items(), strict=True):
            codes[tree][node] = own
        return [self._compile(*each) for each in zip(self.root.tolist(), ends, codes, strict=True)]

    def _compile(self, start: int, end: int, codes: Mapping[int, np.ndarray]) -> Tree:
        """Return one tree. A split by codes becomes a chain of splits: is the code below a range of codes, or within it?"""
        tests: list[tuple[int, int, float, int, int]] = []
        n = end - start
        for node, own in codes.items():
            left, right, limits = self.left[node] - start, self.right[node] - start, _limits(own.tolist())
            chain = [node - start, *range(n, n + len(limits) - 1), right]
            n += len(limits) - 1
            for i, limit in enumerate(limits):
                below = math.nextafter(limit, -math.inf)
                tests.append((chain[i], self.column[node], below, left if i % 2 else right, chain[i + 1]))
        nodes = np.zeros(n, dtype=NODE_DTYPE)
        inner = self.column[start:end] >= 0
        nodes["feature"][: len(inner)] = np.where(inner, self.column[start:end], -2)  # as scikit-learn marks leaves
        nodes["threshold"][: len(inner)] = self.threshold[start:end]
        for side, children in (("left_child", self.left), ("right_child", self.right)):
            nodes[side][: len(inner)] = np.where(inner, children[start:end] - start, -1)
        if tests:
            place, *values = map(np.array, zip(*tests, strict=True))
            for name, given in zip(("feature", "threshold", "left_child", "right_child"), values, strict=True):
                nodes[name][place] = given
        tree = Tree(int(self.column.max()) + 1, np.ones(1, dtype=np.intp), 1)
        tree.__setstate__({"max_depth": n, "node_count": n, "nodes": nodes, "values": np.zeros((n, 1, 1))})
        return tree


def _limits(codes: list[int]) -> list[int]:
    """Return the start and the end, exclusive, of each range that sorted codes form.

    >>> _limits([1, 2, 3, 7])
    [1, 4, 7, 8]
    """
    known = set(codes)
    starts, ends = [code for code in codes if code - 1 not in known], [code + 1 for code in codes if code + 1 not in known]
    return [limit for pair in zip(starts, ends, strict=True) for limit in pair]
