"""Walk sums of small trees by bit masks, where a step costs a few operations on whole arrays instead of a descent per tree.

A mask has a bit for each leaf of a tree: the leaves that a value does not rule out. The values of all columns together rule out
all leaves but one, so the conjunction of their masks is the leaf that a row reaches (Lucchese et al. 2015, "QuickScorer"). On a
walk, the conjunctions of the players that are switched, and of those that are not yet, are those of a prefix and of a suffix of
the order, which grow by one player at a time.
"""

from collections.abc import Sequence

import numpy as np

from veritable.explanation.leaves import Tree

MAX_LEAVES = 16  # bits of a mask
_DE_BRUIJN, _SHIFT = np.uint16(0x09AF), np.uint16(12)  # a single bit times this number has a place of its own in the top 4 bits
_PLACES = [((0x09AF << leaf) & 0xFFFF) >> 12 for leaf in range(MAX_LEAVES)]


class TreesTerm:
    """A sum of small trees as a term of a game.

    Parameters
    ----------
    trees
        Trees with at most 16 leaves each, at most 4,096 if each output has as many.
    cardinalities
        Number of codes of each encoded column, 0 for a number. Shape: (width,)
    owner
        Player that each encoded column belongs to. Shape: (width,)
    """

    def __init__(self, trees: Sequence[Tree], cardinalities: np.ndarray, owner: np.ndarray):
        trees = _pad(trees)
        self.n_outputs = trees[-1].output + 1
        leaves = np.zeros((len(trees), MAX_LEAVES))
        for i, tree in enumerate(trees):
            leaves[i, _PLACES[: len(tree.value)]] = tree.value
        self.leaves = leaves.ravel()
        self.offsets = (np.arange(len(trees)) * MAX_LEAVES).astype(np.uint16)
        self.all = np.array([2 ** len(tree.value) - 1 for tree in trees], dtype=np.uint16)
        self.edges, self.masks = _column_masks(trees, cardinalities)
        self.is_code = cardinalities > 0
        self.order = np.argsort(owner, kind="stable")
        self.firsts = np.flatnonzero(np.diff(owner[self.order], prepend=-1))
        self.cells = len(trees) * (len(self.firsts) + 1)

    def __call__(self, X: np.ndarray) -> np.ndarray:
        found = [self.sums(np.bitwise_and.reduce(self.allowed(X[i : i + 256]), axis=0)) for i in range(0, len(X), 256)]
        return np.concatenate(found) if found else np.empty((0, self.n_outputs))

    def allowed(self, X: np.ndarray) -> np.ndarray:
        """Return the leaves that the values of each player do not rule out. Shape: (n, width) -> (players, n, trees)"""
        found = np.tile(self.all, (len(self.firsts), len(X), 1))
        players = np.repeat(np.arange(len(self.firsts)), np.diff(self.firsts, append=len(self.order)))
        for player, column in zip(players, self.order, strict=True):
            if self.edges[column] is not None:
                codes = (
                    X[:, column].astype(np.intp) if self.is_code[column] else np.searchsorted(self.edges[column], X[:, column])
                )
                found[player] &= self.masks[column][codes]
        return found

    def sums(self, allowed: np.ndarray) -> np.ndarray:
        """Return the sums of the only leaves that are left. Shape: (n, trees) -> (n, outputs)"""
        places = self.offsets | (allowed * _DE_BRUIJN >> _SHIFT)
        values = self.leaves.take(places.astype(np.intp))
        found: np.ndarray = values.reshape(len(values), self.n_outputs, -1).sum(axis=2)
        return found

    def follow(self, start: np.ndarray, target: np.ndarray, orders: np.ndarray) -> "TreesPath":
        return TreesPath(self, self.allowed(start), self.allowed(target), orders)


class TreesPath:
    """Walks of trees: see `walks.Path`."""

    def __init__(self, term: TreesTerm, start: np.ndarray, target: np.ndarray, orders: np.ndarray):
        self.term, self.orders = term, orders
        self.walks = np.arange(len(orders))
        self.start, self.target = start, target
        self._begin()

    def _begin(self) -> None:
        """Conjoin the masks of the starts of all players from each place of the order on."""
        self.place = 0
        self.reached = np.tile(self.term.all, (len(self.walks), 1))
        self.ahead = [self.reached]
        for players in self.orders.T[:0:-1]:
            self.ahead.append(self.ahead[-1] & self.start[players, self.walks])
        self.ahead.reverse()

    def switch(self, players: np.ndarray) -> None:
        self.reached = self.reached & self.target[players, self.walks]
        self.place += 1

    def turn(self) -> None:
        self.start, self.target = self.target, self.start
        self._begin()

    def outputs(self, walks: np.ndarray) -> np.ndarray:
        return self.term.sums(self.reached[walks] & self.ahead[self.place - 1][walks])


def _pad(trees: Sequence[Tree]) -> list[Tree]:
    """Sort trees by output, and add trees of a single leaf 0 until each output has as many: boosting may end early."""
    counts = np.bincount([tree.output for tree in trees])
    zeros = [Tree([], [], [], [], np.zeros(1), i) for i, n in enumerate(counts) for _ in range(counts.max() - n)]
    return sorted([*trees, *zeros], key=lambda tree: tree.output)


def _column_masks(trees: Sequence[Tree], cardinalities: np.ndarray) -> tuple[list[np.ndarray | None], list[np.ndarray]]:
    """Return the thresholds of each column, None where no tree splits it, and the masks of the values between them.

    The values up to the first threshold have the first mask, those above the last one the last. The codes of a category have a
    mask each. Shape: (thresholds,), (thresholds + 1, trees) or (codes, trees), for each column
    """
    splits: list[list[tuple[int, np.float64 | np.ndarray, int, int]]] = [[] for _ in cardinalities]

    def descend(i: int, node: int) -> int:
        """Collect the splits below a node, and return the mask of its leaves."""
        if node < 0:
            return 1 << ~node
        tree = trees[i]
        left, right = descend(i, tree.left[node]), descend(i, tree.right[node])
        splits[tree.column[node]].append((i, tree.threshold[node], left, right))
        return left | right

    for i, tree in enumerate(trees):
        descend(i, 0 if tree.column else ~0)
    edges: list[np.ndarray | None] = []
    masks = []
    for cardinality, own in zip(cardinalities, splits, strict=True):
        found = np.array([] if cardinality else sorted({float(threshold) for _, threshold, *_ in own}))
        values = np.arange(cardinality) if cardinality else np.r_[found, np.inf]  # one of each interval
        mask = np.full((len(values), len(trees)), 2**MAX_LEAVES - 1, dtype=np.uint16)
        for i, threshold, left, right in own:
            goes_left = np.isin(values, threshold) if cardinality else values <= threshold
            mask[:, i] &= np.where(goes_left, ~right, ~left).astype(np.uint16)
        edges.append(found if own else None)
        masks.append(mask)
    return edges, masks
