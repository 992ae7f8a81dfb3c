"""Write CSV or Parquet files batch by batch."""

import os
from pathlib import Path
from typing import NoReturn

import pyarrow as pa
import pyarrow.csv as pc_csv
import pyarrow.parquet as pq

from veritable.errors import UserError
from veritable.files import escape_formula

_SUFFIXES = (".csv", ".parquet")


def check_output(output: Path, table: Path, folder: Path, suffixes: tuple[str, ...] = _SUFFIXES, option: str = "-o") -> None:
    """Check that a file can be written, and that nothing but an earlier output is replaced by it.

    Parameters
    ----------
    table, folder
        The table and the folder of the classifier, which are read.
    option
        Option that names the file.

    Raises
    ------
    UserError
        Its name has another suffix, its folder does not exist, it is a link or no file, or it is a part of what is read.
    """

    def refuse(rule: str) -> NoReturn:
        raise UserError(f"{rule}. Choose another one with {option}.")

    if output.suffix not in suffixes:
        refuse(f"the output must end in {' or '.join(suffixes)}, but is '{output}'")
    if not output.parent.is_dir():
        raise UserError(
            f"the folder '{output.parent}' of the output does not exist. Create it, or choose another one with {option}."
        )
    if output.is_symlink():
        refuse(f"the output must be a regular file, but '{output}' is a link to '{output.readlink()}'")
    if output.exists() and not output.is_file():
        refuse(f"the output must be a regular file, but '{output}' is {'a folder' if output.is_dir() else 'none'}")
    if not os.access(output.parent, os.W_OK):
        refuse(f"the folder '{output.parent}' of the output must be writable, but is not")
    place = output.resolve()
    if place.is_relative_to(table.resolve()) or (output.exists() and table.exists() and output.samefile(table)):
        refuse(
            f"the output must differ from the table '{table}', but '{output}' is {'in it' if table.is_dir() else 'the same'}"
        )
    if place.is_relative_to(folder.resolve()):
        refuse(f"the output must not be in the folder of the classifier, but '{output}' is")


class Writer:
    """Writer of a CSV or Parquet file, batch by batch.

    Parameters
    ----------
    suffix
        ".csv" or ".parquet"; `path` may have another one.
    """

    def __init__(self, path: Path, suffix: str):
        self._path, self._suffix = path, suffix
        self._writer: pc_csv.CSVWriter | pq.ParquetWriter | None = None

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, *error: object) -> None:
        if self._writer is not None:
            self._writer.close()

    def write(self, table: pa.Table) -> None:
        """Append rows."""
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
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            encoded = column.combine_chunks().dictionary_encode()
            texts = pa.array([escape_formula(text) for text in encoded.dictionary.to_pylist()], pa.string())
            column = texts.take(encoded.indices)
        columns.append(column)
    return pa.Table.from_arrays(columns, names=[escape_formula(name) for name in table.column_names])
