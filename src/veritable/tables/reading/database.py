"""A database query: its rows in batches, with the database's types."""

import datetime
import os
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import quote

import pyarrow as pa
import sqlalchemy as sql
from sqlalchemy.exc import SQLAlchemyError

from veritable.tables.errors import TableError
from veritable.tables.reading.source import Reading, Source, kept, quoted, reason

_LIBPQ = ("psycopg", "psycopg2")  # which would look for a password elsewhere, too
PASSWORD = "VERITABLE_DATABASE_PASSWORD"  # noqa: S105  the name of the environment variable
_BATCH_CELLS = 2**19
_FEWEST_ROWS = 256  # in a batch: many small ones of many columns cost more in what follows


def open_database(path: Path, reading: Reading, skip: frozenset[str] = frozenset()) -> Source:
    """The rows of `reading.query`, or of the SQL in `path` if that ends in .sql.

    They come from `reading.database`, or from `path` if that is an SQLite file. Nothing is ever changed there. The password is
    the environment variable VERITABLE_DATABASE_PASSWORD alone: not PGPASSWORD, nor what stands in ~/.pgpass. The query runs
    once: its rows are kept in a temporary file, as a second run may give others, or the same in another order.

    A column whose values in a batch are of different types, as SQLite allows, becomes texts there.

    Raises
    ------
    TableError
        There is no query, the database does not answer or objects, or a column holds bytes or nested values.
    """
    query = _query(path, reading)
    engine = _engine(path, reading)
    with _run(engine, query) as result:
        names = kept(path, tuple(map(str, result.keys())), skip)
        places = [i for i, name in enumerate(result.keys()) if name in names]
    spool: list[pa.NativeFile] = []

    def pieces() -> Iterator[pa.RecordBatch]:
        if spool:
            spool[0].seek(0)
            while spool[0].tell() < spool[0].size():
                yield from pa.ipc.open_stream(spool[0])
            return
        with tempfile.NamedTemporaryFile() as file:
            for batch in _batches(engine, query, names, places):
                with pa.ipc.new_stream(file, batch.schema) as writer:  # one each: their types may differ
                    writer.write_batch(batch)
                yield batch
            file.flush()
            spool.append(pa.OSFile(file.name))  # stays readable when its name is gone

    return Source(path, names, False, pieces, None, reading.max_rows)


def sqlite_file(database: str) -> Path | None:
    """The file that an SQLAlchemy URL names; None if it names no SQLite file."""
    try:
        url = sql.make_url(database)
    except (SQLAlchemyError, ValueError):
        return None  # which is told when it is opened
    return Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None


def _query(path: Path, reading: Reading) -> str:
    if reading.query is not None:
        query = reading.query
    elif path.suffix.lower() == ".sql":
        try:
            if path.exists() and not path.is_file():  # reading a pipe would wait for ever
                raise OSError("it is no file")
            query = path.read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            raise TableError(f"query '{path}' must be a text file, however: {reason(error)}. Check data.path.") from None
        if reading.database is None:
            raise TableError(
                f"data.database must name the database that '{path}' asks, however it is null. Set it in params.yaml."
            )
    else:
        raise TableError(
            "data.query must be SQL where the table is in a database, however it is null. "
            "Set it in params.yaml, for example to: select * from customers."
        )
    if not query.strip(" \t\r\n;"):
        raise TableError("the query must be SQL, however it is empty. Check data.query or data.path in params.yaml.")
    return query.strip().rstrip(";")  # a cursor is declared for it, which ends no statement


def _engine(path: Path, reading: Reading) -> sql.Engine:
    try:
        url = sql.make_url(reading.database) if reading.database is not None else sql.URL.create("sqlite", database=str(path))
    except (SQLAlchemyError, ValueError):
        raise TableError(
            "data.database must be an SQLAlchemy URL such as postgresql+psycopg://user@host/name, however it is none."
        ) from None
    if url.password is not None or any("password" in key.lower() for key in url.query):
        raise TableError(
            f"data.database must not hold a password, however it does. Take it out, and set {PASSWORD} in the environment."
        )
    how: dict[str, Any] = {}
    password = os.environ.get(PASSWORD, "")
    if url.get_backend_name() == "sqlite":
        file = Path(url.database or "")
        if not file.is_file():
            raise TableError(f"data.database must name an SQLite file, however there is no '{file}'. Check params.yaml.")
        address = f"file:{quote(str(file.resolve()))}?mode=ro"
        how["creator"] = lambda: sqlite3.connect(address, uri=True, check_same_thread=False)
    elif url.get_backend_name() == "postgresql" and url.get_driver_name() in _LIBPQ:
        how["connect_args"] = {"password": password, "passfile": os.devnull}
    elif password:
        url = url.set(password=password)
    try:
        return sql.create_engine(url, poolclass=sql.NullPool, hide_parameters=True, **how)
    except (SQLAlchemyError, ImportError) as error:
        raise TableError(
            f"data.database must name a database that a driver is installed for, however: {_said(error)}. "
            "Install the driver, or name another after the '+': postgresql+psycopg://."
        ) from None


@contextmanager
def _run(engine: sql.Engine, query: str, rows: int = 1) -> Iterator[sql.CursorResult[Any]]:
    try:
        with engine.connect() as connection:  # never committed
            how = {"stream_results": True, "max_row_buffer": rows, "no_parameters": True}  # a % in the query is a %
            with connection.exec_driver_sql(query, execution_options=how) as result:
                if not result.returns_rows:
                    raise TableError("the query must give rows, however it is no select. Check data.query in params.yaml.")
                yield result
    except (SQLAlchemyError, sqlite3.Error) as error:
        raise TableError(
            f"the database must answer the query, however: {_said(error)}. "
            f"Check data.database and data.query in params.yaml, and {PASSWORD} in the environment."
        ) from None


def _said(error: Exception) -> str:
    """The database's own words, without the password."""
    words = reason(getattr(error, "orig", None) or error)
    password = os.environ.get(PASSWORD)
    return words.replace(password, "***") if password else words


def _batches(engine: sql.Engine, query: str, names: Sequence[str], places: Sequence[int]) -> Iterator[pa.RecordBatch]:
    count = max(_FEWEST_ROWS, _BATCH_CELLS // len(names))
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
        f"column {quoted(name)} of the query must hold single values, however it holds {kind.__name__} in a row. "
        "Leave it out of data.query, or name it in data.drop."
    )
