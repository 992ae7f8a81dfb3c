"""Decide the part of every row: at random within each class, by group, by time, by a given column or a given test file."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from veritable.tables.errors import TableError
from veritable.tables.params import DataParams
from veritable.tables.scan import ROW_KEY, UNIT_KEY, Scan
from veritable.tables.splitting import split
from veritable.tables.splitting.split import LEFT_OUT, PARTS, TEST, TRAIN, VALID

_PART_NAMES = {"train": TRAIN, "training": TRAIN, "valid": VALID, "validation": VALID, "val": VALID, "test": TEST}


@dataclass(frozen=True)
class Assigned:
    """The split, and what was counted on the way.

    Attributes
    ----------
    parts
        TRAIN, VALID, TEST or LEFT_OUT. Shape: (rows,) uint8
    counts
        Rows of each class in each part. Shape: (3, classes)
    duplicates
        Rows that are equal to an earlier one in every column.
    across
        Of these, how many stand in another part than the first of them.
    dropped
        Of these, how many were left out.
    without_target, unplaced
        Rows that were left out as they lack a target, or what decides their part.
    """

    parts: np.ndarray
    counts: np.ndarray
    duplicates: int
    across: int
    dropped: int
    without_target: int
    unplaced: int


def assign(scanned: Scan, y: np.ndarray, labels: Sequence[str], params: DataParams) -> Assigned:
    """Split the table as data in params.yaml says.

    Parameters
    ----------
    y
        Class codes, -1 where the target is missing. Shape: (rows,)
    labels
        Of the classes.

    Raises
    ------
    TableError
        A part gets no row, train gets fewer than two classes, or the column that decides cannot.
    """
    spool = scanned.spool
    rows = spool.rows
    repeats, firsts = split.find_repeats(lambda: spool.keys(ROW_KEY), rows)
    units = (repeats, firsts)
    if params.group or params.id:
        units = split.find_repeats(lambda: spool.keys(UNIT_KEY), rows)
    if params.time:
        parts, how = _by_time(scanned, params), f"the split by time ('{params.time}')"
    elif params.part:
        parts, how = _by_column(scanned, units, y, labels, params), f"the column '{params.part}'"
    else:
        how = f"the split by '{params.group}'" if params.group else "the split"
        follows = np.zeros(rows, dtype=bool)
        follows[units[0]] = True
        given = scanned.first_test_row is not None
        shares = (params.valid, 0.0 if given else params.test)
        parts = split.deal(y, labels, follows, valid=shares[0], test=shares[1], seed=params.seed)
        if params.group and len(np.unique(parts[~follows])) < len(PARTS):  # too few groups to deal them class by class
            parts = split.deal(np.zeros_like(y), [""], follows, valid=shares[0], test=shares[1], seed=params.seed)
        split.follow(parts, *units)
        if given:
            parts[scanned.first_test_row :] = TEST
            how = "the given test file"
    without_target = int((y < 0).sum())
    parts[y < 0] = LEFT_OUT
    unplaced = int((parts == LEFT_OUT).sum()) - without_target
    across = int(((parts[repeats] != parts[firsts]) & (parts[repeats] != LEFT_OUT) & (parts[firsts] != LEFT_OUT)).sum())
    dropped = 0
    if params.duplicates == "drop":
        dropped = int((parts[repeats] != LEFT_OUT).sum())
        parts[repeats] = LEFT_OUT
        across = 0
    counts = split.check_parts(parts, y, labels, how)
    return Assigned(parts, counts, len(repeats), across, dropped, without_target, unplaced)


def _by_time(scanned: Scan, params: DataParams) -> np.ndarray:
    assert params.time
    survey = scanned.surveys[params.time]
    if not survey.present:
        raise TableError(
            f"the time column '{params.time}' must hold dates or numbers, however all rows lack one. Check data.time in "
            "params.yaml."
        )
    if survey.form is None or survey.form.storage == "text":
        example = next((level for level in survey.levels if not any(map(str.isdigit, level))), next(iter(survey.levels)))
        raise TableError(
            f"the time column '{params.time}' must hold dates or numbers, however it holds texts such as '{example}'. Give its "
            f"format in params.yaml: data.types: {{{params.time}: '%d.%m.%Y %H:%M'}}."
        )
    times = np.concatenate(list(scanned.column(params.time)))
    return split.by_time(times, params.time, valid=params.valid, test=params.test)


def _by_column(
    scanned: Scan,
    units: tuple[np.ndarray, np.ndarray],
    y: np.ndarray,
    labels: Sequence[str],
    params: DataParams,
) -> np.ndarray:
    """As the column says; where it names no valid rows, they are dealt from train."""
    assert params.part
    survey = scanned.surveys[params.part]
    codes = {name: _PART_NAMES.get(name.lower()) for name in survey.levels}
    if unknown := [name for name, code in codes.items() if code is None]:
        raise TableError(
            f"the part column '{params.part}' must hold {', '.join(PARTS)}, however it has '{unknown[0]}'. Correct the table."
        )
    table = np.array([*codes.values(), LEFT_OUT], dtype=np.uint8)
    stored = np.concatenate(list(scanned.column(params.part)))
    parts = table[np.nan_to_num(stored, nan=-1).astype(np.int64)]
    if not (parts == VALID).any():
        inside = (parts[units[0]] == TRAIN) & (parts[units[1]] == TRAIN)
        follows = parts != TRAIN
        follows[units[0][inside]] = True
        dealt = split.deal(y, labels, follows, valid=params.valid, test=0.0, seed=params.seed)
        split.follow(dealt, units[0][inside], units[1][inside])
        parts = np.where(parts == TRAIN, dealt, parts)
    return np.asarray(parts)
