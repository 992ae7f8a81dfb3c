"""Read the rows of a database query in batches. The columns have the types of the database."""

import datetime
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import quote

import pyarrow as pa
import sqlalchemy as sql
from sqlalchemy.exc import SQLAlchemyError

from veritable.errors import TableError
from veritable.tables.reading.source import Reading, Source, kept_names, quoted, reason
from veritable.tables.reading.stream import first_bytes

_LIBPQ = ("psycopg", "psycopg2")  # they would look for a password in other places too
PASSWORD = "VERITABLE_DATABASE_PASSWORD"  # noqa: S105  the name of the environment variable
_BATCH_CELLS = 2**19
_MIN_ROWS = 256  # of a batch: smaller ones of many columns are slow


def open_database(path: Path, reading: Reading, skip: frozenset[str] = frozenset()) -> Source:
    """Open the rows of `reading.query`, or of the SQL in `path` if its name ends in .sql.

    The database is `reading.database`, or `path` if that is an SQLite file. It is only read. The password comes from the
    environment variable VERITABLE_DATABASE_PASSWORD alone, neither from PGPASSWORD nor from ~/.pgpass. The query runs once to
    find the columns, and once each time that the rows are read.

    If the values of a column have different types within a batch, as SQLite allows, they become texts.

    Raises
    ------
    TableError
        There is no query, the database does not answer or raises an error, or a column holds bytes or nested values.
    """
    query = _query(path, reading)
    engine = _engine(path, reading)
    with _run(engine, query) as result:
        names = kept_names(path, tuple(map(str, result.keys())), skip)
        places = [i for i, name in enumerate(result.keys()) if name in names]
    return Source(path, names, False, lambda: _batches(engine, query, names, places), None, reading.max_rows)


def sqlite_file(database: str) -> Path | None:
    """Return the file that an SQLAlchemy URL names; None if the URL is not that of an SQLite file."""
    try:
        url = sql.make_url(database)
    except (SQLAlchemyError, ValueError):
        return None  # `open_database` reports it
    return Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None


def _query(path: Path, reading: Reading) -> str:
    if reading.query is not None:
        query = reading.query
    elif path.suffix.lower() == ".sql":
        try:
            if path.exists() and not path.is_file():  # reading a pipe would wait forever
                raise OSError("it is not a regular file")
            query = path.read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            raise TableError(f"query '{path}' must be a text file, but is not: {reason(error)}. Check data.path.") from None
        if reading.database is None:
            raise TableError(f"data.database must name the database for the query '{path}', but is null. Set it.")
    else:
        raise TableError(
            "data.query must be SQL if the table is in a database, but is null. "
            "Set it, for example to: select * from customers."
        )
    if not query.strip(" \t\r\n;"):
        raise TableError("the query must be SQL, but is empty. Check data.query or data.path.")
    return query.strip().rstrip(";")  # a cursor is declared for it, and that allows no semicolon


def _engine(path: Path, reading: Reading) -> sql.Engine:
    try:
        url = sql.make_url(reading.database) if reading.database is not None else sql.URL.create("sqlite", database=str(path))
    except (SQLAlchemyError, ValueError):
        raise TableError(
            "data.database must be an SQLAlchemy URL such as postgresql+psycopg://user@host/name, but is not."
        ) from None
    if url.password is not None or any("password" in key.lower() for key in url.query):
        raise TableError(
            f"data.database must not contain a password, but does. Remove it, and set {PASSWORD} in the environment."
        )
    how: dict[str, Any] = {}
    password = os.environ.get(PASSWORD, "")
    if url.get_backend_name() == "sqlite":
        file = Path(url.database or "")
        if not file.is_file():
            raise TableError(f"the SQLite file '{file}' of data.database does not exist. Check data.database.")
        address = f"file:{quote(str(file.resolve()))}?mode=ro" + ("&immutable=1" if _has_write_ahead_log(file) else "")
        how["creator"] = lambda: sqlite3.connect(address, uri=True, check_same_thread=False)
    elif url.get_backend_name() == "postgresql" and url.get_driver_name() in _LIBPQ:
        how["connect_args"] = {"password": password, "passfile": os.devnull}
    elif password:
        url = url.set(password=password)
    try:
        return sql.create_engine(url, poolclass=sql.NullPool, hide_parameters=True, **how)
    except (SQLAlchemyError, ImportError) as error:
        raise TableError(
            f"data.database must name a database with an installed driver, but: {_message(error)}. "
            "Install the driver, or name another one after the '+', as in postgresql+psycopg://."
        ) from None


def _has_write_ahead_log(file: Path) -> bool:
    """Return whether an SQLite file is in WAL mode. Without a log beside it, it can then be opened as immutable only.

    Raises
    ------
    TableError
        The log holds changes. They are part of the table, but DVC, which looks at the file, does not see them.
    """
    log = file.with_name(f"{file.name}-wal")
    if log.is_file() and log.stat().st_size:
        raise TableError(
            f"the SQLite file '{file}' must hold all of its rows, but some are still in '{log.name}'. Close the programs that "
            f"use it, and run: sqlite3 '{file}' 'PRAGMA wal_checkpoint(TRUNCATE)'."
        )
    return first_bytes(file, 20)[18:20] == b"\x02\x02"


@contextmanager
def _run(engine: sql.Engine, query: str, rows: int = 1) -> Iterator[sql.CursorResult[Any]]:
    try:
        with engine.connect() as connection:  # without a commit
            how = {
                "stream_results": True,
                "max_row_buffer": rows,
                "no_parameters": True,
            }  # a % in the query is not a placeholder
            with connection.exec_driver_sql(query, execution_options=how) as result:
                if not result.returns_rows:
                    raise TableError("the query must return rows, but is not a select statement. Check data.query.")
                yield result
    except (SQLAlchemyError, sqlite3.Error) as error:
        raise TableError(
            f"the database cannot answer the query: {_message(error)}. "
            f"Check data.database and data.query, and {PASSWORD} in the environment."
        ) from None


def _message(error: Exception) -> str:
    """Return the error message of the database, without the password."""
    words = reason(getattr(error, "orig", None) or error)
    password = os.environ.get(PASSWORD)
    return words.replace(password, "***") if password else words


def _batches(engine: sql.Engine, query: str, names: Sequence[str], places: Sequence[int]) -> Iterator[pa.RecordBatch]:
    count = max(_MIN_ROWS, _BATCH_CELLS // len(names))
    with _run(engine, query, count) as result:
        for rows in result.partitions(count):
            columns = list(zip(*rows, strict=True))
            arrays = [_array(name, columns[place]) for name, place in zip(names, places, strict=True)]
            yield pa.RecordBatch.from_arrays(arrays, names=list(names))


def _array(name: str, values: Sequence[Any]) -> pa.Array:
    types = set(map(type, values)) - {type(None)}
    for kind in types:
        if issubclass(kind, bytes | bytearray | memoryview | list | tuple | dict | set):
            _refuse(name, kind)
    if types == {Decimal} or (len(types) > 1 and types <= {Decimal, float, int}):
        return pa.array([None if value is None else float(value) for value in values], pa.float64())
    if types == {int} and any(value is not None and not -(2**63) <= value < 2**63 for value in values):
        return _as_texts(values)
    for kind in (bool, int, float, str, datetime.date):
        if types == {kind}:
            return pa.array(values)
    if types == {datetime.datetime}:
        aware = {value.tzinfo is not None for value in values if value is not None}
        return pa.array(values, pa.timestamp("us", "UTC" if True in aware else None)) if len(aware) == 1 else _as_texts(values)
    return _as_texts(values) if types else pa.nulls(len(values))


def _as_texts(values: Sequence[Any]) -> pa.Array:
    return pa.array([None if value is None else str(value) for value in values], pa.string())


def _refuse(name: str, kind: type) -> NoReturn:
    raise TableError(
        f"column {quoted(name)} of the query must hold single values, but holds values of type {kind.__name__}. "
        "Remove it from data.query, or name it in data.drop."
    )
