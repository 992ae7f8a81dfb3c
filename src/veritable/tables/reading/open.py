"""The table that params.yaml names, and the test file beside it where there is one."""

from pathlib import Path

from veritable.params import MachineParams
from veritable.tables.errors import TableError
from veritable.tables.params import DataParams
from veritable.tables.reading.inside import check_inside
from veritable.tables.reading.source import some
from veritable.tables.reading.table import Reading, Source, folder_files, open_table


def open_tables(
    path: Path, params: DataParams, machine: MachineParams | None = None, *, top: Path
) -> tuple[Source, Source | None]:
    """Open the table, and the given test file, None without one.

    Parameters
    ----------
    machine
        Its limits on rows and bytes are enforced.
    top
        The repository, which neither the path nor an SQLite file of data.database may leave unless data.allow_outside is true.

    Raises
    ------
    TableError
        There is no such table, it lies outside, or data.test_file or data.drop name what is not there.
    """
    reading, skip = Reading.of(params, machine), frozenset(params.drop)
    if not params.allow_outside:
        check_inside(path, top)
        if params.database is not None:
            from veritable.tables.reading.database import sqlite_file  # only those pay for SQLAlchemy who use it

            if file := sqlite_file(params.database):
                check_inside(file, top)
    if params.test_file is None:
        return _open(path, reading, skip), None
    if not path.is_dir():
        raise TableError(
            f"data.path must be a folder where data.test_file names a file in it, however '{path}' is none. "
            "Put both files into one folder."
        )
    names = [file.name for file in folder_files(path)]
    if params.test_file not in names:
        raise TableError(f"data.test_file must be a file of '{path}', however '{params.test_file}' is none of: {some(names)}.")
    others = [Path(name) for name in names if name != params.test_file]
    if not others:
        raise TableError(f"'{path}' must hold files to train on beside data.test_file, however it holds none.")
    return _open(path, reading, skip, others), _open(path, reading, skip, [Path(params.test_file)])


def _open(path: Path, reading: Reading, skip: frozenset[str], files: list[Path] | None = None) -> Source:
    return open_table(path, reading, files=files, skip=skip)
