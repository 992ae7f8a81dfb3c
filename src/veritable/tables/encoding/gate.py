"""What may be shown of the rows of a table: values that enough rows hold, and single rows as far as enough rows are like them.

This is k-anonymity (Sweeney 2002): with a count of 5, nobody learns a value, or a combination of values in one row, that fewer
than five rows have. A number or date is rounded until enough rows agree on it.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from veritable.tables.encoding.encoder import EncodedColumn, Encoder
from veritable.tables.encoding.show import decode_rounded, format_value

HIDDEN = "not shown"
_MAX_ROWS = 20_000  # that are counted: with fewer rows, less is shown
_DIGITS = 3  # decimals of the standard deviation from which a number is rounded
_DATE_LENGTHS = (10, 7, 4)  # of texts: day, month, year


@dataclass(frozen=True)
class Gate:
    """Decides what is shown.

    Attributes
    ----------
    rows
        Raw values of the rows that are counted, by column.
    min_count
        Number of rows that must hold what is shown; 1 shows everything.
    """

    encoder: Encoder
    rows: pd.DataFrame
    min_count: int

    @classmethod
    def of(cls, encoder: Encoder, X: np.ndarray, min_count: int) -> Self:
        """Count encoded rows, of many rows an evenly spaced part. Shape: (n, width)"""
        return cls(encoder, decode_rounded(encoder, X[:: max(1, -(-len(X) // _MAX_ROWS))]), min_count)

    def show_row(self, x: np.ndarray, names: Sequence[str]) -> dict[str, str]:
        """Return the cells of an encoded row as texts, by column.

        Each cell is as exact as at least `min_count` rows agree on it and on all cells before it; `HIDDEN` if they never do.
        Shape: (width,)
        """
        row = decode_rounded(self.encoder, x[None]).iloc[0]
        if self.min_count == 1:
            return {name: format_value(row[name]) for name in names}
        columns = {column.name: column for column in self.encoder.columns}
        agreeing, shown = np.arange(len(self.rows)), {}
        for name in names:
            values = self.rows[name].to_numpy()[agreeing]
            shown[name] = HIDDEN
            for rounded, same in _roundings(columns[name], values, row[name]):
                if same.sum() >= self.min_count:
                    shown[name], agreeing = _text(rounded, row[name]), agreeing[same]
                    break
        return shown

    def show_column(self, name: str, values: pd.Series) -> pd.Series:
        """Return values of a column, each as exact as at least `min_count` rows hold it; `HIDDEN` if they never do.

        Shape: (n,)
        """
        if self.min_count == 1:
            return values
        column, rows = next(each for each in self.encoder.columns if each.name == name), self.rows[name].to_numpy()
        found: dict[Any, Any] = {}
        for value in values.dropna().unique():
            rounded = (each for each, same in _roundings(column, rows, value) if same.sum() >= self.min_count)
            found[value] = next(rounded, HIDDEN)
        return values.astype(object).map(found, na_action="ignore")


def share_edges(edges: NDArray[np.float64], values: NDArray[np.float64], min_count: int) -> NDArray[np.float64]:
    """Return numbers between which rows are counted, each rounded until at least `min_count` of the values round to it.

    One that never is has one significant digit. No range between the numbers is empty.

    Shape: (edges,), (n,) -> (at most edges,)
    """
    if min_count == 1 or not len(edges):
        return edges
    scale = float(values.std()) or 1.0
    found = []
    for edge in edges.tolist():
        rounded = edge
        for rounded, same in _round_number(values, edge, scale):  # noqa: B007  the last one stays
            if same.sum() >= min_count:
                break
        found.append(rounded)
    ordered, shared = np.sort(values), np.unique(found)
    shared = shared[shared < ordered[-1]]
    rows = np.diff(np.searchsorted(ordered, shared, side="right"), prepend=0)
    return np.asarray(shared[rows > 0])


def _roundings(column: EncodedColumn, values: NDArray[Any], value: Any) -> Iterator[tuple[Any, NDArray[np.bool_]]]:
    """Yield a value as it is, then less and less exact, and which of the values agree with it. Shape: (n,)"""
    if pd.isna(value):
        yield value, np.asarray(pd.isna(values))
    elif column.kind == "number":
        yield from _round_number(values.astype(float), float(value), column.scale)
    else:
        yield value, values == value
        if column.kind == "date":
            for length in _DATE_LENGTHS:
                if length < len(value):
                    shorter = [isinstance(each, str) and each[:length] == value[:length] for each in values]
                    yield value[:length], np.array(shorter)


def _round_number(values: NDArray[np.float64], value: float, scale: float) -> Iterator[tuple[float, NDArray[np.bool_]]]:
    """Yield a number as it is, and rounded down to one significant digit. Shape: (n,)"""
    yield value, values == value
    if not value:
        return
    for exponent in range(math.floor(math.log10(scale)) - _DIGITS, math.floor(math.log10(abs(value))) + 1):
        rounded = float(np.round(value, -exponent))
        with np.errstate(invalid="ignore"):
            yield rounded, np.round(values, -exponent) == rounded


def _text(rounded: Any, value: Any) -> str:
    """Return a value as text, marked if it was rounded; a date shows its precision itself."""
    if isinstance(rounded, float) and rounded != value and not pd.isna(rounded):
        return f"about {format_value(rounded)}"
    return format_value(rounded)
