"""Write CSV or Parquet files batch by batch."""

from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pc_csv
import pyarrow.parquet as pq

from veritable.errors import UserError
from veritable.files import escape_formula

_SUFFIXES = (".csv", ".parquet")


def check_output(output: Path, table: Path, suffixes: tuple[str, ...] = _SUFFIXES, option: str = "-o") -> None:
    """Check that a file can be written.

    Raises
    ------
    UserError
        Its name has another suffix, its folder does not exist, or it is a folder or the table that is read.
    """
    if output.suffix not in suffixes:
        raise UserError(f"the output must end in {' or '.join(suffixes)}, but is '{output}'. Choose another one with {option}.")
    if not output.parent.is_dir():
        raise UserError(
            f"the folder '{output.parent}' of the output does not exist. Create it, or choose another one with {option}."
        )
    if output.is_dir():
        raise UserError(f"the output must be a file, but '{output}' is a folder. Choose another one with {option}.")
    if output.resolve() == table.resolve():
        raise UserError(f"the output must differ from the table, but both are '{output}'. Choose another one with {option}.")


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
