"""Assign every row to a part: at random within each class, by group, by time, by a given column or by a given test file."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from veritable.errors import TableError
from veritable.tables.params import DataParams
from veritable.tables.splitting import split
from veritable.tables.splitting.split import EXCLUDED, PARTS, TEST, TRAIN, VALID, Keys, Repeats
from veritable.tables.typing.survey import ColumnSurvey

_PART_NAMES = {"train": TRAIN, "training": TRAIN, "valid": VALID, "validation": VALID, "val": VALID, "test": TEST}


@dataclass(frozen=True)
class Assignment:
    """Part of every row, and the counts that the findings need.

    Attributes
    ----------
    parts
        TRAIN, VALID, TEST or EXCLUDED. Shape: (rows,) uint8
    counts
        Number of rows of each class in each part. Shape: (3, classes)
    duplicates
        Number of rows that are equal to an earlier row in every column.
    across
        Number of these that are in another part than the first of them, frequent rows excluded.
    dropped
        Number of duplicates that were dropped.
    without_target, unplaced
        Number of rows that were dropped because their target, or the value that decides their part, is missing.
    frequent
        Whether a row belongs to a frequent unit. Shape: (rows,) bool
    frequent_units
        Number of rows of each frequent unit, the largest first. Shape: (units,) int64
    largest_group
        Number of rows of the largest group or id; 0 if none was given.
    """

    parts: np.ndarray
    counts: np.ndarray
    duplicates: int
    across: int
    dropped: int
    without_target: int
    unplaced: int
    frequent: np.ndarray
    frequent_units: np.ndarray
    largest_group: int


def assign(
    y: np.ndarray,
    labels: Sequence[str],
    params: DataParams,
    *,
    row_keys: Keys,
    unit_keys: Keys,
    grouped: np.ndarray | None = None,
    first_test_row: int | None = None,
    times: np.ndarray | None = None,
    given: np.ndarray | None = None,
) -> Assignment:
    """Split the table as section `data` asks.

    Parameters
    ----------
    y
        Class codes, -1 where the target is missing. Shape: (rows,)
    labels
        Names of the classes.
    row_keys
        Hashes of all columns of a row.
    unit_keys
        Hashes of the group or id of a row, or of its features where it has none.
    grouped
        Whether a row has a group or id. Shape: (rows,) bool
    first_test_row
        Number of the first row of the given test file.
    times
        Values of data.time, NaN where missing. Shape: (rows,) float64
    given
        Parts that the column data.part names, EXCLUDED where missing. Shape: (rows,) uint8

    Raises
    ------
    TableError
        A part has no row, train has fewer than two classes, or there are too few times.
    """
    rows = len(y)
    equal, units = split.find_repeats(row_keys, rows), split.find_repeats(unit_keys, rows)
    kept = np.ones(rows, dtype=bool)
    if params.duplicates == "drop":
        kept[equal.rows] = False
    shares = (params.valid, params.test)
    if times is not None:
        how = f"the split by time ('{params.time}')"
        parts = split.split_by_time(times, str(params.time), valid=params.valid, test=params.test)
        dealt = np.zeros(rows, dtype=bool)
    elif given is not None:
        how, shares = f"the column '{params.part}'", (params.valid, 0.0)
        parts = given.copy()
        dealt = kept & (given == TRAIN) & ~(given == VALID).any()  # without valid rows, some are taken from train
    else:
        how = f"the split by '{params.group}'" if params.group else "the split"
        parts, dealt = np.full(rows, TRAIN, dtype=np.uint8), kept.copy()
        if first_test_row is not None:
            how, shares = "the given test file", (params.valid, 0.0)
            parts[first_test_row:] = TEST
            dealt[first_test_row:] = False
    table = _Table(y, labels, equal, units, grouped)
    own, frequent = _deal(table, dealt, shares, params)
    parts[dealt] = own[dealt]
    without_target = int((y < 0).sum())
    parts[y < 0] = EXCLUDED
    unplaced = int((parts == EXCLUDED).sum()) - without_target
    dropped = int((parts[~kept] != EXCLUDED).sum())
    parts[~kept] = EXCLUDED
    counts = split.count_parts(parts, y, labels, how)
    placed = parts != EXCLUDED
    if (placed & ~dealt).any():  # the split is given, so frequent units are found in all parts
        equal_rows = table.ungrouped.among(placed)
        firsts = split.find_frequent(equal_rows, y, placed, counts.sum(axis=1).min())
        dealt_firsts = equal_rows.firsts[np.isin(equal_rows.rows, frequent.rows)]
        frequent = equal_rows.of(np.union1d(firsts, dealt_firsts))
    is_frequent = np.zeros(rows, dtype=bool)
    is_frequent[frequent.rows] = is_frequent[frequent.firsts] = True
    across = (parts[equal.rows] != parts[equal.firsts]) & placed[equal.rows] & placed[equal.firsts] & ~is_frequent[equal.rows]
    return Assignment(
        parts,
        counts,
        len(equal.rows),
        int(across.sum()),
        dropped,
        without_target,
        unplaced,
        is_frequent,
        np.sort(np.unique(frequent.firsts, return_counts=True)[1] + 1)[::-1],
        table.largest_group,
    )


@dataclass(frozen=True)
class _Table:
    """Classes and units of all rows; the parameters of `assign` describe them."""

    y: np.ndarray
    labels: Sequence[str]
    equal: Repeats
    units: Repeats
    grouped: np.ndarray | None

    @property
    def ungrouped(self) -> Repeats:
        """Units of rows with equal features, which can be frequent; a group never is."""
        return self.units if self.grouped is None else self.units.of(np.flatnonzero(~self.grouped))

    @property
    def largest_group(self) -> int:
        """Number of rows of the largest group or id, 0 without these."""
        if self.grouped is None:
            return 0
        groups = self.units.of(np.flatnonzero(self.grouped))
        return 1 + int(np.unique(groups.firsts, return_counts=True)[1].max(initial=0))


def _deal(table: _Table, dealt: np.ndarray, shares: tuple[float, float], params: DataParams) -> tuple[np.ndarray, Repeats]:
    """Return the parts of the rows `dealt`, and the frequent units among them."""
    y, labels = table.y, table.labels
    units, equal = table.units.among(dealt), table.equal.among(dealt)
    leads = dealt.copy()
    leads[equal.rows] = False
    if table.grouped is not None:
        leads[units.rows[table.grouped[units.rows]]] = False
    valid, test = shares
    parts = split.deal(y, labels, leads, valid=valid, test=test, seed=params.seed)
    if params.group and len(np.unique(parts[leads])) < len(PARTS):  # there are too few groups to deal them class by class
        parts = split.deal(np.zeros_like(y), [""], leads, valid=valid, test=test, seed=params.seed)
    parts[units.rows] = parts[units.firsts]  # the rows of a unit that differ in label were dealt too, to move no later row
    labeled = dealt & (y >= 0)
    equal_rows = table.ungrouped.among(labeled)
    smallest = min(share for share in (valid, test, 1 - valid - test) if share) * int(labeled.sum())
    frequent = equal_rows.of(split.find_frequent(equal_rows, y, labeled, smallest))
    rows, own = split.deal_rows(frequent, y, labels, valid=valid, test=test, seed=params.seed)
    parts[rows] = own
    return parts, frequent


def read_times(survey: ColumnSurvey, column: Iterable[np.ndarray]) -> np.ndarray:
    """Return the values of the time column. Shape: (n,) float64 each -> (rows,) float64

    Raises
    ------
    TableError
        The column holds neither dates nor numbers.
    """
    if not survey.present:
        raise TableError(
            f"the time column '{survey.name}' must hold dates or numbers, but is missing in all rows. Check data.time."
        )
    if survey.form is None or survey.form.storage == "text":
        example = next((level for level in survey.levels if not any(map(str.isdigit, level))), next(iter(survey.levels)))
        raise TableError(
            f"the time column '{survey.name}' must hold dates or numbers, but holds texts such as '{example}'. Set its "
            f"format: data.types: {{{survey.name}: '%d.%m.%Y %H:%M'}}."
        )
    return np.concatenate(list(column))


def read_parts(survey: ColumnSurvey, column: Iterable[np.ndarray]) -> np.ndarray:
    """Return the parts that the column data.part names. Shape: (n,) float64 each -> (rows,) uint8

    Raises
    ------
    TableError
        The column holds another word.
    """
    codes = {name: _PART_NAMES.get(name.lower()) for name in survey.levels}
    if unknown := [name for name, code in codes.items() if code is None]:
        raise TableError(
            f"the part column '{survey.name}' must hold {', '.join(PARTS)}, but has '{unknown[0]}'. Correct the table."
        )
    table = np.array([*codes.values(), EXCLUDED], dtype=np.uint8)
    return np.asarray(table[np.nan_to_num(np.concatenate(list(column)), nan=-1).astype(np.int64)])
