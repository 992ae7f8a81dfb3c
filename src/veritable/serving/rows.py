"""Read new rows as the table of a classifier was read, and count their problems."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from veritable.models.classifier import Classifier
from veritable.tables.encoding.encoder import EncodedColumn, Encoder, Read
from veritable.tables.reading.open import open_table
from veritable.tables.reading.source import Source, preview
from veritable.tables.typing import parse
from veritable.tables.typing.contract import Contract

_PROBLEMS = {
    "wrong": "unreadable and treated as missing",
    "outside": "outside the range of the training table and kept",
    "unseen": "of a category that the train part does not have and treated as other",
}
_MARKS = {"wrong": "unreadable", "unseen": "not in the train part"}
_DIGITS = 6  # significant digits of a number
_SHORTENED, _LONG = ("number", "date"), 10  # kinds of columns whose cells are written again if they have more characters
_FLOAT32 = 2.0**-21  # relative precision of an encoded value, with a margin


@dataclass
class InputProblems:
    """Counts of the problems that the new rows have."""

    values: dict[str, Counter[str]] = field(default_factory=lambda: {what: Counter() for what in _PROBLEMS})
    columns: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, names: Sequence[str], classifier: Classifier) -> "InputProblems":
        """Find the problems of the columns; `count` adds those of the values."""
        return cls(columns=_column_problems(names, classifier))

    def count(self, problems: Mapping[str, Mapping[str, np.ndarray]]) -> None:
        """Count the problems of a batch."""
        for what, by_column in problems.items():
            self.values[what].update({name: int(rows.sum()) for name, rows in by_column.items()})

    def sentences(self) -> list[str]:
        """Describe each kind of problem; empty if there is none."""
        described = list(self.columns)
        for what, counts in self.values.items():
            if counts:
                by_column = ", ".join(f"{name} {n:,}" for name, n in counts.most_common(5))
                more = f" and {len(counts) - 5:,} more columns" if len(counts) > 5 else ""
                described.append(f"{plural(counts.total(), 'value')} {_PROBLEMS[what]} ({by_column}{more})")
        return described


@dataclass(frozen=True)
class Rows:
    """Adjacent rows of a table.

    Attributes
    ----------
    first
        Number of the first row in the table, from 0.
    ids
        Columns of the table with role "id".
    columns
        Raw columns that the classifier uses.
    read
        The rows as the contract reads them.
    X
        Encoded rows. Shape: (n, width) float32
    others
        Further columns of the table that were asked for.
    """

    first: int
    ids: Mapping[str, pa.Array]
    columns: Mapping[str, pa.Array]
    read: Read
    X: np.ndarray
    others: Mapping[str, pa.Array] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.X)

    def head(self, n: int) -> "Rows":
        """Return the first rows."""
        ids, columns = ({name: each[:n] for name, each in by.items()} for by in (self.ids, self.columns))
        odd = {what: {name: each[:n] for name, each in by.items()} for what, by in self.read.odd.items()}
        gaps = {name: each[:n] for name, each in self.read.gaps.items()}
        return Rows(self.first, ids, columns, Read([each[:n] for each in self.read.values], odd, gaps), self.X[:n])

    @property
    def numbers(self) -> np.ndarray:
        """Numbers of the rows in the table. Shape: (n,) int64"""
        return np.arange(self.first, self.first + len(self))


def open_rows(path: Path, contract: Contract) -> Source:
    """Open the table; a file without a header line has the columns of the training table, with or without the target."""
    reading = replace(contract.reading, columns=None, header=None)
    source = open_table(path, reading)
    names = contract.reading.columns
    if names is None or not {column.name for column in contract.features}.isdisjoint(source.names):
        return source
    for given in (names, tuple(name for name in names if name != contract.target)):
        if len(given) == len(source.names):
            return open_table(path, replace(reading, columns=given))
    return source


def read_batches(
    source: Source, classifier: Classifier, max_rows: int | None = None, others: Sequence[str] = ()
) -> Iterator[Rows]:
    """Read and encode all rows in batches, none of which crosses a multiple of `max_rows`.

    Parameters
    ----------
    others
        Further columns to read.
    """
    ids = [column.name for column in classifier.contract.columns if column.role == "id" and column.name in source.names]
    wanted = [column.name for column in classifier.encoder.columns if column.name in source.names]
    first = 0
    for batch in source.batches():
        start = 0
        while start < batch.num_rows:
            piece = batch.slice(start, max_rows - first % max_rows if max_rows else None)
            columns = {name: piece.column(name) for name in wanted}
            rows = encode_rows(columns, classifier, piece.num_rows, first, {name: piece.column(name) for name in ids})
            yield replace(rows, others={name: piece.column(name) for name in others})
            first += piece.num_rows
            start += piece.num_rows


def encode_rows(
    columns: Mapping[str, pa.Array],
    classifier: Classifier,
    n_rows: int,
    first: int = 0,
    ids: Mapping[str, pa.Array] | None = None,
) -> Rows:
    """Read and encode raw columns by name.

    Raises
    ------
    TableError
        A column is absent that has no missing value in the train part.
    """
    read = classifier.encoder.read(columns, classifier.contract, rows=n_rows)
    return Rows(first, ids or {}, columns, read, classifier.encoder.encode(read.values))


def cell_texts(rows: Rows, classifier: Classifier) -> np.ndarray:
    """Return the cells of the columns that the classifier uses, as texts. Shape: (n, columns) object

    A missing one is "missing"; one that is unreadable or of an unseen category is marked; a long number is rounded.
    """
    contract, described = classifier.contract, {column.name: column for column in classifier.contract.columns}
    found = np.full((len(rows), len(classifier.encoder.columns)), None, dtype=object)
    for i, column in enumerate(classifier.encoder.columns):
        if column.name in rows.columns:
            array = parse.plain_array(rows.columns[column.name])
            missing = {*contract.reading.missing, *described[column.name].missing_codes}
            found[:, i] = parse.clean_texts(array, missing).to_pylist()
        for row, value in enumerate(rows.read.values[i].tolist()):
            if value == value and column.kind in _SHORTENED and len(found[row, i]) > _LONG:
                found[row, i] = _number_text(value) if column.kind == "number" else parse.date_text(value)
        for what, mark in _MARKS.items():
            for row in np.flatnonzero(rows.read.odd[what].get(column.name, np.zeros(0, dtype=bool))).tolist():
                found[row, i] = None if found[row, i] is None else f"{found[row, i]} ({mark})"
    found[found == None] = "missing"  # noqa: E711  element by element
    return found


def value_texts(X: np.ndarray, encoder: Encoder) -> np.ndarray:
    """Return the values of encoded rows as texts, numbers without the digits that float32 does not have.

    Shape: (n, width) -> (n, columns) object
    """
    decoded, found = encoder.decode(X), np.empty((len(X), len(encoder.columns)), dtype=object)
    for i, column in enumerate(encoder.columns):
        for row, value in enumerate(decoded[column.name].tolist()):
            if value is None or value != value:
                found[row, i] = "missing"
            else:
                found[row, i] = _number_text(value, _precision(value, column)) if column.kind == "number" else str(value)
    return found


def _precision(value: float, column: EncodedColumn) -> float:
    """Return the precision with which an encoded value of a column is known."""
    return max(abs(value), abs(value - column.mean), column.scale * 1e-3) * _FLOAT32


def _number_text(value: float, precision: float = 0.0) -> str:
    """Return a number with six significant digits, or with more before the decimal point, and none below the precision."""
    digits = max(0, _DIGITS - 1 - math.floor(math.log10(abs(value)))) if value else 0
    if precision:
        digits = min(digits, -math.ceil(math.log10(precision)))
    return parse.number_text(round(value, digits))


def _column_problems(names: Sequence[str], classifier: Classifier) -> list[str]:
    wanted = {column.name: None for column in classifier.encoder.columns}
    known = {column.name for column in classifier.contract.columns}
    problems = []
    if absent := [name for name in wanted if name not in names]:
        problems.append(f"{plural(len(absent), 'column')} absent and treated as missing ({preview(absent)})")
    if extra := [name for name in names if name not in known]:
        problems.append(f"{plural(len(extra), 'column')} unknown and ignored ({preview(extra)})")
    if [name for name in names if name in wanted] != [name for name in wanted if name in names]:
        problems.append("columns in another order, matched by name")
    return problems


def plural(count: int, noun: str) -> str:
    """Return a count and its noun.

    >>> plural(1_000, "row")
    '1,000 rows'
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
