"""Open a table, whatever its format. The format is found from the first bytes of a file, then from its name."""

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from veritable.errors import TableError
from veritable.params import MachineParams
from veritable.tables.params import DataParams
from veritable.tables.reading.columnar import open_arrow, open_parquet
from veritable.tables.reading.delimited import open_delimited
from veritable.tables.reading.jsonlines import open_jsonlines
from veritable.tables.reading.pseudonyms import pseudonymise_source
from veritable.tables.reading.source import Reading, Source, preview, reason
from veritable.tables.reading.stream import first_bytes

Open = Callable[[Path, Reading, frozenset[str]], Source]
_COMPRESSED = {".gz", ".bz2", ".xz", ".zst"}


def open_tables(
    path: Path, params: DataParams, machine: MachineParams | None = None, *, top: Path
) -> tuple[Source, Source | None]:
    """Open the table of section `data`, and its test file; None without one.

    Parameters
    ----------
    machine
        Section with the limits on rows and bytes; None for the default limits.
    top
        Repository. The path and an SQLite file of data.database must be inside it, unless data.allow_outside is true.

    Raises
    ------
    TableError
        The table does not exist or is outside the repository, or data.test_file or data.drop name what does not exist.
    """
    reading, skip = Reading.of(params, machine), frozenset(params.drop)
    if not params.allow_outside:
        check_inside(path, top)
        if params.database is not None:
            from veritable.tables.reading.database import sqlite_file  # SQLAlchemy is imported only if it is used

            if file := sqlite_file(params.database):
                check_inside(file, top)
    if params.test_file is None:
        return _open(path, reading, skip), None
    if not path.is_dir():
        raise TableError(
            f"data.path must be a folder if data.test_file names a file in it, but '{path}' is not a folder. "
            "Put both files into one folder."
        )
    names = [file.name for file in folder_files(path)]
    if params.test_file not in names:
        raise TableError(
            f"data.test_file must be a file of '{path}', but is '{params.test_file}'. The files are: {preview(names)}."
        )
    others = [Path(name) for name in names if name != params.test_file]
    if not others:
        raise TableError(f"'{path}' must have files to train on beside data.test_file, but has none. Add one.")
    return _open(path, reading, skip, others), _open(path, reading, skip, [Path(params.test_file)])


def _open(path: Path, reading: Reading, skip: frozenset[str], files: list[Path] | None = None) -> Source:
    return open_table(path, reading, files=files, skip=skip)


def check_inside(path: Path, top: Path) -> None:
    """Check that a table is inside the folder `top` after links are resolved. So must be all files if it is a folder.

    Raises
    ------
    TableError
        It is not.
    """
    for each in [path, *(path.iterdir() if os.path.isdir(path) else ())]:  # noqa: PTH112  unlike Path.is_dir, it does not raise if a name is too long
        try:
            inside = each.resolve().is_relative_to(top.resolve())
        except (OSError, RuntimeError, ValueError):  # a loop of links, or a name that no file can have
            inside = False
        if not inside:
            raise TableError(
                f"table '{each}' must be inside the repository, but is outside. "
                "Copy the file into data/, or set data.allow_outside: true."
            )


def open_table(
    path: Path, reading: Reading, *, files: Sequence[Path] | None = None, skip: frozenset[str] = frozenset()
) -> Source:
    """Open a file, or a folder whose files are one table, with pseudonyms in the columns of `reading.pseudonymise`.

    Parameters
    ----------
    files
        Files of the folder to read; None for all files that are not hidden.
    skip
        Columns that are not read. They may hold anything.

    Raises
    ------
    TableError
        The file does not exist or is not a table, the files of the folder have different columns, or the key of the pseudonyms
        is not there.
    """
    return pseudonymise_source(_open_raw(path, reading, files, skip), reading)


def _open_raw(path: Path, reading: Reading, files: Sequence[Path] | None, skip: frozenset[str]) -> Source:
    if reading.database is not None:
        return _database(path, reading, skip)
    if not stat.S_ISDIR(_mode(path)):
        return _open_file(path, reading, skip)
    chosen = folder_files(path) if files is None else [path / file for file in files]
    if not chosen:
        raise TableError(f"table '{path}' must be a folder with files, but has none. Check data.path.")
    sources = [_open_file(file, reading, skip) for file in chosen]
    return sources[0] if len(sources) == 1 else _joined(path, sources, reading)


def folder_files(folder: Path) -> list[Path]:
    """Return the files of a table in the order of their names. Names that start with "." or "_" are skipped.

    Raises
    ------
    TableError
        One of them is a folder.
    """
    found = sorted(file for file in folder.iterdir() if not file.name.startswith((".", "_")))
    for file in found:
        if file.is_dir():
            raise TableError(
                f"table '{folder}' must be a file or a folder of files, but contains the folder '{file.name}'. Check data.path."
            )
    return found


def _open_file(path: Path, reading: Reading, skip: frozenset[str]) -> Source:
    if not stat.S_ISREG(_mode(path)):  # reading a pipe would wait forever
        what = "folder" if path.is_dir() else "pipe, a socket or a device"
        raise TableError(f"table '{path}' must be a file, but is a {what}. Check data.path.")
    if not path.stat().st_size:
        raise TableError(f"table '{path}' must not be empty, but is. Check data.path.")
    opened = _format(path)
    if reading.query is not None and opened is not _database:
        raise TableError(
            f"data.query must be null unless the table is in a database, but '{path}' is another kind of file. "
            "Set data.query: null, or name the database in data.database."
        )
    return opened(path, reading, skip)


def _mode(path: Path) -> int:
    try:
        return path.stat().st_mode
    except FileNotFoundError:
        what = "is a link to a file that does not exist" if path.is_symlink() else "does not exist"
    except (OSError, ValueError) as error:  # the name is too long or has a NUL byte, a loop of links, no permission
        what = f"cannot be read: {getattr(error, 'strerror', None) or reason(error)}"
    raise TableError(f"table {str(path)!r} {what}. Check data.path.")


def _format(path: Path) -> Open:
    head = first_bytes(path)
    for magic, opened in _BY_CONTENT.items():
        if head.startswith(magic):
            return opened
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() not in _COMPRESSED]
    return _BY_NAME.get(suffixes[-1] if suffixes else "", open_delimited)


def _joined(path: Path, sources: list[Source], reading: Reading) -> Source:
    """Join files to one table. Its columns are in the order of the first file, and their types fit the values of all files."""
    first = sources[0]
    for source in sources[1:]:
        if set(source.names) != set(first.names):
            extra, lacking = sorted(set(source.names) - set(first.names)), sorted(set(first.names) - set(source.names))
            difference = " and ".join(
                f"{verb} {preview(names)}" for verb, names in (("adds", extra), ("lacks", lacking)) if names
            )
            raise TableError(
                f"all files of '{path}' must have the same columns, but compared with '{first.path.name}', "
                f"'{source.path.name}' {difference}. Move it elsewhere, or rename the columns."
            )
    try:
        schema = pa.unify_schemas([source.schema for source in sources], promote_options="permissive")
    except pa.ArrowException as error:
        raise TableError(
            f"all files of '{path}' must have the same types, but do not: {reason(error)}. "
            "Write the files again, with the same types."
        ) from None
    schema = pa.schema([schema.field(name) for name in first.names])

    def pieces() -> Iterator[pa.RecordBatch]:
        for source in sources:
            for batch in source.pieces():
                yield _cast(source, batch.select(first.names), schema)

    return Source(path, first.names, all(source.text for source in sources), pieces, schema, reading.max_rows)


def _cast(source: Source, batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    try:
        return batch.cast(schema) if batch.schema != schema else batch
    except pa.ArrowException as error:
        raise TableError(
            f"table '{source.path}' must have the types of the other files, but does not: {reason(error)}. "
            "Write the files again, with the same types."
        ) from None


def _database(path: Path, reading: Reading, skip: frozenset[str]) -> Source:
    from veritable.tables.reading.database import open_database  # SQLAlchemy is imported only if it is used

    return open_database(path, reading, skip)


def _feather_v1(path: Path, reading: Reading, skip: frozenset[str]) -> Source:
    raise TableError(f"table '{path}' must be Feather version 2, but is version 1. Write it again with a newer library.")


_BY_CONTENT: dict[bytes, Open] = {
    b"PAR1": open_parquet,
    b"ARROW1": open_arrow,
    b"\xff\xff\xff\xff": open_arrow,  # a stream
    b"FEA1": _feather_v1,
    b"SQLite format 3\0": _database,
}
_BY_NAME: dict[str, Open] = {
    **dict.fromkeys((".parquet", ".pq"), open_parquet),
    **dict.fromkeys((".feather", ".arrow", ".arrows", ".ipc"), open_arrow),
    **dict.fromkeys((".jsonl", ".ndjson", ".json"), open_jsonlines),
    ".sql": _database,
}
