"""Predict new rows batch by batch, with nothing but the folder of a classifier."""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc_csv
import pyarrow.parquet as pq

from veritable.errors import UserError
from veritable.models.classifier import Classifier
from veritable.progress import row_progress
from veritable.tables.reading.open import open_table
from veritable.tables.reading.source import Source, preview
from veritable.tables.typing.contract import Contract

_SUFFIXES = (".csv", ".parquet")
_PROBLEMS = {
    "wrong": "unreadable and treated as missing",
    "outside": "outside the range of the training table and kept",
    "unseen": "of a category that the train part does not have and treated as other",
}


@dataclass
class InputProblems:
    """Counts of the problems that the new rows have."""

    values: dict[str, Counter[str]] = field(default_factory=lambda: {what: Counter() for what in _PROBLEMS})
    columns: list[str] = field(default_factory=list)

    def count(self, problems: dict[str, dict[str, np.ndarray]]) -> None:
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
                described.append(f"{_plural(counts.total(), 'value')} {_PROBLEMS[what]} ({by_column}{more})")
        return described


def predict(folder: Path, table: Path, output: Path, *, strict: bool = False) -> int:
    """Predict the rows of a table, write them to `output`, and return the exit code.

    Parameters
    ----------
    folder
        Folder of the classifier.
    table
        File with the new rows, in any format that the pipeline reads.
    output
        CSV or Parquet file to write. It appears whole or not at all.
    strict
        Whether any problem of the rows is an error.

    Raises
    ------
    UserError
        The classifier or the table does not exist, a required column is absent, or the rows have a problem and `strict` is set.
    """
    if output.suffix not in _SUFFIXES:
        raise UserError(f"the output must end in {' or '.join(_SUFFIXES)}, but is '{output}'. Choose another one with -o.")
    if not output.parent.is_dir():
        raise UserError(f"the folder '{output.parent}' of the output does not exist. Create it, or choose another one with -o.")
    if output.resolve() == table.resolve():
        raise UserError(f"the output must differ from the table, but both are '{output}'. Choose another one with -o.")
    classifier = Classifier.load(folder)
    source = _open(table, classifier.contract)
    problems = InputProblems(columns=_column_problems(source, classifier))
    partial = output.with_name(f".{output.name}.{os.getpid()}.partial")
    rows = 0
    try:
        with _Writer(partial, output.suffix) as writer:
            for predicted_rows in _predict_batches(source, classifier, problems):
                writer.write(predicted_rows)
                rows += predicted_rows.num_rows
        found = problems.sentences()
        if strict and found:
            raise UserError(f"with --strict the rows must have no problem, but have: {'; '.join(found)}. Nothing was written.")
        partial.replace(output)
    finally:
        partial.unlink(missing_ok=True)
    print(f"Predicted {_plural(rows, 'row')} into {output}: {'; '.join(found) or 'no problems found'}.")
    return 0


def _open(path: Path, contract: Contract) -> Source:
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


def _column_problems(source: Source, classifier: Classifier) -> list[str]:
    wanted = {column.name: None for column in classifier.encoder.columns}
    known = {column.name for column in classifier.contract.columns}
    problems = []
    if absent := [name for name in wanted if name not in source.names]:
        problems.append(f"{_plural(len(absent), 'column')} absent and treated as missing ({preview(absent)})")
    if extra := [name for name in source.names if name not in known]:
        problems.append(f"{_plural(len(extra), 'column')} unknown and ignored ({preview(extra)})")
    if [name for name in source.names if name in wanted] != [name for name in wanted if name in source.names]:
        problems.append("columns in another order, matched by name")
    return problems


def _predict_batches(source: Source, classifier: Classifier, problems: InputProblems) -> Iterator[pa.Table]:
    contract, names = classifier.contract, np.array(classifier.classes, dtype=object)
    ids = [column.name for column in contract.columns if column.role == "id" and column.name in source.names]
    wanted = [column.name for column in classifier.encoder.columns if column.name in source.names]
    with row_progress() as bar:
        task = bar.add_task("predicting", total=None)
        for batch in source.batches():
            read = classifier.encoder.read({name: batch.column(name) for name in wanted}, contract, rows=batch.num_rows)
            problems.count(read.odd)
            y_prob = classifier.predict_proba(classifier.encoder.encode(read.values))
            predicted = names[classifier.decide(y_prob)]
            predicted_rows = {name: batch.column(name) for name in ids} | {"predicted": pa.array(predicted, pa.string())}
            predicted_rows |= {f"p {name}": pa.array(y_prob[:, code]) for code, name in enumerate(classifier.classes)}
            yield pa.Table.from_arrays(list(predicted_rows.values()), names=list(predicted_rows))
            bar.advance(task, batch.num_rows)


def _plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


class _Writer:
    """Writer of CSV or Parquet files, batch by batch."""

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
            table = escape_formulas(table)
        if self._writer is None:
            opened = pc_csv.CSVWriter if self._suffix == ".csv" else pq.ParquetWriter
            self._writer = opened(self._path, table.schema)
        self._writer.write_table(table)


def escape_formulas(table: pa.Table) -> pa.Table:
    """Prefix texts that a spreadsheet would run as a formula with an apostrophe; numbers such as "-1" stay."""
    columns = []
    for column in table.columns:
        if pa.types.is_string(column.type):
            encoded = column.combine_chunks().dictionary_encode()
            texts = pa.array([_escape_formula(text) for text in encoded.dictionary.to_pylist()], pa.string())
            column = texts.take(encoded.indices)
        columns.append(column)
    return pa.Table.from_arrays(columns, names=[_escape_formula(name) for name in table.column_names])


def _escape_formula(text: str | None) -> str | None:
    if text is None or not text.startswith(("=", "+", "-", "@", "\t", "\r")):
        return text
    try:
        float(text)
    except ValueError:
        return f"'{text}"
    return text
