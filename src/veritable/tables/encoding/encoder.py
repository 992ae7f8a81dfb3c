"""Columns to what networks are fed, by what the train part alone was like.

A row has three forms:
- raw: what the table holds;
- values: one float64 a column, NaN where missing; a category as a code, a boolean as 0 or 1, a date as seconds since 1970;
- encoded: Shape (n, width), float32, never NaN. Numbers and booleans standardised, a missing one as 0 (the mean) and,
  where train had missing values, a column behind it that says so; dates as time and calendar; categories as their codes.

Category codes: 0 is a level not seen (or too rare) in the train part, 1.. are its levels; missing is a level of its own.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Literal, Self

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from veritable.tables.errors import TableError
from veritable.tables.typing import parse
from veritable.tables.typing.contract import Contract, conform

Kind = Literal["number", "boolean", "category", "date"]

_FARTHEST = 1e6  # standard deviations; a train part of n rows reaches sqrt(n). Farther ones of other parts would overflow
_CALENDAR = {"month": (6.5, 5.5), "day": (16.0, 15.0), "weekday": (3.0, 3.0), "hour": (11.5, 11.5)}  # to -1..1
DAY_SECONDS = 86400


@dataclass(frozen=True)
class EncodedColumn:
    """How one column is encoded.

    Attributes
    ----------
    indicator
        The train part had missing values.
    levels
        Of a category by code, from 1 (None is missing); of a boolean: false, true.
    clock
        A date has times of day.
    """

    name: str
    kind: Kind
    mean: float = 0.0
    scale: float = 1.0
    indicator: bool = False
    levels: tuple[str | None, ...] = ()
    clock: bool = False

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Of its encoded columns."""
        calendar = (*_CALENDAR,)[: 3 + self.clock] if self.kind == "date" else ()
        own = (self.name, *(f"{self.name} ({part})" for part in calendar))
        return (*own, f"{self.name} (missing)") if self.indicator else own


@dataclass(frozen=True)
class Read:
    """Later rows as the encoder takes them, and what was odd about them.

    Attributes
    ----------
    values
        Of each column. Shape: (n,) float64 each
    odd
        By what is odd ("wrong", "outside", "unseen"), by column, which rows. Shape: (n,) bool each
    """

    values: list[np.ndarray]
    odd: dict[str, dict[str, np.ndarray]]


@dataclass(frozen=True)
class Encoder:
    """What was learned from the train part, and how a row is encoded by it."""

    columns: tuple[EncodedColumn, ...]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the encoded columns. Shape: (width,)"""
        return tuple(name for column in self.columns for name in column.names)

    @cached_property
    def blocks(self) -> dict[str, slice]:
        """Where each column of the table stands among the encoded ones."""
        ends = np.cumsum([len(column.names) for column in self.columns]).tolist()
        return {c.name: slice(end - len(c.names), end) for c, end in zip(self.columns, ends, strict=True)}

    @cached_property
    def cardinalities(self) -> np.ndarray:
        """Of each encoded column the number of its codes; 0 where it is a number. Shape: (width,), int64"""
        counts = [n for c in self.columns for n in ([len(c.levels) + 1] if c.kind == "category" else [0] * len(c.names))]
        return np.array(counts, dtype=np.int64)

    def encode(self, values: Sequence[np.ndarray]) -> np.ndarray:
        """Values of each column, Shape (n,) each, to Shape (n, width), float32 (column by column in memory)."""
        out = np.empty((len(self.names), len(values[0])), dtype=np.float32)
        for column, given, block in zip(self.columns, values, self.blocks.values(), strict=True):
            _encode_column(column, given, out[block])
        return out.T

    def read(self, columns: Mapping[str, pa.Array], contract: Contract, *, rows: int) -> Read:
        """Raw rows as values.

        Parameters
        ----------
        columns
            By name; others than the encoder's are not looked at. Shape: (rows,) each

        Raises
        ------
        TableError
            A column is absent that no row of the train part lacked.
        """
        missing = frozenset(contract.reading.missing)
        values: list[np.ndarray] = []
        odd: dict[str, dict[str, np.ndarray]] = {"wrong": {}, "outside": {}, "unseen": {}}
        for column, agreed in zip(self.columns, contract.features, strict=True):
            if column.name not in columns and not (column.indicator or None in column.levels):
                raise TableError(
                    f"the classifier needs the column '{column.name}', which no row of its train part lacked, however the "
                    "table does not have it. Add the column."
                )
            found = conform(columns.get(column.name, pa.nulls(rows)), agreed, missing)
            if column.kind == "category":
                values.append(_codes(found.texts, column.levels))
                odd["unseen"][column.name] = values[-1] == 0
            else:
                values.append(found.numbers)
            odd["wrong"][column.name], odd["outside"][column.name] = found.wrong, found.outside
        return Read(values, {what: {name: each for name, each in by.items() if each.any()} for what, by in odd.items()})

    def decode(self, encoded: np.ndarray) -> pd.DataFrame:
        """Encoded rows back to what a person reads, as near as the encoding keeps it; a level that was not seen is "other"."""
        columns = {c.name: _decode_column(encoded[:, self.blocks[c.name]], c) for c in self.columns}
        return pd.DataFrame(columns, index=range(len(encoded)))

    def to_json(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return {"columns": [asdict(column) for column in self.columns]}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """What `to_json` gave."""
        return cls(tuple(EncodedColumn(**{**each, "levels": tuple(each["levels"])}) for each in content["columns"]))


def _codes(texts: pa.Array | None, levels: tuple[str | None, ...]) -> np.ndarray:
    """Texts as codes: 0 where unknown. Shape: (n,) float64"""
    assert texts is not None
    known = [level for level in levels if level is not None]
    found = pc.index_in(texts, pa.array(known, pa.string())).fill_null(-1).to_numpy(zero_copy_only=False) + 1.0
    absent = texts.is_null().to_numpy(zero_copy_only=False)
    return np.where(absent, float(len(levels)) if None in levels else 0.0, found)


def _encode_column(column: EncodedColumn, values: np.ndarray, out: np.ndarray) -> None:
    """Shape: (n,) float64 -> (its encoded columns, n) float32"""
    if column.kind == "category":
        out[0] = np.nan_to_num(values, nan=len(column.levels) if None in column.levels else 0)
        return
    missing = np.isnan(values)
    gaps = missing.any()
    known = np.where(missing, column.mean, values) if gaps else values
    with np.errstate(over="ignore"):  # infinite is far too
        np.clip((known - column.mean) / column.scale, -_FARTHEST, _FARTHEST, out=out[0], casting="same_kind")
    if column.kind == "date":
        for line, (part, values_of_part) in zip(out[1:], _calendar(known, column.clock).items(), strict=False):
            middle, half = _CALENDAR[part]
            line[:] = np.where(missing, 0, (values_of_part - middle) / half)
    if column.indicator:
        out[-1] = missing


def _calendar(seconds: np.ndarray, clock: bool) -> dict[str, np.ndarray]:
    """Month 1 to 12, day 1 to 31, weekday from Monday 0, hour 0 up to 24. Shape: (n,) each"""
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
        unit = 60 if column.clock else DAY_SECONDS  # what float32 still tells apart, nearly
        rounded = (np.round(values / unit) * unit).astype(np.int64).astype("datetime64[s]")
        texts = np.datetime_as_string(rounded, unit="m" if column.clock else "D").astype(object)
        texts[missing] = None
        return np.asarray(texts)
    labels = np.array(column.levels, dtype=object)[(values > 0.5).astype(int)]
    return np.asarray(np.where(missing, None, labels))


def columns_of(frame: pd.DataFrame, names: Iterable[str]) -> dict[str, pa.Array]:
    """The columns of a frame that are there, as Arrow arrays; texts as their own reader leaves them."""
    return {name: parse.from_pandas(frame[name]) for name in names if name in frame.columns}
