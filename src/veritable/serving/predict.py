"""`python -m veritable predict`: score new rows, streaming, with nothing but the classifier's folder."""

import os
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc_csv
import pyarrow.parquet as pq
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from veritable.errors import UserError
from veritable.metrics.thresholds import predict_classes
from veritable.models.classifier import Classifier
from veritable.tables.reading.source import some
from veritable.tables.reading.table import Source, open_table
from veritable.tables.typing.contract import Contract

_SUFFIXES = (".csv", ".parquet")
_WORDS = {
    "wrong": "unreadable, taken as missing",
    "outside": "outside the range of the table, taken as it is",
    "unseen": "of a category that train did not have, taken as other",
}


@dataclass
class Oddities:
    """What was odd about the new rows, counted."""

    values: dict[str, Counter[str]] = field(default_factory=lambda: {what: Counter() for what in _WORDS})
    columns: list[str] = field(default_factory=list)

    def count(self, odd: dict[str, dict[str, np.ndarray]]) -> None:
        """Add a batch's."""
        for what, by_column in odd.items():
            self.values[what].update({name: int(rows.sum()) for name, rows in by_column.items()})

    def sentences(self) -> list[str]:
        """A part of the closing line each; empty where all is well."""
        said = list(self.columns)
        for what, counts in self.values.items():
            if counts:
                by_column = ", ".join(f"{name} {n:,}" for name, n in counts.most_common(5))
                more = f" and {len(counts) - 5:,} more columns" if len(counts) > 5 else ""
                said.append(f"{_many(counts.total(), 'value')} {_WORDS[what]} ({by_column}{more})")
        return said


def predict(folder: Path, table: Path, output: Path, *, strict: bool = False) -> int:
    """Score a table; returns the exit code.

    Raises
    ------
    UserError
        There is no classifier, no such table, a required column is absent, or with --strict anything is odd.
    """
    if output.suffix not in _SUFFIXES:
        raise UserError(f"the output must end in {' or '.join(_SUFFIXES)}, however it is '{output}'. Name another one with -o.")
    if not output.parent.is_dir():
        raise UserError(
            f"the output's folder '{output.parent}' must exist, however it does not. Make it, or name another one with -o."
        )
    if output.resolve() == table.resolve():
        raise UserError(
            f"the output must be another file than the table, however both are '{output}'. Name another one with -o."
        )
    classifier = Classifier.load(folder)
    source = _open(table, classifier.contract)
    oddities = Oddities(columns=_odd_columns(source, classifier))
    partial = output.with_name(f".{output.name}.{os.getpid()}.partial")
    rows = 0
    try:
        with _Writer(partial, output.suffix) as writer:
            for scored in _score(source, classifier, oddities):
                writer.write(scored)
                rows += scored.num_rows
        odd = oddities.sentences()
        if strict and odd:
            raise UserError(f"with --strict nothing may be odd about the rows, however: {'; '.join(odd)}. Nothing was written.")
        partial.replace(output)
    finally:
        partial.unlink(missing_ok=True)
    print(f"Scored {_many(rows, 'row')} into {output}: {'; '.join(odd) if odd else 'nothing odd about them'}.")
    return 0


def _open(path: Path, contract: Contract) -> Source:
    """Find the columns by their names; a file without a header line has those of the table, with or without its target."""
    reading = replace(contract.reading, columns=None, header=None)
    source = open_table(path, reading)
    names = contract.reading.columns
    if names is None or not {column.name for column in contract.features}.isdisjoint(source.names):
        return source
    for given in (names, tuple(name for name in names if name != contract.target)):
        if len(given) == len(source.names):
            return open_table(path, replace(reading, columns=given))
    return source


def _odd_columns(source: Source, classifier: Classifier) -> list[str]:
    wanted = {column.name: None for column in classifier.encoder.columns}
    known = {column.name for column in classifier.contract.columns}
    said = []
    if absent := [name for name in wanted if name not in source.names]:
        said.append(f"{_many(len(absent), 'column')} absent and taken as missing ({some(absent)})")
    if extra := [name for name in source.names if name not in known]:
        said.append(f"{_many(len(extra), 'column')} unknown and ignored ({some(extra)})")
    if [name for name in source.names if name in wanted] != [name for name in wanted if name in source.names]:
        said.append("columns in another order, found by their names")
    return said


def _score(source: Source, classifier: Classifier, oddities: Oddities) -> Iterator[pa.Table]:
    contract, names = classifier.contract, np.array(classifier.classes, dtype=object)
    ids = [column.name for column in contract.columns if column.role == "id" and column.name in source.names]
    wanted = [column.name for column in classifier.encoder.columns if column.name in source.names]
    columns = (SpinnerColumn(), TextColumn("{task.completed:,.0f} rows scored"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True) as bar:
        task = bar.add_task("scoring", total=None)
        for batch in source.batches():
            read = classifier.encoder.read({name: batch.column(name) for name in wanted}, contract, rows=batch.num_rows)
            oddities.count(read.odd)
            y_prob = classifier.predict_proba(classifier.encoder.encode(read.values))
            predicted = names[predict_classes(y_prob, classifier.threshold)]
            scored = {name: batch.column(name) for name in ids} | {"predicted": pa.array(predicted, pa.string())}
            scored |= {f"p {name}": pa.array(y_prob[:, code]) for code, name in enumerate(classifier.classes)}
            yield pa.Table.from_arrays(list(scored.values()), names=list(scored))
            bar.advance(task, batch.num_rows)


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


class _Writer:
    """CSV or Parquet, batch by batch."""

    def __init__(self, path: Path, suffix: str):
        self._path, self._suffix = path, suffix
        self._writer: pc_csv.CSVWriter | pq.ParquetWriter | None = None

    def __enter__(self) -> "_Writer":
        return self

    def __exit__(self, *error: object) -> None:
        if self._writer is not None:
            self._writer.close()

    def write(self, table: pa.Table) -> None:
        if self._suffix == ".csv":
            table = safe_in_spreadsheets(table)
        if self._writer is None:
            opened = pc_csv.CSVWriter if self._suffix == ".csv" else pq.ParquetWriter
            self._writer = opened(self._path, table.schema)
        self._writer.write_table(table)


def safe_in_spreadsheets(table: pa.Table) -> pa.Table:
    """Texts that a spreadsheet would run as a formula get an apostrophe in front; numbers such as "-1" stay."""
    columns = []
    for column in table.columns:
        if pa.types.is_string(column.type):
            encoded = column.combine_chunks().dictionary_encode()
            texts = pa.array([_harmless(text) for text in encoded.dictionary.to_pylist()], pa.string())
            column = texts.take(encoded.indices)
        columns.append(column)
    return pa.Table.from_arrays(columns, names=[_harmless(name) for name in table.column_names])


def _harmless(text: str | None) -> str | None:
    if text is None or not text.startswith(("=", "+", "-", "@", "\t", "\r")):
        return text
    try:
        float(text)
    except ValueError:
        return f"'{text}"
    return text
