"""Shapley values by their definition, for a few players: the oracle of the tests."""

from collections.abc import Callable
from itertools import combinations
from math import comb

import numpy as np

Function = Callable[[np.ndarray], np.ndarray]


def by_enumeration(function: Function, rows: np.ndarray, background: np.ndarray, owner: np.ndarray) -> np.ndarray:
    """Return the mean contribution of each player to all coalitions of the others. Shape: (n, players, outputs)"""
    players = range(int(owner.max()) + 1)

    def worth_of(row: np.ndarray, coalition: tuple[int, ...]) -> np.ndarray:
        return np.asarray(function(np.where(np.isin(owner, coalition), row, background)).mean(axis=0))

    values = np.zeros((len(rows), len(players), function(rows).shape[1]))
    for value, row in zip(values, rows, strict=True):
        worth = {each: worth_of(row, each) for size in range(len(players) + 1) for each in combinations(players, size)}
        for coalition in worth:
            for i in set(players) - set(coalition):
                share = 1 / (len(players) * comb(len(players) - 1, len(coalition)))
                value[i] += share * (worth[tuple(sorted((*coalition, i)))] - worth[coalition])
    return values


def interaction_by_enumeration(
    function: Function, row: np.ndarray, background: np.ndarray, owner: np.ndarray, one: int, other: int
) -> float:
    """Return the Shapley interaction index of two players for a function with one output."""
    others = [i for i in range(int(owner.max()) + 1) if i not in (one, other)]

    def worth_of(coalition: tuple[int, ...]) -> float:
        return float(function(np.where(np.isin(owner, coalition), row, background)).mean())

    index = 0.0
    for size in range(len(others) + 1):
        share = 1 / ((len(others) + 1) * comb(len(others), size))
        for each in combinations(others, size):
            index += share * (
                worth_of((*each, one, other)) - worth_of((*each, one)) - worth_of((*each, other)) + worth_of(each)
            )
    return index
