"""Encode the rows of a table as numbers, as learned from the train part alone.

A row has three forms:
- raw: the cells of the table;
- values: one float64 per column, NaN where missing; a category as a code, a boolean as 0 or 1, a date as seconds since 1970;
- encoded: Shape (n, width), float32, never NaN. Numbers and booleans are standardized; a missing one is 0 (the mean) and, if
  train has missing values, a further column marks it. A date is its time and its place in the calendar. A category is its code.

Code 0 is a level that train does not have, or that is too rare. The levels of train have the codes from 1 on. A missing value
is a level of its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
from pydantic import Field

from veritable.errors import TableError
from veritable.stored import STRICT
from veritable.tables.typing.contract import Column, Contract

Kind = Literal["number", "boolean", "category", "date"]

_MAX_DEVIATIONS = 1e6  # train has at most sqrt(n) standard deviations; farther values of other rows could overflow
_CALENDAR = {"month": (6.5, 5.5), "day": (16.0, 15.0), "weekday": (3.0, 3.0), "hour": (11.5, 11.5)}  # middle and half range
DAY_SECONDS = 86400


@dataclass(frozen=True)
class EncodedColumn:
    """How one column is encoded.

    Attributes
    ----------
    indicator
        Whether an encoded column marks missing values, because train has some.
    levels
        Levels of a category in the order of their codes from 1 on (None: missing); the words for false and true of a boolean.
    clock
        Whether the dates have times of day.
    """

    __pydantic_config__ = STRICT
    name: str
    kind: Kind
    mean: float = 0.0
    scale: Annotated[float, Field(gt=0)] = 1.0
    indicator: bool = False
    levels: tuple[str | None, ...] = ()
    clock: bool = False

    def __post_init__(self) -> None:
        known = [level for level in self.levels if level is not None]
        if len(set(self.levels)) < len(self.levels) or None in self.levels[:-1]:
            raise ValueError(f"must hold different levels of '{self.name}', a missing one last, but does not")
        if self.kind == "boolean" and len(known) != 2:
            raise ValueError(f"must hold two words for the boolean '{self.name}', but holds {len(known)}")
        if self.kind == "category" and self.indicator:
            raise ValueError(f"must mark missing values of the category '{self.name}' by a level, but has an indicator")

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of its encoded columns."""
        calendar = (*_CALENDAR,)[: 3 + self.clock] if self.kind == "date" else ()
        own = (self.name, *(f"{self.name} ({part})" for part in calendar))
        return (*own, f"{self.name} (missing)") if self.indicator else own

    @cached_property
    def known_levels(self) -> pa.Array:
        """Levels of a category, without the missing one."""
        return pa.array([level for level in self.levels if level is not None], pa.string())


@dataclass(frozen=True)
class Read:
    """Values of a batch, and which of them are unusual.

    Attributes
    ----------
    values
        Values by column. Shape: (n,) float64 each
    odd
        Rows by reason ("wrong", "outside", "unseen") and column. Shape: (n,) bool each
    gaps
        Rows by column in which a category is missing that no train row lacks, so that it is treated as another level.
        Shape: (n,) bool each
    """

    values: list[np.ndarray]
    odd: dict[str, dict[str, np.ndarray]]
    gaps: dict[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class Encoder:
    """Encodes rows as learned from the train part."""

    __pydantic_config__ = STRICT
    columns: tuple[EncodedColumn, ...]

    def __post_init__(self) -> None:
        if not self.columns or len({column.name for column in self.columns}) < len(self.columns):
            raise ValueError("must hold encoded columns with different names, but does not")

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the encoded columns. Shape: (width,)"""
        return tuple(name for column in self.columns for name in column.names)

    @cached_property
    def blocks(self) -> dict[str, slice]:
        """Slice of the encoded columns that each column of the table has."""
        ends = np.cumsum([len(column.names) for column in self.columns]).tolist()
        return {c.name: slice(end - len(c.names), end) for c, end in zip(self.columns, ends, strict=True)}

    @cached_property
    def cardinalities(self) -> np.ndarray:
        """Number of codes of each encoded column, 0 for a number. Shape: (width,), int64"""
        counts = [n for c in self.columns for n in ([len(c.levels) + 1] if c.kind == "category" else [0] * len(c.names))]
        return np.array(counts, dtype=np.int64)

    def encode(self, values: Sequence[np.ndarray]) -> np.ndarray:
        """Encode values. Shape: (n,) each -> (n, width), float32, column by column in memory"""
        out = np.empty((len(self.names), len(values[0])), dtype=np.float32)
        for column, given, block in zip(self.columns, values, self.blocks.values(), strict=True):
            _encode_column(column, given, out[block])
        return out.T

    def read(self, columns: Mapping[str, pa.Array], contract: Contract, *, rows: int) -> Read:
        """Read raw rows as values.

        Parameters
        ----------
        columns
            Columns by name. Other columns than those of the encoder are ignored. Shape: (rows,) each

        Raises
        ------
        TableError
            A column is absent that has no missing value in train.
        """
        for column in self.columns:
            if column.name not in columns and not (column.indicator or None in column.levels):
                raise TableError(
                    f"the table must have the column '{column.name}', because no row of the train part lacks it, but does not. "
                    "Add the column."
                )
        values: list[np.ndarray] = []
        gaps: dict[str, np.ndarray] = {}
        odd: dict[str, dict[str, np.ndarray]] = {"wrong": {}, "outside": {}, "unseen": {}}
        for column, read in zip(self.columns, contract.read(columns, rows=rows), strict=True):
            found = read.indexed(column.known_levels)
            if column.kind == "category":
                missing, missing_code = np.isnan(found), len(column.levels) if None in column.levels else 0
                if missing_code == 0 and missing.any():
                    gaps[column.name] = missing
                found = np.where(missing, missing_code, found + 1)
                odd["unseen"][column.name] = found == 0
            values.append(found)
            odd["wrong"][column.name], odd["outside"][column.name] = read.wrong, read.outside
        return Read(values, {what: {name: each for name, each in by.items() if each.any()} for what, by in odd.items()}, gaps)

    def decode(self, encoded: np.ndarray) -> pd.DataFrame:
        """Decode encoded rows, as exactly as float32 allows. A level that train does not have becomes "other"."""
        columns = {c.name: _decode_column(encoded[:, self.blocks[c.name]], c) for c in self.columns}
        return pd.DataFrame(columns, index=range(len(encoded)))

    def to_json(self) -> dict[str, Any]:
        """Return a dict of JSON types, which `stored.parse_json` reads."""
        return {"columns": [asdict(column) for column in self.columns]}


def _encode_column(column: EncodedColumn, values: np.ndarray, out: np.ndarray) -> None:
    """Shape: (n,) float64 -> (encoded columns, n) float32"""
    if column.kind == "category":
        out[0] = np.nan_to_num(values, nan=len(column.levels) if None in column.levels else 0)
        return
    missing = np.isnan(values)
    known = np.where(missing, column.mean, values) if missing.any() else values
    with np.errstate(over="ignore"):  # a quotient that overflows is clipped too
        np.clip((known - column.mean) / column.scale, -_MAX_DEVIATIONS, _MAX_DEVIATIONS, out=out[0], casting="same_kind")
    if column.kind == "date":
        for line, (part, values_of_part) in zip(out[1:], _calendar(known, column.clock).items(), strict=False):
            middle, half = _CALENDAR[part]
            line[:] = np.where(missing, 0, (values_of_part - middle) / half)
    if column.indicator:
        out[-1] = missing


def _calendar(seconds: np.ndarray, clock: bool) -> dict[str, np.ndarray]:
    """Return month 1 to 12, day 1 to 31, weekday from Monday 0, and hour 0 up to 24. Shape: (n,) each"""
    days = np.floor(seconds / DAY_SECONDS)
    dates = days.astype(np.int64).astype("datetime64[D]")
    months = dates.astype("datetime64[M]")
    parts = {
        "month": months.astype(np.int64) % 12 + 1.0,
        "day": (dates - months.astype("datetime64[D]")).astype(np.int64) + 1.0,
        "weekday": (days + 3) % 7,  # 1970-01-01 was a Thursday
    }
    return parts | {"hour": (seconds - days * DAY_SECONDS) / 3600} if clock else parts


def _decode_column(encoded: np.ndarray, column: EncodedColumn) -> np.ndarray:
    values = encoded[:, 0].astype(np.float64)
    if column.kind == "category":
        return np.asarray(np.array(["other", *column.levels], dtype=object)[values.astype(int)])
    values = values * column.scale + column.mean
    missing = encoded[:, -1] > 0 if column.indicator else np.zeros(len(encoded), dtype=bool)
    if column.kind == "number":
        return np.where(missing, np.nan, values)
    if column.kind == "date":
        unit = 60 if column.clock else DAY_SECONDS  # about the resolution of float32
        rounded = (np.round(values / unit) * unit).astype(np.int64).astype("datetime64[s]")
        texts = np.datetime_as_string(rounded, unit="m" if column.clock else "D").astype(object)
        texts[missing] = None
        return np.asarray(texts)
    labels = np.array(column.levels, dtype=object)[(values > 0.5).astype(int)]
    return np.asarray(np.where(missing, None, labels))


class Learner:
    """Learns an encoder from the train part, batch by batch.

    Parameters
    ----------
    features
        Columns in order.
    levels
        Levels by name of a category. Its values are indices in this list, -1 for other levels.
    """

    def __init__(self, features: Sequence[Column], levels: Mapping[str, Sequence[str]]):
        self._features = features
        self._levels = levels
        self._moments = np.zeros((3, len(features)))  # count, mean, sum of squared deviations
        self._counts = {name: np.zeros(len(texts) + 1, dtype=np.int64) for name, texts in levels.items()}  # the last: others
        self._missing = np.zeros(len(features), dtype=bool)
        self._clock = np.zeros(len(features), dtype=bool)

    def update(self, values: Sequence[np.ndarray]) -> None:
        """Learn from rows of the train part. Shape: (n,) float64 each, in the order of the columns"""
        for i, (column, given) in enumerate(zip(self._features, values, strict=True)):
            there = ~np.isnan(given)
            if not there.all():
                self._missing[i] = True
                given = given[there]
            if not len(given):
                continue
            if column.type == "category":
                counts = self._counts[column.name]
                counts += np.bincount(given.astype(np.int64) % len(counts), minlength=len(counts))  # -1 is the last
                continue
            if column.type == "date" and not self._clock[i]:
                self._clock[i] = bool((given % DAY_SECONDS != 0).any())
            count, mean = len(given), float(given.mean())
            self._add(i, count, mean, float(np.square(given - mean).sum()))

    def _add(self, i: int, count: int, mean: float, squares: float) -> None:
        """Chan, Golub & LeVeque 1979, "Updating formulae and a pairwise algorithm for computing sample variances"."""
        old, old_mean, old_squares = self._moments[:, i]
        total = old + count
        step = mean - old_mean
        self._moments[:, i] = total, old_mean + step * count / total, old_squares + squares + step * step * old * count / total

    def fit(self, max_categories: int) -> Encoder:
        """Return the encoder. It keeps the `max_categories` most frequent levels of a category; ties are broken by name."""
        return Encoder(tuple(self._column(i, column, max_categories) for i, column in enumerate(self._features)))

    def _column(self, i: int, column: Column, max_categories: int) -> EncodedColumn:
        missing = bool(self._missing[i])
        if column.type == "category":
            counts = zip(self._levels[column.name], self._counts[column.name].tolist(), strict=False)
            frequent = sorted((each for each in counts if each[1]), key=lambda each: (-each[1], each[0]))[:max_categories]
            levels: list[str | None] = [*sorted(level for level, _ in frequent), *[None] * missing]
            return EncodedColumn(column.name, "category", levels=tuple(levels))
        count, mean, squares = self._moments[:, i].tolist()
        deviation = float(np.sqrt(squares / count)) if count else 0.0
        noise = count * abs(mean) * np.finfo(np.float64).eps  # the mean of a constant is rounded, so its deviation is not 0
        kind: Kind = "boolean" if column.type == "boolean" else "date" if column.type == "date" else "number"
        return EncodedColumn(
            column.name,
            kind,
            mean=mean,
            scale=deviation if deviation > noise else 1.0,
            indicator=missing,
            levels=column.categories if kind == "boolean" else (),
            clock=bool(self._clock[i]),
        )
