"""Raw columns to numbers and back, with what was learned from the train part alone.

A row has three forms:
- raw: the table's columns, as a frame;
- compact: one number per column, Shape (n, columns). Numbers and booleans standardised, NaN where missing; categories as codes;
- encoded: what networks are fed, Shape (n, width), float32, never NaN. As compact, with a missing number as 0 (the mean) and,
  where the train part had missing values, a column behind it that says so.

Category codes: 0 is a level not seen (or too rare) in the train part, 1.. are its levels; missing is a level of its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Literal, Self

import numpy as np
import pandas as pd

from veritable.tables.errors import TableError

Kind = Literal["number", "boolean", "category"]

_LARGEST = 1e150  # its square, of which the standard deviation is made, is still a float64
_FARTHEST = 1e6  # standard deviations; a train part of n rows reaches sqrt(n). Farther ones of other parts would overflow
_FALSE, _TRUE = frozenset({"false", "no", "n", "f", "0", "0.0"}), frozenset({"true", "yes", "y", "t", "1", "1.0"})


@dataclass(frozen=True)
class Column:
    """How one raw column is encoded."""

    name: str
    kind: Kind
    mean: float = 0.0
    scale: float = 1.0
    indicator: bool = False  # the train part had missing values
    levels: tuple[str | None, ...] = ()  # of a category by code, from 1 (None is missing); of a boolean: false, true


def infer_kind(values: pd.Series) -> Kind:
    """Numbers, also as text; booleans, also as yes/no, t/f, 0/1; everything else, dates too, is a category."""
    present = values.dropna()
    texts = set(present.unique()[:3].tolist())
    if pd.api.types.is_bool_dtype(values) or (len(texts) == 2 and {str(each).lower() for each in texts} <= _FALSE | _TRUE):
        tokens = {str(each).lower() in _TRUE for each in texts}
        return "boolean" if len(tokens) == len(texts) else "category"
    if pd.api.types.is_numeric_dtype(values) or (
        len(present) and pd.to_numeric(present.astype("str"), errors="coerce").notna().all()
    ):
        return "number"
    return "category"


def _fit_category(values: pd.Series, max_categories: int) -> Column:
    counts = values.astype("str").value_counts()
    commonest = sorted(counts.items(), key=lambda item: (-item[1], str(item[0])))[:max_categories]  # equals: by name
    levels: list[str | None] = [*sorted(str(level) for level, _ in commonest), *[None] * bool(values.isna().any())]
    return Column(str(values.name), "category", levels=tuple(levels))


def _fit_numbers(values: pd.Series, kind: Kind) -> Column:
    numbers = _numbers(values, kind)
    present = numbers[~np.isnan(numbers)]
    mean, scale = (float(present.mean()), float(present.std())) if len(present) else (0.0, 0.0)
    noise = len(present) * abs(mean) * np.finfo(np.float64).eps  # a constant's mean is rounded, so its deviation is not 0
    levels: tuple[str, ...] = ()
    if kind == "boolean":
        texts = {str(each).lower() in _TRUE: str(each) for each in values.dropna().unique()}
        levels = (texts.get(False, "false"), texts.get(True, "true"))
    return Column(
        str(values.name),
        kind,
        mean=mean,
        scale=scale if scale > noise else 1.0,
        indicator=len(present) < len(numbers),
        levels=levels,
    )


def _numbers(values: pd.Series, kind: Kind) -> np.ndarray:
    """Shape: (n,), float64, NaN where missing."""
    if kind == "boolean" and not pd.api.types.is_numeric_dtype(values):
        texts = values.astype("str").str.lower()
        numbers = np.where(texts.isin(_TRUE), 1.0, np.where(texts.isin(_FALSE), 0.0, np.nan))
        wrong = np.isnan(numbers) & values.notna().to_numpy()
    else:
        plain = values if pd.api.types.is_numeric_dtype(values) else values.astype("str")
        numbers = pd.to_numeric(plain, errors="coerce").to_numpy(np.float64, na_value=np.nan)
        wrong = (np.isnan(numbers) & values.notna().to_numpy()) | (np.abs(numbers) > _LARGEST)
    if wrong.any():
        first = int(wrong.argmax())
        rule = f"a finite number of at most {_LARGEST:g} in size" if kind == "number" else "a boolean"
        raise TableError(
            f"column '{values.name}' must hold {rule} or nothing, however row {values.index[first]} has '{values.iloc[first]}' "
            f"({int(wrong.sum()):,} such rows). Correct the table, or name the column under data.drop in params.yaml."
        )
    return numbers


@dataclass(frozen=True)
class Encoder:
    """What `fit` learned, and how a row is encoded by it."""

    columns: tuple[Column, ...]
    missing: tuple[str, ...] = ()  # texts that stand for a missing value, also in rows that another reader has read

    @classmethod
    def fit(cls, frame: pd.DataFrame, kinds: Mapping[str, Kind], *, max_categories: int, missing: Sequence[str] = ()) -> Self:
        """Learn from the train part.

        Parameters
        ----------
        frame
            The feature columns. Shape: (rows, columns)
        kinds
            Of each column by name.
        max_categories
            Levels kept of a category, the commonest first.
        missing
            Texts that stand for a missing value.
        """
        cleaned = (clean(frame[name], missing) for name in frame.columns)
        return cls(
            tuple(
                _fit_category(values, max_categories)
                if kinds[str(values.name)] == "category"
                else _fit_numbers(values, kinds[str(values.name)])
                for values in cleaned
            ),
            tuple(missing),
        )

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the encoded columns. Shape: (width,)"""
        return tuple(name for c in self.columns for name in (c.name, f"{c.name} (missing)")[: 1 + c.indicator])

    @cached_property
    def cardinalities(self) -> np.ndarray:
        """Of each encoded column the number of its codes; 0 where it is a number. Shape: (width,), int64"""
        counts = [n for c in self.columns for n in ([len(c.levels) + 1] if c.kind == "category" else [0] * (1 + c.indicator))]
        return np.array(counts, dtype=np.int64)

    def encode(self, frame: pd.DataFrame) -> np.ndarray:
        """Raw rows to Shape (n, width), float32.

        Raises
        ------
        TableError
            A column is absent, or holds what is no number where numbers are due.
        """
        return self.expand(self.compact(frame))

    def compact(self, frame: pd.DataFrame) -> np.ndarray:
        """Raw rows to Shape (n, columns), float64: one number per raw column, NaN where a number is missing."""
        for column in self.columns:
            if column.name not in frame.columns:
                raise TableError(f"the classifier needs the column '{column.name}', however the table does not have it.")
        out = np.empty((len(frame), len(self.columns)))
        for i, column in enumerate(self.columns):
            values = clean(frame[column.name], self.missing)
            if column.kind == "category":
                if pd.api.types.is_float_dtype(values) and (values.dropna() % 1 == 0).all():
                    values = values.astype("Int64").astype("string")  # a reader made 1.0 of "1" since a value is missing
                codes = {level: code for code, level in enumerate(column.levels, 1) if level is not None}
                out[:, i] = values.astype("str").map(codes).fillna(0)
                out[values.isna().to_numpy(), i] = len(column.levels) if None in column.levels else 0
            else:
                out[:, i] = ((_numbers(values, column.kind) - column.mean) / column.scale).clip(-_FARTHEST, _FARTHEST)
        return out

    def expand(self, compact: np.ndarray) -> np.ndarray:
        """Compact rows to encoded rows."""
        out = np.zeros((len(compact), len(self.names)), dtype=np.float32)
        position = 0
        for values, column in zip(compact.T, self.columns, strict=True):
            missing = np.isnan(values)
            out[:, position] = np.where(missing, 0, values)
            if column.indicator:
                out[:, position + 1] = missing
            position += 1 + column.indicator
        return out

    def collapse(self, encoded: np.ndarray) -> np.ndarray:
        """Encoded rows back to compact rows, Shape (n, columns), float64."""
        out = np.empty((len(encoded), len(self.columns)))
        position = 0
        for i, column in enumerate(self.columns):
            out[:, i] = encoded[:, position]
            if column.indicator:
                out[encoded[:, position + 1] > 0, i] = np.nan
            position += 1 + column.indicator
        return out

    def decode(self, compact: np.ndarray) -> pd.DataFrame:
        """Compact rows back to raw values, as near as the encoding keeps them; a level that was not seen is "other"."""
        return pd.DataFrame({c.name: _decode_column(values, c) for values, c in zip(compact.T, self.columns, strict=True)})

    def to_json(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return {"columns": [asdict(column) for column in self.columns], "missing": list(self.missing)}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """What `to_json` gave."""
        columns = (Column(**{**each, "levels": tuple(each["levels"])}) for each in content["columns"])
        return cls(tuple(columns), tuple(content["missing"]))


def clean(values: pd.Series, missing: Sequence[str]) -> pd.Series:
    """Texts without blanks in front, and none that stands for a missing value: so a row is encoded alike, whoever read it."""
    if pd.api.types.is_numeric_dtype(values) or not pd.api.types.is_string_dtype(values.dropna()):
        return values
    texts = values.astype("str").str.lstrip()
    return texts.mask(texts.isin([*missing, *(each.lstrip() for each in missing)]))


def _decode_column(values: np.ndarray, column: Column) -> np.ndarray:
    if column.kind == "category":
        return np.asarray(np.array(["other", *column.levels], dtype=object)[values.astype(int)])
    numbers = np.asarray(values * column.scale + column.mean)
    if column.kind == "number":
        return numbers
    labels = np.array(column.levels, dtype=object)[(np.nan_to_num(numbers) > 0.5).astype(int)]
    return np.asarray(np.where(np.isnan(numbers), None, labels))
