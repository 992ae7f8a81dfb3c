"""Boosted trees, fitted by LightGBM and stored in its text format, but read and evaluated without it.

LightGBM's reader trusts the text: numbers out of range make it crash, hang, or read foreign memory. Here, the text becomes
arrays, which are checked.
"""

import re
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from veritable.models.nodes import Nodes

if TYPE_CHECKING:
    from lightgbm import Booster

_BATCH_ROWS = 4096
_PER_NODE = ("split_feature", "threshold", "decision_type", "left_child", "right_child")
_CODES, _MISSING_IS_ZERO = 1, 4  # bits of decision_type: the split is by codes; zeros count as missing


class Trees:
    """Boosted trees whose scores are the margins: sums of leaf values. With two classes, half the margin is added to each.

    Parameters
    ----------
    text
        The model in LightGBM's text format.

    Attributes
    ----------
    nodes
        The splits; in each tree, the inner nodes come before the leaves.
    value
        Values of the leaves. Shape: (leaves,) float64
    n_outputs
        Number of outputs, which the trees add to in turn.

    Raises
    ------
    ValueError
        The text is not a sound model.
    """

    kind: ClassVar[str] = "trees"

    def __init__(self, text: str):
        self.text = text
        self.n_outputs, self.nodes, self.value = _parse(text)
        self.nodes.check(len(self.value))

    @classmethod
    def from_booster(cls, booster: "Booster") -> Self:
        """Make it from a fitted model up to its best round, without the number of threads that it was fitted with."""
        text = booster.model_to_string(num_iteration=booster.best_iteration)
        return cls(re.sub(r"^\[num_threads: \d+\]$", "[num_threads: 0]", text, flags=re.MULTILINE))

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
        trees = cls(data.decode("utf-8"))
        if trees.n_outputs != (1 if n_classes == 2 else n_classes):
            raise ValueError(f"must hold trees for {n_classes} classes, but has {trees.n_outputs} per round")
        trees.nodes.check_width(width)
        return trees

    def save(self, stem: Path) -> None:
        """Write the text to `stem`.txt."""
        stem.with_suffix(".txt").write_text(self.text, encoding="utf-8")

    def scores(self, X: np.ndarray) -> np.ndarray:
        """Return the margins; a row does not depend on other rows. Shape: (n, width) -> (n, classes), float64"""
        margin = np.zeros((self.n_outputs, len(X)))
        for start in range(0, len(X), _BATCH_ROWS):
            rows = slice(start, start + _BATCH_ROWS)
            for number, leaf in enumerate(self.nodes.reach(X[rows])):  # added in LightGBM's order
                margin[number % self.n_outputs, rows] += self._node_value[leaf]
        return np.stack([-margin[0] / 2, margin[0] / 2], axis=1) if self.n_outputs == 1 else np.ascontiguousarray(margin.T)

    @cached_property
    def _node_value(self) -> np.ndarray:
        """Value of each node that is a leaf. Shape: (nodes,)"""
        return np.where(self.nodes.column < 0, self.value[self.nodes.left % len(self.value)], 0.0)


def _parse(text: str) -> tuple[int, Nodes, np.ndarray]:
    """Return the number of outputs, the nodes and the values of the leaves."""
    body, end, _ = text.partition("\nend of trees\n")
    head, *blocks = body.split("\nTree=")
    header = _fields(head)
    if not (end and head.startswith("tree\nversion=v4\n") and "average_output" not in head.split("\n")):
        raise ValueError("must hold boosted trees in LightGBM's text format, version 4, but does not")
    trees = [_fields(block) for block in blocks]
    (n_outputs,), n_leaves = _numbers([header], "num_tree_per_iteration"), _numbers(trees, "num_leaves")
    if any(each.get("is_linear") != "0" for each in trees) or n_outputs < 1 or not trees or len(trees) % n_outputs:
        raise ValueError(f"must hold trees with constant leaves, {n_outputs} per round, but does not")
    column, threshold, decision, left, right = (
        _numbers(trees, key, np.float64 if key == "threshold" else np.int64, n_leaves - 1) for key in _PER_NODE
    )
    value = _numbers(trees, "leaf_value", np.float64, n_leaves)
    if (decision < 0).any() or (decision & _MISSING_IS_ZERO).any():
        raise ValueError("must hold trees that do not treat zeros as missing, but a decision_type says so")
    tree, sizes = np.repeat(np.arange(len(trees)), n_leaves - 1), 2 * n_leaves - 1  # tree of each inner node
    start, first_inner = np.cumsum(sizes) - sizes, np.cumsum(n_leaves - 1) - (n_leaves - 1)
    inner = start[tree] + np.arange(len(tree)) - first_inner[tree]  # positions: in each tree, the leaves come last

    def spread(values: np.ndarray) -> np.ndarray:
        found = np.full(sizes.sum(), -1, dtype=values.dtype)
        found[inner] = values
        return found

    left, right = (spread(start[tree] + np.where(side < 0, n_leaves[tree] - 1 + ~side, side)) for side in (left, right))
    nodes = Nodes(start, spread(column), spread(threshold), left, right, _codes(trees, tree, inner, decision, threshold))
    left[np.setdiff1d(np.arange(sizes.sum()), inner, assume_unique=True)] = np.arange(len(value))
    return int(n_outputs), nodes, value


def _codes(
    trees: list[dict[str, str]], tree: np.ndarray, inner: np.ndarray, decision: np.ndarray, threshold: np.ndarray
) -> dict[int, np.ndarray]:
    """Return the codes with which a row goes to the left, by node. LightGBM writes them as sets of bits.

    Parameters
    ----------
    tree, inner, decision, threshold
        Tree and position of each inner node, its decision_type, and the number of its set if it splits by codes.
    """
    found: dict[int, np.ndarray] = {}
    by_codes = np.flatnonzero(decision & _CODES)
    for number, own in groupby(by_codes.tolist(), lambda i: tree[i]):
        one = [trees[number]]
        n_sets, n_words = (len(one[0].get(key, "").split()) for key in ("cat_boundaries", "cat_threshold"))
        bounds = _numbers(one, "cat_boundaries", counts=np.array([n_sets]))
        words = _numbers(one, "cat_threshold", counts=np.array([n_words]))
        if n_sets < 2 or bounds[0] != 0 or bounds[-1] != n_words or (np.diff(bounds) < 1).any() or (words >> 32).any():
            raise ValueError("must hold sets of codes one after the other, but a tree does not")
        for i in own:
            if threshold[i] not in range(n_sets - 1):
                raise ValueError("must hold splits by sets of codes that exist, but does not")
            bits = words[bounds[int(threshold[i])] : bounds[int(threshold[i]) + 1]].astype("<u4").view(np.uint8)
            found[int(inner[i])] = codes = np.flatnonzero(np.unpackbits(bits, bitorder="little"))
            if not codes.size:
                raise ValueError("must hold sets of codes that are not empty, but one is")
    return found


def _fields(block: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in block.split("\n") if "=" in line)


def _numbers(trees: list[dict[str, str]], key: str, dtype: Any = np.int64, counts: np.ndarray | None = None) -> np.ndarray:
    """Return the numbers that all trees have for a key, of which a tree has `counts`, by default one. Shape: (numbers,)"""
    texts = [each.get(key, "").split() for each in trees]
    expected = [1] * len(trees) if counts is None else counts.tolist()
    if [len(each) for each in texts] != expected:
        raise ValueError(f"must hold as many numbers '{key}' as the trees need, but does not")
    try:
        found = np.array([text for each in texts for text in each], dtype=dtype)
    except (ValueError, OverflowError):
        raise ValueError(f"must hold numbers as '{key}', but holds others") from None
    if not np.isfinite(found).all():
        raise ValueError(f"must hold finite numbers as '{key}', but holds others")
    return found
