"""Conditions on the raw columns of a table: ranges of numbers and dates, levels of categories, missing values."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from veritable.evaluation.groups import range_names
from veritable.tables.encoding.encoder import EncodedColumn, Encoder
from veritable.tables.encoding.gate import share_edges
from veritable.tables.encoding.show import decode_rounded, format_value

MAX_LEVELS = 10  # per category, the most frequent
_QUANTILES = (0.25, 0.5, 0.75)


@dataclass(frozen=True)
class Condition:
    """A condition on one column.

    Attributes
    ----------
    text
        The values that fulfill it, for example "above 20 to 30", "blue" or "missing". A range is named by its value if all rows
        in it have the same.
    rows
        Whether a row fulfills it. Shape: (n,)
    """

    column: str
    text: str
    rows: NDArray[np.bool_]


def make_conditions(encoder: Encoder, X: np.ndarray, learned: NDArray[np.intp], min_count: int = 1) -> list[Condition]:
    """Make the conditions on every column, for all rows, from the values of the rows `learned`.

    A number or date is cut at the quartiles, a category has its ten most frequent levels; a missing value is a condition, too.
    Values of other rows outside these are in the first or last range, or in no level. A number at which a column is cut is
    rounded until `min_count` rows share it. Shape: X (n, width), learned (m,)
    """
    decoded = decode_rounded(encoder, X)
    return [each for column in encoder.columns for each in _column_conditions(column, decoded[column.name], learned, min_count)]


def _column_conditions(
    column: EncodedColumn, values: pd.Series, learned: NDArray[np.intp], min_count: int
) -> Iterator[Condition]:
    missing = values.isna().to_numpy()
    known = learned[~missing[learned]]
    if column.kind in ("number", "date"):
        filled = values.fillna(0.0 if column.kind == "number" else "").to_numpy(float if column.kind == "number" else str)
        edges = _edges(filled[known])
        if column.kind == "number" and len(edges):
            edges = share_edges(edges, filled[known], min_count)
        if len(edges):
            place = np.searchsorted(edges, filled, side="left")
            for number, name in enumerate(range_names(edges) if column.kind == "number" else _date_ranges(edges)):
                rows = ~missing & (place == number)
                distinct = np.unique(filled[rows])
                text = format_value(distinct[0]) if len(distinct) == 1 else str(name)
                yield Condition(column.name, text, rows)
    else:
        texts = values.map(format_value, na_action="ignore")
        counts = texts.iloc[known].value_counts().rename_axis("level").reset_index(name="rows")
        frequent = counts.sort_values(["rows", "level"], ascending=[False, True], kind="stable")["level"][:MAX_LEVELS]
        for level in frequent:
            yield Condition(column.name, level, ~missing & (texts == level).to_numpy())
    if missing.any():
        yield Condition(column.name, "missing", missing)


def _edges(values: NDArray[Any]) -> NDArray[Any]:
    """Return the distinct quartiles below the largest value, as values that occur; none if there is one value."""
    if not len(values):
        return values
    rising = np.sort(values)
    quartiles = np.unique(rising[np.ceil(np.array(_QUANTILES) * len(rising)).astype(int) - 1])
    below = rising[rising < rising[-1]]
    return np.unique(np.where(quartiles < rising[-1], quartiles, below[-1])) if len(below) else below


def _date_ranges(edges: NDArray[Any]) -> list[str]:
    between = [f"after {low} to {high}" for low, high in itertools.pairwise(edges)]
    return [f"up to {edges[0]}", *between, f"after {edges[-1]}"]
