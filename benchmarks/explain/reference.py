"""Compute the values that the contestants are judged by. Run by `.venv/bin/python reference.py CASE RESULT --seconds 60`.

Up to 12 columns by enumeration of all coalitions, with all background rows. With more columns by a long run of random orders
and their reverses, each from another background row; then the reference has a standard error itself. Uses no code of the
explainer.
"""

import argparse
import time
from functools import cache
from math import factorial
from pathlib import Path

import numpy as np
from case import Case
from safetensors.numpy import save_file

MAX_ENUMERATED = 12
MIN_ROWS = 3
WALKS = 500  # pairs of walks at once
MAX_WALKS = 16_000  # pairs for one row


@cache
def masks(columns: int) -> np.ndarray:
    """Return all coalitions. Shape: (2^columns, columns), bool"""
    return (np.arange(2**columns)[:, None] >> np.arange(columns) & 1).astype(bool)


@cache
def weights(columns: int) -> np.ndarray:
    """Return what the value of each coalition counts for each column. Shape: (columns, 2^columns)"""
    inside = masks(columns)
    size = inside.sum(axis=1)
    with_column = np.array(
        [0.0, *(factorial(s - 1) * factorial(columns - s) / factorial(columns) for s in range(1, columns + 1))]
    )
    without = np.array([*(factorial(s) * factorial(columns - s - 1) / factorial(columns) for s in range(columns)), 0.0])
    return np.where(inside, with_column[size][:, None], -without[size][:, None]).T


def enumerate_values(case: Case, row: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the exact values of a row, and their standard errors, 0. Shape: (columns,) each"""
    coalitions = masks(len(row))
    means = [case.log_odds(np.where(each, row, case.background)).mean() for each in coalitions]
    return weights(len(row)) @ np.array(means), np.zeros(len(row))


def sample_values(case: Case, row: np.ndarray, seed: int, seconds: float) -> tuple[np.ndarray, np.ndarray]:
    """Return values of a row by a long run, and their standard errors. Shape: (columns,) each

    The contributions of a walk are regressed on their sum, whose mean over the background is known.
    """
    generator, begun, columns = np.random.default_rng((1, seed)), time.process_time(), len(row)
    base, output = case.log_odds(case.background), case.log_odds(row[None])[0]
    order, pairs = generator.permutation(len(case.background)), []
    while len(pairs) < 2 or (time.process_time() - begun < seconds and len(pairs) * WALKS < MAX_WALKS):
        drawn = np.take(order, np.arange(WALKS) + len(pairs) * WALKS, mode="wrap")
        orders = generator.permuted(np.tile(np.arange(columns), (WALKS, 1)), axis=1)
        walks = [_walk(case, row, output, drawn, base[drawn], each) for each in (orders, orders[:, ::-1])]
        pairs.append((walks[0] + walks[1]) / 2)
    contributions = np.concatenate(pairs)
    mean, centred = contributions.mean(axis=0), contributions - contributions.mean(axis=0)
    total = centred.sum(axis=1)
    slope = (centred * total[:, None]).sum(axis=0) / np.square(total).sum()
    residual = centred - slope * total[:, None]
    missing = output - base.mean() - mean.sum()
    return mean + slope * missing, residual.std(axis=0) / np.sqrt(len(residual))


def _walk(case: Case, row: np.ndarray, output: float, drawn: np.ndarray, start: np.ndarray, orders: np.ndarray) -> np.ndarray:
    """Return how much the output changes when each column is switched, one walk per background row. Shape: (walks, columns)"""
    state, current, walks = case.background[drawn], start, np.arange(len(drawn))
    contributions = np.empty(orders.shape)
    for place, column in enumerate(orders.T):
        state[walks, column] = row[column]
        reached = np.full(len(drawn), output) if place == orders.shape[1] - 1 else case.log_odds(state)
        contributions[walks, column] = reached - current
        current = reached
    return contributions


def compute(case: Case, rows: int, seconds: float) -> dict[str, np.ndarray]:
    """Compute the values of the first rows, as many as the time allows, and at least 3."""
    begun, found = time.process_time(), []
    for i in range(min(rows, len(case.X))):
        if i >= MIN_ROWS and time.process_time() - begun > seconds:
            break
        if case.X.shape[1] <= MAX_ENUMERATED:
            found.append(enumerate_values(case, case.X[i]))
        else:
            found.append(sample_values(case, case.X[i], i, seconds / MIN_ROWS))
    values, errors = (np.stack(each) for each in zip(*found, strict=True))
    return {"values": values, "errors": errors}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("case", type=Path)
    parser.add_argument("result", type=Path)
    parser.add_argument("--background", type=int, required=True)
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    arguments = parser.parse_args()
    found = compute(Case.load(arguments.case, arguments.background), arguments.rows, arguments.seconds)
    partial = arguments.result.with_suffix(".partial")
    save_file(found, partial)
    partial.rename(arguments.result)
