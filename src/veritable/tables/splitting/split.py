"""Rules that split a table into train, valid and test.

A unit is a set of rows that are split together: the rows of one group or id, or the rows that are equal in all features.
Units are dealt class by class in the order of the table, in permuted blocks (Hill 1951, as in clinical trials): of each
five units of a class, valid and test get their shares, and the seed decides which units. So every part has nearly the same
share of every class, and rows added at the end of the table move no earlier row.

A unit of equal rows that is a noticeable share of a part is frequent (`find_frequent`): its rows are dealt one by one.
"""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, Self

import numpy as np
import pandas as pd

from veritable.errors import TableError
from veritable.tables.reading.source import THREADS
from veritable.tables.splitting import hashing

PARTS = ("train", "valid", "test")
TRAIN, VALID, TEST, EXCLUDED = 0, 1, 2, 255
_FREQUENT_SHARE = 0.01  # of the rows of a part: docs/decisions/0013-repeated-rows.md
_FREQUENT_ROWS = 10
_FREQUENT_CLASS_SHARE = 0.1
_BLOCK = 5
_KEYS_AT_ONCE = 2**20
_ROWS_AT_ONCE = 2**18

Keys = Callable[[], Iterable[np.ndarray]]  # returns the hashes of all rows anew, batch by batch. Shape: (n,) uint64 each


class Repeats(NamedTuple):
    """Rows that are equal to an earlier row.

    Attributes
    ----------
    rows
        Row numbers, ascending within a unit. Shape: (repeats,) int64
    firsts
        First row of the unit of each. Shape: (repeats,) int64
    """

    rows: np.ndarray
    firsts: np.ndarray

    def among(self, chosen: np.ndarray) -> Self:
        """Return the repeats within a subset of the table. Shape: (rows,) bool"""
        if chosen.all():
            return self
        firsts = np.unique(self.firsts)
        rows, unit = np.concatenate([firsts, self.rows]), np.concatenate([firsts, self.firsts])
        inside = chosen[rows]
        rows, unit = rows[inside], unit[inside]  # a first row still precedes its repeats
        _, place, which = np.unique(unit, return_index=True, return_inverse=True)
        repeats = np.ones(len(rows), dtype=bool)
        repeats[place] = False
        return type(self)(rows[repeats], rows[place][which][repeats])

    def of(self, firsts: np.ndarray) -> Self:
        """Return the repeats of the units with these first rows. Shape: (units,) int64"""
        chosen = np.isin(self.firsts, firsts)
        return type(self)(self.rows[chosen], self.firsts[chosen])


def find_repeats(keys: Keys, rows: int) -> Repeats:
    """Return the rows whose key an earlier row has.

    The keys are read once per million rows, so that memory does not grow with them.

    Parameters
    ----------
    keys
        Hashes that are equal for the rows of one unit.
    rows
        Number of rows of the table.
    """
    bits = (rows // _KEYS_AT_ONCE).bit_length()  # the lowest bits of a key are the number of its piece

    def find(piece: int) -> tuple[np.ndarray, np.ndarray]:
        row, key = _keys_of_piece(keys(), bits, piece)
        order = np.argsort(key, kind="stable")
        is_first = np.ones(len(order), dtype=bool)
        is_first[1:] = key[order[1:]] != key[order[:-1]]
        first = row[order[np.flatnonzero(is_first)[np.cumsum(is_first) - 1]]] if len(order) else row
        return row[order[~is_first]], first[~is_first]

    with ThreadPoolExecutor(THREADS) as pool:
        repeats, firsts = zip(*pool.map(find, range(2**bits)), strict=True)
    return Repeats(np.concatenate(repeats), np.concatenate(firsts))


def _keys_of_piece(batches: Iterable[np.ndarray], bits: int, piece: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the row numbers and the keys whose lowest bits are the number of the piece."""
    rows, keys, start = [np.empty(0, dtype=np.int64)], [np.empty(0, dtype=np.uint64)], 0
    for batch in batches:
        chosen = np.flatnonzero(batch & np.uint64(2**bits - 1) == piece)
        rows.append(chosen + start)
        keys.append(batch[chosen])
        start += len(batch)
    return np.concatenate(rows), np.concatenate(keys)


def find_frequent(repeats: Repeats, y: np.ndarray, chosen: np.ndarray, smallest_part: float) -> np.ndarray:
    """Return the first row of each frequent unit.

    A unit in one part is missing from the other two. If it is a noticeable share of a part, the parts do not look alike. It is
    not needed either: new rows will have the same values as often as the table. A unit is frequent if it has

    - more than 1 % of the rows of the smallest part, and at least ten rows;
    - ten times as many rows as the mean unit of its class, or a tenth of the rows of its class. Without this rule, a table
      in which every row has twenty copies would have no unit that is kept together.

    Parameters
    ----------
    repeats
        Units of equal rows. The class of a unit is that of its first row.
    y
        Class codes, -1 where the target is missing. Shape: (rows,)
    chosen
        Rows that count; it includes all rows of the units. Shape: (rows,) bool
    smallest_part
        Number of rows that the smallest part has, or is expected to have.

    Returns
    -------
    Shape: (units,) int64, ascending
    """
    firsts, counts = np.unique(repeats.firsts, return_counts=True)
    counts += 1
    lower = max(_FREQUENT_ROWS, _FREQUENT_SHARE * smallest_part)
    if not (counts >= lower).any():
        return np.empty(0, dtype=np.int64)
    own = y[firsts] + 1
    n_rows = np.bincount(y[chosen] + 1).astype(np.float64)
    n_rows += np.bincount(own, counts - 1, len(n_rows)) - np.bincount(y[repeats.rows] + 1, minlength=len(n_rows))
    n_units = n_rows - np.bincount(own, counts - 1, len(n_rows))
    limit = np.minimum(10 * n_rows / np.maximum(n_units, 1), _FREQUENT_CLASS_SHARE * n_rows)
    return np.asarray(firsts[(counts >= lower) & (counts >= limit[own])])


def separate_frequent(keys: np.ndarray, y: np.ndarray, smallest_part: float) -> np.ndarray:
    """Return the keys of the units, with a key of its own for each frequent row. Shape: (rows,) uint64 each"""
    repeats = find_repeats(lambda: [keys], len(keys))
    firsts = find_frequent(repeats, y, np.ones(len(keys), dtype=bool), smallest_part)
    frequent = np.concatenate([firsts, repeats.of(firsts).rows])
    separate = keys.copy()
    separate[frequent] = hashing.mix(frequent.astype(np.uint64))
    return separate


def deal(y: np.ndarray, labels: Sequence[str], chosen: np.ndarray, *, valid: float, test: float, seed: int) -> np.ndarray:
    """Deal the chosen rows to the parts, class by class.

    Of each class, the first row goes to train and the next two to valid and test, so three rows reach all parts.

    Parameters
    ----------
    y
        Class codes, -1 where the target is missing. Shape: (rows,)
    labels
        Names of the classes. What is drawn depends on them, so a new class moves no row of another class.
    chosen
        Whether to deal a row. Shape: (rows,) bool
    valid, test
        Shares of the parts, 0 for none.

    Returns
    -------
    TRAIN, VALID, TEST, or EXCLUDED where a row was not chosen. Shape: (rows,) uint8
    """
    salts = _salts(labels, seed)
    seen = np.zeros(len(salts), dtype=np.int64)
    parts = np.full(len(chosen), EXCLUDED, dtype=np.uint8)
    for start in range(0, len(y), _ROWS_AT_ONCE):
        rows = start + np.flatnonzero(chosen[start : start + _ROWS_AT_ONCE])
        rank = _count_up(y[rows], seen)
        salt = salts[y[rows]]
        part = _deal_in_blocks(rank, salt, valid, test)
        early = rank < _BLOCK
        if early.any():
            part[early] = _deal_first_block(rank[early], salt[early], valid, test)
        parts[rows] = part
    return parts


def deal_rows(
    units: Repeats, y: np.ndarray, labels: Sequence[str], *, valid: float, test: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Deal the rows of each unit to the parts, class by class.

    Each unit is dealt on its own, so that its rows move no row of another unit.

    Returns
    -------
    Row numbers and parts. Shape: (rows of the units,) int64, (rows of the units,) uint8
    """
    firsts = np.unique(units.firsts)
    rows, unit = np.concatenate([firsts, units.rows]), np.concatenate([firsts, units.firsts])
    codes = y[rows]
    rank = pd.DataFrame({"unit": unit, "code": codes}).groupby(["unit", "code"], sort=False).cumcount().to_numpy()
    salt = _salts(labels, seed)[codes] + hashing.mix(unit.astype(np.uint64))
    return rows, _deal_in_blocks(rank, salt, valid, test)


def _salts(labels: Sequence[str], seed: int) -> np.ndarray:
    """Return a number per class, and a last one for rows without a target. Shape: (classes + 1,) uint64"""
    return hashing.mix(np.array([hashing.hash_text(label) for label in (*labels, "")], dtype=np.uint64) ^ np.uint64(seed))


def _count_up(codes: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Return how many rows of the same code came before, in this and in earlier batches, and update `seen`. Shape: (n,)"""
    order = np.argsort(codes, kind="stable")
    ranks = np.empty(len(codes), dtype=np.int64)
    counts = np.bincount(codes % len(seen), minlength=len(seen))  # -1, a missing target, counts as the last
    sorted_codes = codes[order]
    starts = np.searchsorted(sorted_codes, sorted_codes)
    ranks[order] = np.arange(len(codes)) - starts + seen[sorted_codes]
    seen += counts
    return ranks


def _deal_in_blocks(rank: np.ndarray, salt: np.ndarray, valid: float, test: float) -> np.ndarray:
    """Return the part of each unit by its rank within its class. Shape: (n,) each"""
    block = rank // _BLOCK
    start = (block * _BLOCK).astype(np.uint64)
    own = hashing.mix(salt + rank.astype(np.uint64))
    place = np.sum([hashing.mix(salt + start + np.uint64(slot)) < own for slot in range(_BLOCK)], axis=0)
    before, after = _quota(block, valid, test), _quota(block + 1, valid, test)
    return _cut(place, after[0] - before[0], after[1] - before[1])


def _deal_first_block(rank: np.ndarray, salt: np.ndarray, valid: float, test: float) -> np.ndarray:
    """Deal the first unit to train and the next two to valid and test, then the rest of the quotas of these two."""
    both = valid > 0 and test > 0
    swapped = hashing.mix(salt) % np.uint64(2) == 1 if both else np.full(len(rank), not valid)
    second, third = np.where(swapped, TEST, VALID), np.where(swapped, VALID, TEST)
    rest_valid, rest_test = (np.maximum(0, quota - 1) for quota in _quota(np.ones(1), valid, test))
    rest = _cut(rank - (3 if both else 2), rest_valid, rest_test)
    early = [rank == 0, rank == 1, (rank == 2) & both]
    return np.select(early, [np.full(len(rank), TRAIN), second, third], rest).astype(np.uint8)


def _cut(place: np.ndarray, n_valid: np.ndarray, n_test: np.ndarray) -> np.ndarray:
    """Return VALID for the first places, TEST for the next, TRAIN for the others. Shape: (n,) uint8"""
    return np.where(place < n_valid, VALID, np.where(place < n_valid + n_test, TEST, TRAIN)).astype(np.uint8)


def _quota(blocks: np.ndarray, valid: float, test: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the number of units for valid and test after so many blocks, rounded together so as not to exceed the total."""
    both = np.floor(blocks * _BLOCK * (valid + test) + 0.5)
    of_valid = np.floor(both * valid / (valid + test) + 0.5)
    return of_valid, both - of_valid


def split_by_time(times: np.ndarray, name: str, *, valid: float, test: float) -> np.ndarray:
    """Split by time: train before valid before test. Rows of the same time stay together.

    Parameters
    ----------
    times
        NaN where missing; such a row is excluded. Shape: (rows,) float64
    name
        Name of the time column.

    Returns
    -------
    Shape: (rows,) uint8

    Raises
    ------
    TableError
        There are too few different times to form three parts.
    """
    known = np.sort(times[~np.isnan(times)])
    cuts = (
        [known[min(len(known) - 1, round(len(known) * share))] for share in (1 - valid - test, 1 - test)] if len(known) else []
    )
    if len(np.unique([*known[:1], *cuts])) < 3:
        raise TableError(
            f"the time column '{name}' must have enough different times to split the table into train, valid and test, but "
            f"has {len(np.unique(known)):,}. Check data.time, data.valid and data.test."
        )
    parts = np.searchsorted(cuts, times, side="right").astype(np.uint8)
    parts[np.isnan(times)] = EXCLUDED
    return parts


def count_parts(parts: np.ndarray, y: np.ndarray, labels: Sequence[str], how: str) -> np.ndarray:
    """Count the rows of each class in each part. Shape: (3, classes)

    Raises
    ------
    TableError
        A part is empty, or train has fewer than two classes.
    """
    counts = np.zeros((len(PARTS), len(labels)), dtype=np.int64)
    for start in range(0, len(y), _ROWS_AT_ONCE):
        part, own = (each[start : start + _ROWS_AT_ONCE] for each in (parts, y))
        placed = part != EXCLUDED
        cells = part[placed].astype(np.int64) * len(labels) + own[placed]
        counts += np.bincount(cells, minlength=counts.size).reshape(counts.shape)
    sizes = dict(zip(PARTS, counts.sum(axis=1).tolist(), strict=True))
    if empty := [name for name, rows in sizes.items() if not rows]:
        raise TableError(
            f"{how} must leave rows for every part, but {empty[0]} has none ("
            + ", ".join(f"{k} {v:,}" for k, v in sizes.items())
            + "). Add rows, or change how the table is split under data."
        )
    if (learnable := int((counts[TRAIN] > 0).sum())) < 2:
        only = labels[int(counts[TRAIN].argmax())]
        raise TableError(
            f"the train part must have at least two classes, but {how} leaves it {learnable}: '{only}' "
            f"({sizes['train']:,} rows). Change how the table is split under data."
        )
    return counts
