"""Profile of a table: how many rows of each part have which values, column by column, in a few kilobytes.

The bins of numbers and dates are the twentieths of the train part, one for smaller and one for larger values than the table
has. Those of categories are the levels that at least `data.min_count` train rows have, and one for all others. The last bin of
each column is that of missing values.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any, Self

import numpy as np
from pydantic import Field

from veritable.stored import STRICT, parse_json
from veritable.tables.encoding.encoder import EncodedColumn, Encoder, Kind, Read
from veritable.tables.encoding.gate import share_edges
from veritable.tables.typing import parse
from veritable.tables.typing.contract import Column

_BINS = 20
_MONTHS_FROM = 3 * 366 * 86400  # seconds
_MIN_BIN_ROWS = 10  # rows of the train part; a small part has fewer bins


@dataclass(frozen=True)
class Bins:
    """Bins of one column.

    Attributes
    ----------
    edges
        Edges of the bins of numbers or dates. The first bin is below the first edge, the next one includes it, and every other
        bin includes its upper edge only. The last but one is above the last edge.
    levels
        Levels of a category, whose first bin is that of other levels; the words for false and true of a boolean.
    """

    name: str
    kind: Kind
    edges: tuple[float, ...] = ()
    levels: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def labels(self) -> list[str]:
        """What the rows of each bin have in common."""
        if self.kind in ("category", "boolean"):
            return [*["other"] * (self.kind == "category"), *self.levels, "missing"]
        texts = [_number_text(edge) for edge in self.edges]
        if self.kind == "date":  # without the day if the dates span years: a date of birth is one of few rows
            length = 7 if self.edges[-1] - self.edges[0] > _MONTHS_FROM else None
            texts = [parse.date_text(edge)[:length] for edge in self.edges]
        inner = [low if low == high else f"{low} to {high}" for low, high in pairwise(texts)]
        return [f"below {texts[0]}", *inner, f"above {texts[-1]}", "missing"]

    def place(self, values: np.ndarray, levels: Sequence[str | None] = ()) -> np.ndarray:
        """Return the bin of each value that the encoder read. Shape: (n,) float64 -> (n,) int64

        Parameters
        ----------
        levels
            Levels of a category in the order of their codes from 1 on, None for missing.
        """
        missing = len(self) - 1
        if self.kind == "category":
            place_of: dict[str | None, int] = {level: i + 1 for i, level in enumerate(self.levels)} | {None: missing}
            return np.array([0, *(place_of.get(level, 0) for level in levels)])[values.astype(np.int64)]
        if self.kind == "boolean":
            return np.where(np.isnan(values), missing, values).astype(np.int64)
        place = np.searchsorted(self.edges, values, side="left")
        place[values == self.edges[0]] = 1
        place[np.isnan(values)] = missing
        return place


@dataclass
class Profile:
    """Counts of rows by bin, column and part.

    Attributes
    ----------
    counts
        Counts of each column, by the name of the part. Shape: (bins,) int64 each
    min_count
        Number of rows that must hold a value before it is shown (`data.min_count`).
    """

    bins: tuple[Bins, ...]
    counts: dict[str, list[np.ndarray]]
    min_count: int = 1

    @classmethod
    def empty(cls, bins: Sequence[Bins], parts: Sequence[str], min_count: int = 1) -> Self:
        """Return a profile without rows."""
        return cls(tuple(bins), {part: [np.zeros(len(each), dtype=np.int64) for each in bins] for part in parts}, min_count)

    def add(self, read: Read, encoder: Encoder, part_of_row: np.ndarray) -> None:
        """Count the rows of a batch.

        Parameters
        ----------
        part_of_row
            Index of the part of each row in `counts`; a row whose index is larger is not counted. Shape: (n,)
        """
        parts = list(self.counts.values())
        for i, (bins, column) in enumerate(zip(self.bins, encoder.columns, strict=True)):
            place = bins.place(read.values[i], column.levels)
            if column.name in read.gaps:
                place[read.gaps[column.name]] = len(bins) - 1
            for code, by_column in enumerate(parts):
                by_column[i] += np.bincount(place[part_of_row == code], minlength=len(bins))

    def merge_rare(self) -> "Profile":
        """Return the profile in which no level, and no bin within the range, has fewer than `min_count` train rows."""
        merged = [
            _merge(bins, [self.counts[part][i] for part in self.counts], self.min_count) for i, bins in enumerate(self.bins)
        ]
        counts = {part: [counts[number] for _, counts in merged] for number, part in enumerate(self.counts)}
        return Profile(tuple(bins for bins, _ in merged), counts, self.min_count)

    def only(self, *parts: str) -> "Profile":
        """Return the profile of some of the parts."""
        return Profile(self.bins, {part: self.counts[part] for part in parts}, self.min_count)

    def to_json(self) -> dict[str, Any]:
        """Return a dict of JSON types."""
        columns = []
        for i, bins in enumerate(self.bins):
            counts = {part: by_column[i].tolist() for part, by_column in self.counts.items()}
            own = {"edges": list(bins.edges)} if bins.edges else {"levels": list(bins.levels)}
            columns.append({"name": bins.name, "kind": bins.kind, "counts": counts} | own)
        return {"columns": columns, "min_count": self.min_count}

    @classmethod
    def parse(cls, data: bytes, encoder: Encoder, parts: Sequence[str]) -> Self:
        """Read the JSON text of `to_json` for these parts.

        Raises
        ------
        ValueError
            It is damaged, or does not describe the columns of the encoder.
        """
        stored = parse_json(_Stored, data)
        columns = stored.columns
        if [(each.name, each.kind) for each in columns] != [(each.name, each.kind) for each in encoder.columns]:
            raise ValueError("must hold the columns that the encoder has, but holds others")
        counts = {part: [np.array(each.counts.get(part, ()), dtype=np.int64) for each in columns] for part in parts}
        bins = tuple(each.bins for each in columns)
        if any([len(own) for own in by_column] != [len(each) for each in bins] for by_column in counts.values()):
            raise ValueError(f"must hold one count per bin for the parts {', '.join(parts)}, but does not")
        return cls(bins, counts, stored.min_count)


@dataclass(frozen=True)
class _StoredColumn:
    __pydantic_config__ = STRICT
    name: str
    kind: Kind
    counts: Annotated[dict[str, tuple[Annotated[int, Field(ge=0, lt=2**53)], ...]], Field(min_length=1)]
    edges: tuple[float, ...] = ()
    levels: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        ordered = len(self.edges) > 1 and all(low <= high for low, high in pairwise(self.edges))
        if not (ordered if self.kind in ("number", "date") else len(set(self.levels)) == len(self.levels)):
            raise ValueError(f"must hold edges in ascending order, or different levels, of '{self.name}', but does not")

    @property
    def bins(self) -> Bins:
        return Bins(self.name, self.kind, self.edges, self.levels)


@dataclass(frozen=True)
class _Stored:
    __pydantic_config__ = STRICT
    columns: Annotated[tuple[_StoredColumn, ...], Field(min_length=1)]
    min_count: Annotated[int, Field(ge=1)]


def make_bins(column: Column, encoded: EncodedColumn, sample: np.ndarray, min_count: int = 1) -> Bins:
    """Return the bins of a column of the table.

    Parameters
    ----------
    sample
        Values of train rows, NaN where missing; not used for a category or boolean. Shape: (n,) float64
    """
    if encoded.kind in ("category", "boolean"):
        return Bins(column.name, encoded.kind, levels=tuple(level for level in encoded.levels if level is not None))
    present = sample[~np.isnan(sample)]
    reach = [each for each in (column.minimum, column.maximum) if each is not None]
    reach += [float(present.min()), float(present.max())] if len(present) else []
    low, high = (min(reach), max(reach)) if reach else (0.0, 0.0)
    return Bins(column.name, encoded.kind, edges=find_edges(present, low, high, min_count if encoded.kind == "number" else 1))


def find_edges(values: np.ndarray, low: float, high: float, min_count: int = 1) -> tuple[float, ...]:
    """Return the edges of up to twenty bins from `low` to `high` with about equally many values.

    They are among the values, because between two integers an edge would not be exact in every format; but each is rounded
    until `min_count` values round to it, and the range is widened, because its ends are the values of single rows. An edge that
    occurs twice encloses a bin for this value alone.
    """
    n_bins = min(_BINS, len(values) // _MIN_BIN_ROWS)
    shares = np.linspace(0, 1, n_bins + 1)[1:-1] if n_bins > 1 else np.empty(0)
    inner = np.unique(np.quantile(values, shares, method="inverted_cdf")) if len(shares) else np.empty(0)
    inner = share_edges(inner, values, min_count)
    if min_count > 1 and low < high:
        unit = 10.0 ** math.floor(math.log10(high - low))
        low, high = math.floor(low / unit) * unit, math.ceil(high / unit) * unit
    return (low, *inner[(low <= inner) & (inner < high)].tolist(), high)


def _merge(bins: Bins, counts: Sequence[np.ndarray], min_count: int) -> tuple[Bins, list[np.ndarray]]:
    """Merge the rare bins of a column. The first of the counts are those of train."""
    train = counts[0]
    if bins.kind == "category":
        kept = [i for i in range(len(bins.levels)) if train[i + 1] >= min_count]
        others = np.setdiff1d(np.arange(len(bins.levels)), kept)
        merged = [np.array([own[0] + own[others + 1].sum(), *own[np.array(kept, dtype=int) + 1], own[-1]]) for own in counts]
        return Bins(bins.name, bins.kind, levels=tuple(bins.levels[i] for i in kept)), merged
    if bins.kind == "boolean":
        return bins, list(counts)
    starts = [1]  # of the bins within the range
    for i in range(2, len(train) - 2):
        if train[starts[-1] : i].sum() >= min_count:
            starts.append(i)
    if len(starts) > 1 and train[starts[-1] : -2].sum() < min_count:
        starts.pop()
    edges = (*(bins.edges[i - 1] for i in starts), bins.edges[-1])
    cuts = [0, *starts, len(train) - 2, len(train) - 1]
    return Bins(bins.name, bins.kind, edges=edges), [np.add.reduceat(own, cuts) for own in counts]


def _number_text(value: float) -> str:
    """Return a number with all digits before the decimal point, and at most five significant ones otherwise."""
    return parse.number_text(float(f"{value:.5g}") if abs(value) < 10_000 else float(round(value)))
