"""Which rows train, which choose (valid), which judge (test).

Rows that belong together (one group, one id, or equal in every column) are a unit, and a unit is never torn apart. Units are
dealt class by class in the order of the table, in permuted blocks (Hill 1951, as in clinical trials): of each five units of a
class, valid and test get their shares, and the seed decides which. So every part has nearly the same share of every
class, and rows added at the end of the table move no earlier one.
"""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from veritable.tables.errors import TableError
from veritable.tables.reading.ahead import THREADS
from veritable.tables.splitting import hashing

PARTS = ("train", "valid", "test")
TRAIN, VALID, TEST, LEFT_OUT = 0, 1, 2, 255
_BLOCK = 5
_KEYS_AT_ONCE = 2**20
_ROWS_AT_ONCE = 2**18


def find_repeats(keys: Callable[[], Iterable[np.ndarray]], rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows whose key an earlier row has, and the first row that has it.

    Walks the keys once for every million of rows, so that memory does not grow with them.

    Parameters
    ----------
    keys
        Gives the rows' keys anew, batch by batch. Shape: (n,) uint64 each

    Returns
    -------
    Shape: (repeats,), (repeats,) int64
    """
    bits = (rows // _KEYS_AT_ONCE).bit_length()  # of the keys, which say the piece that they are of

    def find(piece: int) -> tuple[np.ndarray, np.ndarray]:
        row, key = _chosen(keys(), bits, piece)
        order = np.argsort(key, kind="stable")
        is_first = np.ones(len(order), dtype=bool)
        is_first[1:] = key[order[1:]] != key[order[:-1]]
        leader = row[order[np.flatnonzero(is_first)[np.cumsum(is_first) - 1]]] if len(order) else row
        return row[order[~is_first]], leader[~is_first]

    with ThreadPoolExecutor(THREADS) as pool:
        repeats, firsts = zip(*pool.map(find, range(2**bits)), strict=True)
    return np.concatenate(repeats), np.concatenate(firsts)


def _chosen(batches: Iterable[np.ndarray], bits: int, piece: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows and keys of those keys whose lowest bits are the number of the piece."""
    rows, keys, start = [np.empty(0, dtype=np.int64)], [np.empty(0, dtype=np.uint64)], 0
    for batch in batches:
        chosen = np.flatnonzero(batch & np.uint64(2**bits - 1) == piece)
        rows.append(chosen + start)
        keys.append(batch[chosen])
        start += len(batch)
    return np.concatenate(rows), np.concatenate(keys)


def deal(y: np.ndarray, labels: Sequence[str], follows: np.ndarray, *, valid: float, test: float, seed: int) -> np.ndarray:
    """The part of each unit's first row; the others follow it (`follow`).

    Of a class, the first unit trains, the next two are dealt to valid and test, so three units suffice for all parts.

    Parameters
    ----------
    y
        Class codes, -1 where the target is missing. Shape: (rows,)
    labels
        Of the classes: what is drawn hangs on their names, so a new class moves no row of another.
    follows
        Which rows repeat an earlier one. Shape: (rows,)
    valid, test
        Shares, 0 for none.

    Returns
    -------
    TRAIN, VALID or TEST. Shape: (rows,) uint8
    """
    salts = hashing.mix(np.array([hashing.of_text(label) for label in (*labels, "")], dtype=np.uint64) ^ np.uint64(seed))
    seen = np.zeros(len(salts), dtype=np.int64)
    parts = np.full(len(follows), LEFT_OUT, dtype=np.uint8)
    for start in range(0, len(y), _ROWS_AT_ONCE):
        rows = start + np.flatnonzero(~follows[start : start + _ROWS_AT_ONCE])
        rank = _count_up(y[rows], seen)
        parts[rows] = _in_blocks(rank, salts[y[rows]], valid, test)
    return parts


def follow(parts: np.ndarray, repeats: np.ndarray, firsts: np.ndarray) -> None:
    """Put every repeat where the first of its unit is, in place."""
    parts[repeats] = parts[firsts]


def _count_up(codes: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """How many of the same code came before, in earlier batches too: `seen` is counted on. Shape: (n,)"""
    order = np.argsort(codes, kind="stable")
    ranks = np.empty(len(codes), dtype=np.int64)
    counts = np.bincount(codes % len(seen), minlength=len(seen))  # -1, no target, counts as the last
    sorted_codes = codes[order]
    starts = np.searchsorted(sorted_codes, sorted_codes)
    ranks[order] = np.arange(len(codes)) - starts + seen[sorted_codes]
    seen += counts
    return ranks


def _in_blocks(rank: np.ndarray, salt: np.ndarray, valid: float, test: float) -> np.ndarray:
    """The part of each unit by its place in its class. Shape: (n,) each"""
    block = rank // _BLOCK
    start = (block * _BLOCK).astype(np.uint64)
    own = hashing.mix(salt + rank.astype(np.uint64))
    place = np.sum([hashing.mix(salt + start + np.uint64(slot)) < own for slot in range(_BLOCK)], axis=0)
    before, after = _due(block, valid, test), _due(block + 1, valid, test)
    part = _cut(place, after[0] - before[0], after[1] - before[1])
    first = block == 0
    if first.any():
        part[first] = _in_first_block(rank[first], salt[first], valid, test)
    return part


def _in_first_block(rank: np.ndarray, salt: np.ndarray, valid: float, test: float) -> np.ndarray:
    """One to train, the next to valid and to test, then what these two are owed beyond."""
    both = valid > 0 and test > 0
    swapped = hashing.mix(salt) % np.uint64(2) == 1 if both else np.full(len(rank), not valid)
    second, third = np.where(swapped, TEST, VALID), np.where(swapped, VALID, TEST)
    owed_valid, owed_test = (np.maximum(0, due - 1) for due in _due(np.ones(1), valid, test))
    rest = _cut(rank - (3 if both else 2), owed_valid, owed_test)
    early = [rank == 0, rank == 1, (rank == 2) & both]
    return np.select(early, [np.full(len(rank), TRAIN), second, third], rest).astype(np.uint8)


def _cut(place: np.ndarray, n_valid: np.ndarray, n_test: np.ndarray) -> np.ndarray:
    """The first places to valid, the next to test, the others to train. Shape: (n,) uint8"""
    return np.where(place < n_valid, VALID, np.where(place < n_valid + n_test, TEST, TRAIN)).astype(np.uint8)


def _due(blocks: np.ndarray, valid: float, test: float) -> tuple[np.ndarray, np.ndarray]:
    """Units that valid and test should have after so many blocks: rounded together, so never more than there are."""
    both = np.floor(blocks * _BLOCK * (valid + test) + 0.5)
    of_valid = np.floor(both * valid / (valid + test) + 0.5)
    return of_valid, both - of_valid


def by_time(times: np.ndarray, name: str, *, valid: float, test: float) -> np.ndarray:
    """Train before valid before test; rows of one time stand in one part. Shape: (rows,), NaN: left out -> (rows,) uint8

    Raises
    ------
    TableError
        The times are too few to cut the table in three.
    """
    known = np.sort(times[~np.isnan(times)])
    cuts = (
        [known[min(len(known) - 1, round(len(known) * share))] for share in (1 - valid - test, 1 - test)] if len(known) else []
    )
    if len(np.unique([*known[:1], *cuts])) < 3:
        raise TableError(
            f"the time column '{name}' must have enough different times to cut the table into train, valid and test, however "
            f"it has {len(np.unique(known)):,}. Check data.time, data.valid and data.test in params.yaml."
        )
    parts = np.searchsorted(cuts, times, side="right").astype(np.uint8)
    parts[np.isnan(times)] = LEFT_OUT
    return parts


def check_parts(parts: np.ndarray, y: np.ndarray, labels: Sequence[str], how: str) -> np.ndarray:
    """Rows of each class in each part. Shape: (3, classes)

    Raises
    ------
    TableError
        A part is empty, or fewer than two classes can be learned.
    """
    counts = np.zeros((len(PARTS), len(labels)), dtype=np.int64)
    for start in range(0, len(y), _ROWS_AT_ONCE):
        part, own = (each[start : start + _ROWS_AT_ONCE] for each in (parts, y))
        placed = part != LEFT_OUT
        cells = part[placed].astype(np.int64) * len(labels) + own[placed]
        counts += np.bincount(cells, minlength=counts.size).reshape(counts.shape)
    sizes = dict(zip(PARTS, counts.sum(axis=1).tolist(), strict=True))
    if empty := [name for name, rows in sizes.items() if not rows]:
        raise TableError(
            f"{how} must leave rows for every part, however {empty[0]} has none ("
            + ", ".join(f"{k} {v:,}" for k, v in sizes.items())
            + "). Add rows, or change how the table is split under data in params.yaml."
        )
    if (learnable := int((counts[TRAIN] > 0).sum())) < 2:
        only = labels[int(counts[TRAIN].argmax())]
        raise TableError(
            f"the train part must have at least two classes, however {how} leaves it {learnable}: '{only}' "
            f"({sizes['train']:,} rows). Change how the table is split under data in params.yaml."
        )
    return counts
