"""Estimate Shapley values of any function by walks from background rows to the explained row.

A walk switches one player after the other, a column of the table or a group of columns, from its value in a background row to
its value in the explained row. Each switch changes the output; the change is the contribution of the player. The Shapley value
is the mean contribution over background rows and orders of the players (Strumbelj & Kononenko 2014, "Explaining prediction
models and individual predictions with feature contributions"). Each order is walked together with its reverse, because their
errors partly cancel (Mitchell et al. 2022, "Sampling permutations for Shapley value estimation").

The contributions of a pair of walks sum to the output of the row minus that of the background row, and the mean of that sum
over the background is known. So the contributions are regressed on their sum: this makes the values add up, and uses what is
known about the sum to correct each of them (a regression estimator: Cochran 1977, "Sampling techniques", chapter 7).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np

MIN_PAIRS = 16
MAX_PAIRS = 512
_MAX_STEPS = 2**14  # pairs times players of a row, unless the first 16 pairs have more
_BATCH_CELLS = 2**23  # numbers that are held at once for the walks, and again for a term
Function = Callable[[np.ndarray], np.ndarray]


class Path(Protocol):
    """Walks under way: where each of them is, between its start and its target."""

    def switch(self, players: np.ndarray) -> None:
        """Give one player of each walk its value at the end that the walks lead to. Shape: (walks,)"""

    def turn(self) -> None:
        """Let the walks lead back from the target to the start from now on."""

    def outputs(self, walks: np.ndarray) -> np.ndarray:
        """Return the outputs where some walks are. Shape: (k,) -> (k, outputs)"""


class Term(Protocol):
    """A function whose Shapley values are estimated.

    Attributes
    ----------
    cells
        Numbers that a path holds for each walk.
    """

    cells: int

    def __call__(self, X: np.ndarray) -> np.ndarray:
        """Return the outputs, the same bits whatever the other rows. Shape: (n, width) -> (n, outputs)"""

    def follow(self, start: np.ndarray, target: np.ndarray, orders: np.ndarray) -> Path:
        """Begin walks, a multiple of 16, that switch the players in these orders.

        Shape: (walks, width), (walks, width), (walks, players)"""


class RowPath:
    """Walks of a function that is computed from whole rows."""

    def __init__(self, function: Function, start: np.ndarray, target: np.ndarray, owner: np.ndarray):
        self.function, self.rows, self.owner = function, start, owner
        self.start, self.target = start, target

    def switch(self, players: np.ndarray) -> None:
        self.rows = np.where(self.owner == players[:, None], self.target, self.rows)

    def turn(self) -> None:
        self.start, self.target = self.target, self.start

    def outputs(self, walks: np.ndarray) -> np.ndarray:
        return self.function(self.rows[walks])


class RowTerm:
    """A function that is computed from whole rows.

    Parameters
    ----------
    owner
        See `Game`.
    """

    def __init__(self, function: Function, owner: np.ndarray):
        self.function, self.owner, self.cells = function, owner, len(owner)

    def __call__(self, X: np.ndarray) -> np.ndarray:
        return self.function(X)

    def follow(self, start: np.ndarray, target: np.ndarray, orders: np.ndarray) -> RowPath:
        return RowPath(self.function, start, target, self.owner)


@dataclass(frozen=True)
class Game:
    """What is explained, and what rows are compared with.

    Attributes
    ----------
    terms
        Functions whose sum is explained. They are walked along the same paths, one after the other.
    background
        Rows that the walks start from. Shape: (m, width)
    base
        Outputs of these rows by term. Shape: (m, outputs) each
    owner
        Player that each encoded column belongs to, from 0 on; the columns of a player are switched together. Shape: (width,)
    """

    terms: Sequence[Term]
    background: np.ndarray
    base: Sequence[np.ndarray]
    owner: np.ndarray

    @classmethod
    def of(cls, terms: Sequence[Term], background: np.ndarray, owner: np.ndarray) -> Self:
        """Make it with the outputs of the background."""
        return cls(terms, background, [term(background) for term in terms], owner)

    @property
    def n_players(self) -> int:
        """Number of players: columns of the table, or groups of them."""
        return int(self.owner.max()) + 1


def walk_values(
    game: Game,
    rows: np.ndarray,
    numbers: Sequence[int],
    *,
    seed: int,
    enough: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray],
) -> tuple[np.ndarray, np.ndarray]:
    """Estimate Shapley values. Those of a row have the same bits whatever the other rows.

    The number of pairs of walks starts at 16 and is doubled until the errors of a row are small enough, up to 512 pairs, or
    fewer if there are more than 32 players: the time for a row is bounded.

    Parameters
    ----------
    rows
        Encoded rows. Shape: (n, width)
    numbers
        Number of each row; seeds its walks together with `seed`. Shape: (n,), 0 or more
    enough
        From positions of rows (k,), their values and their errors, both of Shape (k, players, outputs), to whether their
        errors are small enough. Shape: (k,)

    Returns
    -------
    Values, and their standard errors. Shape: (n, players, outputs) each. The errors have 14 degrees of freedom or more.
    """
    shape = game.n_players, game.base[0].shape[1]
    mean = sum(base.mean(axis=0) for base in game.base)
    values, errors = np.empty((2, len(rows), *shape))
    row_cells = MIN_PAIRS * max(2 * shape[0] * shape[1], rows.shape[1])
    most = min(MAX_PAIRS, max(MIN_PAIRS, _MAX_STEPS // shape[0]))
    at_once = max(1, _BATCH_CELLS // row_cells)
    for first in range(0, len(rows), at_once):
        positions = np.arange(first, min(first + at_once, len(rows)))
        outputs = [term(rows[positions]) for term in game.terms]
        generators = [np.random.default_rng((seed, numbers[i])) for i in positions]
        sums = _Sums.empty(len(positions), *shape)
        active = np.arange(len(positions))
        while len(active):
            wanted = max(MIN_PAIRS, int(sums.n[active[0]]))  # all active rows have had equally many
            for _ in range(wanted // MIN_PAIRS):
                chosen = [generators[i] for i in active]
                sums.add(active, _pairs(game, rows[positions[active]], [each[active] for each in outputs], chosen))
            found, error = sums.estimate(active, sum(each[active] for each in outputs) - mean)
            values[positions[active]], errors[positions[active]] = found, error
            active = active[~enough(positions[active], found, error) & (2 * sums.n[active] <= most)]
    return values, errors


def _pairs(
    game: Game, rows: np.ndarray, outputs: Sequence[np.ndarray], generators: Sequence[np.random.Generator]
) -> np.ndarray:
    """Return the contributions of 16 pairs of walks to each row. Shape: (n, 16, players, outputs)"""
    players = np.tile(np.arange(game.n_players), (MIN_PAIRS, 1))
    drawn = np.concatenate([each.integers(0, len(game.background), MIN_PAIRS) for each in generators])
    orders = np.concatenate([each.permuted(players, axis=1) for each in generators])
    start, target = game.background[drawn], np.repeat(rows, MIN_PAIRS, axis=0)
    differs = np.zeros(orders.shape, dtype=bool)
    row, place = np.nonzero(start != target)
    differs[row, game.owner[place]] = True
    total = np.zeros((*orders.shape, outputs[0].shape[1]))
    for term, base, output in zip(game.terms, game.base, outputs, strict=True):
        before, after = base[drawn], np.repeat(output, MIN_PAIRS, axis=0)
        step = MIN_PAIRS * max(1, _BATCH_CELLS // (MIN_PAIRS * term.cells))
        for first in range(0, len(start), step):
            some = slice(first, first + step)
            path, ends = term.follow(start[some], target[some], orders[some]), (before[some], after[some])
            total[some] += _walk(path, differs[some], ends, orders[some])
            path.turn()  # on the way back in the same order, the players that are still switched are those of the reverse order
            total[some] -= _walk(path, differs[some], ends[::-1], orders[some])
    return total.reshape(len(rows), MIN_PAIRS, game.n_players, -1) / 2


def _walk(path: Path, differs: np.ndarray, ends: tuple[np.ndarray, np.ndarray], orders: np.ndarray) -> np.ndarray:
    """Return how much the output changes when each player is switched, for several walks.

    The switch of a player whose values are equal at both ends changes nothing, and after the last of the other players the walk
    is at its end; neither needs an output.

    Parameters
    ----------
    differs
        Whether the values of each player differ between the ends of each walk. Shape: (walks, players)
    ends
        Outputs at the beginning and at the end of each walk. Shape: (walks, outputs) each
    orders
        Players in the order in which they are switched. Shape: (walks, players)

    Returns
    -------
    Shape: (walks, players, outputs)
    """
    current, after = ends
    walks, remaining = np.arange(len(orders)), differs.sum(axis=1)
    contributions = np.zeros((*orders.shape, current.shape[1]))
    for players in orders.T:
        path.switch(players)
        switched = differs[walks, players]
        remaining -= switched
        reached = np.where((remaining > 0)[:, None], current, after)
        between = np.flatnonzero(switched & (remaining > 0))
        if len(between):
            reached[between] = path.outputs(between)
        contributions[walks, players] = reached - current
        current = reached
    return contributions


@dataclass
class _Sums:
    """Sums over the pairs of walks so far: of the contributions, their squares, and their products with the sum of a pair.

    Attributes
    ----------
    n
        Number of pairs. Shape: (rows,)
    first, second, product
        Shape: (rows, players, outputs)
    total, total_squared
        Sum of the contributions of a pair, and its square. Shape: (rows, outputs)
    """

    n: np.ndarray
    first: np.ndarray
    second: np.ndarray
    product: np.ndarray
    total: np.ndarray
    total_squared: np.ndarray

    @classmethod
    def empty(cls, rows: int, players: int, outputs: int) -> "_Sums":
        each, total = (rows, players, outputs), (rows, outputs)
        return cls(np.zeros(rows, dtype=np.int64), *(np.zeros(shape) for shape in (each, each, each, total, total)))

    def add(self, active: np.ndarray, contributions: np.ndarray) -> None:
        """Add pairs to some rows. Shape: (active,), (active, pairs, players, outputs)"""
        total = contributions.sum(axis=2)
        self.n[active] += contributions.shape[1]
        self.first[active] += contributions.sum(axis=1)
        self.second[active] += np.square(contributions).sum(axis=1)
        self.product[active] += (contributions * total[:, :, None]).sum(axis=1)
        self.total[active] += total.sum(axis=1)
        self.total_squared[active] += np.square(total).sum(axis=1)

    def estimate(self, active: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return values and standard errors, given the mean of the total over the background: Shape (active, outputs)."""
        n = self.n[active][:, None]
        mean, mean_total = self.first[active] / n[:, None], self.total[active] / n
        around = np.maximum(self.second[active] - n[:, None] * mean**2, 0.0)
        together = self.product[active] - n[:, None] * mean * mean_total[:, None]
        around_total = together.sum(axis=1)
        varies = around_total > 1e-12 * np.maximum(self.total_squared[active], 1e-300)
        # If all pairs have the same total, what is missing is shared in proportion to the values.
        size = np.abs(mean).sum(axis=1, keepdims=True)
        shares = np.divide(np.abs(mean), size, out=np.full(mean.shape, 1 / mean.shape[1]), where=size > 0)
        slope = np.divide(together, around_total[:, None], out=shares, where=varies[:, None])
        missing = known - mean_total
        left = np.maximum(around - np.where(varies[:, None], slope * together, 0.0), 0.0) / (n[:, None] - 2)
        leverage = np.divide(missing**2, around_total, out=np.zeros_like(missing), where=varies)
        error = np.where(varies[:, None], np.sqrt(left * (1 / n + leverage)[:, None]), np.abs(slope * missing[:, None]))
        return mean + slope * missing[:, None], error
