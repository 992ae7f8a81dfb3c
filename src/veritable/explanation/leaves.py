"""Exact Shapley values of boosted trees, by counting how the background fails to reach each leaf.

The game is the interventional one: a column outside the coalition has its value in a background row, and the value of a
coalition is the mean over the background. The players are the columns of the table, whatever the number of encoded columns of
each.

A leaf is reached if each player on its path lets it through. For an explained row and a background row, the players whose value
in the explained row does not let through must be outside the coalition, and those whose value in the background row does not
must be inside. So the share of a player depends only on these two sets of players, the fail patterns of the two rows, and
background rows with the same pattern are counted together (Nadel & Wettenstein 2026, "Woodelf"; Yu et al. 2022, "Linear
TreeShap", for the sums over leaves). The cost is the number of leaves times the sum of explained and background rows, instead
of their product.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from math import factorial

import numpy as np
from scipy.sparse import csr_array

from veritable.models.trees import Trees

MAX_DEPTH = 62  # bits of a fail pattern
_MAX_TABLE_PLAYERS = 6  # paths with more players are looked up pattern by pattern


@dataclass(frozen=True)
class Tree:
    """A decision tree.

    Attributes
    ----------
    column
        Encoded column that each inner node splits.
    threshold
        Value up to which a row goes to the left, or the codes with which it does.
    left, right
        Children of each inner node; for a leaf, the complement of its position in `value`.
    value
        Values of the leaves. Shape: (leaves,)
    output
        Output that the tree adds to.
    """

    column: list[int]
    threshold: list[np.float64 | np.ndarray]
    left: list[int]
    right: list[int]
    value: np.ndarray
    output: int


def read_trees(model: Trees, weight: float) -> list[Tree]:
    """Return boosted trees with all leaves multiplied by a weight; of two classes, those of the margin."""
    nodes, trees, first_leaf = model.nodes, [], 0
    for number, (start, end) in enumerate(pairwise([*nodes.root.tolist(), len(nodes.column)])):
        n_inner = (end - start) // 2  # they come before the leaves
        inner = slice(start, start + n_inner)
        left, right = (
            np.where(side[inner] < start + n_inner, side[inner] - start, ~(side[inner] - start - n_inner)).tolist()
            for side in (nodes.left, nodes.right)
        )
        threshold: list[np.float64 | np.ndarray] = list(nodes.threshold[inner])
        for place in np.flatnonzero(nodes.by_codes[inner]).tolist():
            threshold[place] = nodes.codes[start + place].astype(np.float32)
        value = weight * model.value[first_leaf : first_leaf + n_inner + 1]
        trees.append(Tree(nodes.column[inner].tolist(), threshold, left, right, value, number % model.n_outputs))
        first_leaf += n_inner + 1
    return trees


def tree_values(
    trees: Sequence[Tree], rows: np.ndarray, backgrounds: Sequence[np.ndarray], owner: np.ndarray, n_outputs: int
) -> np.ndarray:
    """Compute the Shapley values of sums of trees. The values of a row have the same bits whatever the other rows.

    Parameters
    ----------
    rows
        Encoded rows. Shape: (n, width) float32
    backgrounds
        Sets of encoded rows that the rows are compared with, one after the other. Shape: (m, width) float32 each
    owner
        Player that each encoded column belongs to, from 0 on. Shape: (width,)

    Returns
    -------
    Shape: (backgrounds, n, players, n_outputs)
    """
    cells = np.ascontiguousarray(np.concatenate([*backgrounds, rows]).T)
    sizes = [len(each) for each in backgrounds]
    total = np.zeros((len(rows), owner.max() + 1, len(backgrounds), n_outputs))
    for tree in trees:
        _add_tree(tree, cells, owner.tolist(), sizes, total[..., tree.output])
    return total.transpose(2, 0, 1, 3)


def _add_tree(tree: Tree, cells: np.ndarray, owner: Sequence[int], sizes: Sequence[int], total: np.ndarray) -> None:
    """Add the values of one tree. Shape: cells (width, all backgrounds and rows), total (rows, players, backgrounds)"""
    if not tree.column:
        return
    m = sum(sizes)
    group = np.repeat(np.arange(len(sizes)), sizes)
    pending: list[tuple[int, np.ndarray, tuple[int, ...]]] = [(0, np.zeros(cells.shape[1], dtype=np.int64), ())]
    while pending:
        node, pattern, players = pending.pop()
        if node < 0:
            shares = _leaf_shares if len(players) > _MAX_TABLE_PLAYERS else _leaf_shares_by_table
            found = shares(pattern[:m], pattern[m:], group, sizes, len(players))
            total[:, players] += found * tree.value[~node]
            continue
        column, threshold = tree.column[node], tree.threshold[node]
        goes_left = np.isin(cells[column], threshold) if isinstance(threshold, np.ndarray) else cells[column] <= threshold
        player = owner[column]
        if player not in players:
            players = (*players, player)
        bit = players.index(player)
        pending.append((tree.right[node], pattern | (goes_left.astype(np.int64) << bit), players))
        pending.append((tree.left[node], pattern | ((~goes_left).astype(np.int64) << bit), players))


def _leaf_shares_by_table(
    background: np.ndarray, rows: np.ndarray, group: np.ndarray, sizes: Sequence[int], n_players: int
) -> np.ndarray:
    """Return the values of the players if the value of the leaf is 1, by a table of all patterns. See `_leaf_shares`"""
    size = 2**n_players
    counts = np.bincount(group * size + background, minlength=len(sizes) * size).reshape(len(sizes), size)
    table = _shares(n_players) @ (counts / np.array(sizes)[:, None]).T
    found: np.ndarray = table.reshape(size, n_players, len(sizes))[rows]
    return found


@cache
def _shares(n_players: int) -> csr_array:
    """Return the share of each player for each pair of patterns. Shape: (2^n_players * n_players, 2^n_players)"""
    patterns = np.arange(2**n_players)
    row, background = np.nonzero((patterns[:, None] & patterns) == 0)
    inside, outside = _weights(patterns[background], patterns[row])
    bits = np.arange(n_players)
    shares = inside[:, None] * (patterns[background][:, None] >> bits & 1)
    shares = shares + outside[:, None] * (patterns[row][:, None] >> bits & 1)
    pair, player = np.nonzero(shares)
    place = (row[pair] * n_players + player, background[pair])
    return csr_array((shares[pair, player], place), shape=(len(patterns) * n_players, len(patterns)))


def _leaf_shares(
    background: np.ndarray, rows: np.ndarray, group: np.ndarray, sizes: Sequence[int], n_players: int
) -> np.ndarray:
    """Return the values of the players if the value of the leaf is 1, pattern by pattern.

    Parameters
    ----------
    background, rows
        Fail patterns: bit i is set if player i does not let the row through to the leaf. Shape: (m,), (n,)
    group
        Background that each background row belongs to. Shape: (m,)
    sizes
        Number of rows of each background.

    Returns
    -------
    Shape: (n, n_players, backgrounds)
    """
    known, place = np.unique(background, return_inverse=True)
    counts = np.bincount(group * len(known) + place, minlength=len(sizes) * len(known)).reshape(len(sizes), -1)
    asked, inverse = np.unique(rows, return_inverse=True)
    row, other = np.nonzero((asked[:, None] & known) == 0)  # only these pairs can reach the leaf together
    inside, outside = _weights(known[other], asked[row])
    bits = np.arange(n_players)
    shares = np.where(known[other][:, None] >> bits & 1, inside[:, None], 0.0)
    shares += np.where(asked[row][:, None] >> bits & 1, outside[:, None], 0.0)
    weights = (counts / np.array(sizes)[:, None]).T[other]
    table = np.zeros((len(asked), n_players, len(sizes)))
    if len(row):
        firsts = np.flatnonzero(np.diff(row, prepend=-1))
        table[row[firsts]] = np.add.reduceat(shares[:, :, None] * weights[:, None], firsts, axis=0)
    return table[inverse]


def _weights(background: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the shares of a player that must be inside the coalition, and of one that must be outside.

    With a players that must be inside and b that must be outside: (a-1)! b! / (a+b)! and -a! (b-1)! / (a+b)!
    """
    inside, outside = _factorials()
    a, b = np.bitwise_count(background), np.bitwise_count(rows)
    return inside[a, b], outside[a, b]


@cache
def _factorials() -> tuple[np.ndarray, np.ndarray]:
    size = 64  # bits of a pattern
    inside, outside = np.zeros((2, size, size))
    for a in range(size):
        for b in range(size - a):
            if a:
                inside[a, b] = factorial(a - 1) * factorial(b) / factorial(a + b)
            if b:
                outside[a, b] = -factorial(a) * factorial(b - 1) / factorial(a + b)
    return inside, outside
