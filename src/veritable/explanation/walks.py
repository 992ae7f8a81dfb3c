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

import numpy as np

MIN_PAIRS = 16
MAX_PAIRS = 256
_BATCH_CELLS = 2**21  # encoded values, and contributions, that are held at once
Function = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Game:
    """What is explained, and what rows are compared with.

    Attributes
    ----------
    function
        From encoded rows to outputs, the same bits whatever the other rows. Shape: (n, width) -> (n, outputs)
    background, base
        Rows that the walks start from, and their outputs. Shape: (m, width), (m, outputs)
    owner
        Player that each encoded column belongs to, from 0 on; the columns of a player are switched together. Shape: (width,)
    """

    function: Function
    background: np.ndarray
    base: np.ndarray
    owner: np.ndarray

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

    The number of pairs of walks starts at 16 and is doubled up to 256, until the errors of a row are small enough.

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
    shape = game.n_players, game.base.shape[1]
    values, errors = np.empty((2, len(rows), *shape))
    row_cells = MIN_PAIRS * max(rows.shape[1], shape[0] * shape[1])
    at_once = max(1, _BATCH_CELLS // row_cells)
    for first in range(0, len(rows), at_once):
        positions = np.arange(first, min(first + at_once, len(rows)))
        outputs = game.function(rows[positions])
        generators = [np.random.default_rng((seed, numbers[i])) for i in positions]
        sums = _Sums.empty(len(positions), *shape)
        active = np.arange(len(positions))
        while len(active):
            wanted = max(MIN_PAIRS, int(sums.n[active[0]]))  # all active rows have had equally many
            for _ in range(wanted // MIN_PAIRS):
                chosen = [generators[i] for i in active]
                sums.add(active, _pairs(game, rows[positions[active]], outputs[active], chosen))
            known = outputs[active] - game.base.mean(axis=0)
            found, error = sums.estimate(active, known)
            values[positions[active]], errors[positions[active]] = found, error
            active = active[~enough(positions[active], found, error) & (sums.n[active] < MAX_PAIRS)]
    return values, errors


def _pairs(game: Game, rows: np.ndarray, outputs: np.ndarray, generators: Sequence[np.random.Generator]) -> np.ndarray:
    """Return the contributions of 16 pairs of walks to each row. Shape: (n, 16, players, outputs)"""
    n_players = game.n_players
    players = np.tile(np.arange(n_players), (MIN_PAIRS, 1))
    drawn = np.concatenate([each.integers(0, len(game.background), MIN_PAIRS) for each in generators])
    orders = np.concatenate([each.permuted(players, axis=1) for each in generators])
    ends = game.background[drawn], np.repeat(rows, MIN_PAIRS, axis=0)
    reached = game.base[drawn], np.repeat(outputs, MIN_PAIRS, axis=0)
    total = sum(_walk(game, ends, reached, each) for each in (orders, orders[:, ::-1]))
    return np.asarray(total).reshape(len(rows), MIN_PAIRS, n_players, -1) / 2


def _walk(
    game: Game, ends: tuple[np.ndarray, np.ndarray], outputs: tuple[np.ndarray, np.ndarray], orders: np.ndarray
) -> np.ndarray:
    """Return how much the output changes when each player is switched, for several walks.

    The switch of a player whose values are equal at both ends changes nothing, and after the last of the other players the walk
    is at its end; neither needs the function.

    Parameters
    ----------
    ends, outputs
        Encoded rows at the start and at the end of each walk, and their outputs. Shape: (n, width), (n, outputs)
    orders
        Players in the order in which they are switched. Shape: (n, players)

    Returns
    -------
    Shape: (n, players, outputs)
    """
    (start, target), (current, after) = ends, outputs
    differs = np.zeros(orders.shape, dtype=bool)
    row, place = np.nonzero(start != target)
    differs[row, game.owner[place]] = True
    walks, remaining = np.arange(len(start)), differs.sum(axis=1)
    state, contributions = start, np.zeros((*orders.shape, current.shape[1]))
    for players in orders.T:
        state = np.where(game.owner == players[:, None], target, state)
        switched = differs[walks, players]
        remaining -= switched
        between = switched & (remaining > 0)
        reached = np.where((remaining > 0)[:, None], current, after)
        if between.any():
            reached[between] = game.function(state[between])
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
        size = np.abs(mean).sum(
            axis=1, keepdims=True
        )  # if all pairs have the same total, what is missing is shared by the values
        shares = np.divide(np.abs(mean), size, out=np.full(mean.shape, 1 / mean.shape[1]), where=size > 0)
        slope = np.divide(together, around_total[:, None], out=shares, where=varies[:, None])
        missing = known - mean_total
        left = np.maximum(around - np.where(varies[:, None], slope * together, 0.0), 0.0) / (n[:, None] - 2)
        leverage = np.divide(missing**2, around_total, out=np.zeros_like(missing), where=varies)
        error = np.where(varies[:, None], np.sqrt(left * (1 / n + leverage)[:, None]), np.abs(slope * missing[:, None]))
        return mean + slope * missing[:, None], error
