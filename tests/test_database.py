"""A database query returns the rows of SQLite and PostgreSQL, never changes them, and never shows a password."""

import datetime
import os
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from tests.conftest import HANGS
from tests.faults import assert_said
from tests.sources import refusal, refused, rows, write
from veritable.tables.reading import database
from veritable.tables.reading.source import Reading

BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
SECRET = "p%40ss w:rd/secret"


@pytest.fixture
def lite(tmp_path: Path) -> Path:
    """Return an SQLite file."""
    path = tmp_path / "da%ta?.db"
    with sqlite3.connect(path) as base:
        base.execute("create table t (x, y real, name text, blob blob)")
        base.executemany(
            "insert into t values (?, ?, ?, ?)", [(1, 0.5, "a", b"1"), (None, None, "b%", None), (3, 2.0, None, None)]
        )
    base.close()
    return path


def test_sqlite_file(lite: Path) -> None:
    """A path that is an SQLite file is the database for data.query."""
    assert {"x": [1, None, 3], "name": ["a", "b%", None]} == rows(lite, query="select x, name from t;")
    assert {"x": [None]} == rows(lite, query="select x from t where name like '%\\%' escape '\\' or name = ':b'")
    assert {"name": ["a", "b%", None]} == rows(lite, frozenset(["blob", "x", "y"]), query="select * from t")


def test_query_in_a_file(tmp_path: Path, lite: Path) -> None:
    """A path that ends in .sql is the query."""
    path = write(tmp_path, "-- ä\nselect y\nfrom t;\n", "ask.sql")
    shutil.move(lite, tmp_path / "lite.db")
    url = f"sqlite:///{tmp_path / 'lite.db'}"
    assert {"y": [0.5, None, 2.0]} == rows(path, database=url)
    assert "data.database must name the database" in refused(path)
    assert "must be a text file" in refused(tmp_path / "none.sql", database=url)
    assert "the query must be SQL, but is empty" in refused(write(tmp_path, ";\n", "ask.sql"), database=url)


def test_mixed_types(tmp_path: Path, lite: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A column with values of several types in a batch becomes texts in that batch."""
    query = "select 1 as m, 2.5 as n, 9223372036854775807 as b union all select 'one', 3, 1"
    assert {"m": ["1", "one"], "n": [2.5, 3.0], "b": [2**63 - 1, 1]} == rows(lite, query=query)
    monkeypatch.setattr(database, "_MIN_ROWS", 1)
    monkeypatch.setattr(database, "_BATCH_CELLS", 3)
    assert {"m": [1, "one"], "n": [2.5, 3], "b": [2**63 - 1, 1]} == rows(lite, query=query)


def test_write_ahead_log(lite: Path) -> None:
    """An SQLite file in WAL mode is read without its log. If the log holds rows, the error says how to merge them."""
    base = sqlite3.connect(lite, isolation_level=None)
    base.execute("pragma journal_mode = wal")
    base.execute("insert into t (x) values (4)")
    said = refused(lite, query="select x from t")
    assert f"must hold all of its rows, but some are still in '{lite.name}-wal'. Close the programs that use it" in said
    base.execute("pragma wal_checkpoint(truncate)")
    assert 4 in rows(lite, query="select x from t")["x"]
    base.close()
    before = sorted(lite.parent.iterdir())
    assert 4 in rows(lite, query="select x from t")["x"]
    assert before == sorted(lite.parent.iterdir())


def test_never_written(tmp_path: Path, lite: Path) -> None:
    """A query that changes the database raises an error, and a database that does not exist is not created."""
    before = lite.read_bytes()
    assert "readonly database" in refused(lite, query="delete from t")
    assert "must return rows, but is not a select statement" in refused(lite, query="pragma foreign_keys = on")
    assert before == lite.read_bytes()
    missing = tmp_path / "missing.db"
    assert "does not exist" in refused(tmp_path / "t", database=f"sqlite:///{missing}", query="select 1")
    assert not missing.exists()


def test_a_database_that_goes_away(lite: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the rest of a database is lost while it is read, the error of the database is said."""
    monkeypatch.setattr(database, "_BATCH_CELLS", 256)
    base = sqlite3.connect(lite)
    base.execute(
        "create table big as with recursive n(i) as (select 1 union all select i + 1 from n where i < 9000) "
        "select i, hex(randomblob(100)) as name from n"
    )
    base.commit()
    base.close()
    batches = database.open_database(lite, Reading(query="select * from big")).batches()
    next(batches)
    os.truncate(lite, lite.stat().st_size // 2)
    assert_said("the database goes away while it is read", refusal(lambda: list(batches)))


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({}, "data.query must be SQL if the table is in a database, but is null."),
        ({"query": " ;"}, "the query must be SQL, but is empty."),
        ({"query": "select"}, "the database cannot answer the query: incomplete input."),
        ({"query": "select * from nowhere"}, "no such table: nowhere."),
        ({"query": "select x from t where x > 10"}, "must have rows, but has none."),
        ({"query": "select x, x from t"}, "two are named 'x'"),
        ({"query": "select * from t"}, "column 'blob' of the query must hold single values, but holds values of type bytes"),
        ({"query": "select x from t", "max_rows": 2}, "at most 2 rows"),
        ({"query": "select 1", "database": "nonsense"}, "data.database must be an SQLAlchemy URL"),
        ({"query": "select 1", "database": "postgresql://h:port/x"}, "data.database must be an SQLAlchemy URL"),
        ({"query": "select 1", "database": "oracle://h/x"}, "must name a database with an installed driver, but:"),
        ({"query": "select 1", "database": "klingon://h/x"}, "must name a database with an installed driver, but:"),
        ({"query": "select 1", "database": "sqlite://"}, "the SQLite file '.' of data.database does not exist"),
        (
            {"query": "select 1", "database": "postgresql+psycopg://u@127.0.0.1:1/x"},
            "the database cannot answer the query: ",
        ),
    ],
    ids=lambda value: str(value)[:50],
)
def test_refused(lite: Path, how: dict[str, str], words: str) -> None:
    """An invalid query or database raises an error in one sentence."""
    assert words in refused(lite, **how)


@pytest.mark.parametrize(
    "url", ["postgresql+psycopg://u:{}@h/x", "postgresql+psycopg://u@h/x?password={}", "sqlite:///{}?passwd=1&PassWord={}"]
)
def test_password_in_the_url(tmp_path: Path, url: str) -> None:
    """A password in the URL raises an error that does not repeat it."""
    said = refused(tmp_path, database=url.format("geheim", "geheim"), query="select 1")
    assert "data.database must not contain a password, but does." in said
    assert "geheim" not in said
    assert "VERITABLE_DATABASE_PASSWORD" in said


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    """Return the URL of a PostgreSQL server that requires a password."""
    if not BINARIES:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    # Not in pytest's folder, which every run of pytest closes to other users: as root the server must run as another one.
    with tempfile.TemporaryDirectory(prefix="postgres-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        secret = write(folder, SECRET + "\n", "secret")
        user: dict[str, str] = {}
        if os.geteuid() == 0:
            user = {"user": "postgres", "group": "postgres"}
            for each in (folder, secret):
                shutil.chown(each, "postgres", "postgres")

        def run(*command: str) -> None:
            subprocess.run(command, check=True, capture_output=True, timeout=HANGS, cwd=folder, **user)

        tool, data = BINARIES[-1].parent, folder / "data"
        run(str(tool / "initdb"), "-D", str(data), "-U", "reader", "-A", "scram-sha-256", "--pwfile", str(secret), "-E", "UTF8")
        options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off"
        run(str(tool / "pg_ctl"), "-D", str(data), "-w", "-l", str(folder / "log"), "-o", options, "start")
        yield f"postgresql+psycopg://reader@/postgres?host={folder}"
        run(str(tool / "pg_ctl"), "-D", str(data), "-w", "-m", "immediate", "stop")


def test_postgresql(postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers, decimals, dates, times, booleans and texts are read from a real server, in several batches."""
    monkeypatch.setenv(database.PASSWORD, SECRET)
    query = """
        select i, i / 4.0 as price, i::float8 as x, i % 2 = 0 as even, 'ä%:b' as name, null as nothing,
               timestamp '2020-01-01' + i * interval '1 hour' as local, timestamptz '2020-01-01 01:00+01' as exact,
               date '2020-02-03' as day, time '12:30' as noon, '5b0a1a3e-0000-0000-0000-000000000000'::uuid as id
        from generate_series(1, 200000) as i order by i;"""
    found = rows(tmp_path / "any", database=postgres, query=query)
    numbers = list(range(1, 200_001))
    assert numbers == found["i"]
    assert [float(Decimal(i) / 4) for i in numbers] == found["price"]
    assert [float(i) for i in numbers] == found["x"]
    assert [False, True] == found["even"][:2]
    utc = datetime.UTC
    expected = {
        "name": "ä%:b", "nothing": None, "local": datetime.datetime(2020, 1, 1, 1),
        "exact": datetime.datetime(2020, 1, 1, tzinfo=utc),
        "day": datetime.date(2020, 2, 3), "noon": "12:30:00", "id": "5b0a1a3e-0000-0000-0000-000000000000",
    }  # fmt: skip
    assert expected == {name: found[name][0] for name in expected}


def test_postgresql_refused(postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong password, wrong SQL, bytes and arrays raise an error in one sentence without the password."""

    def said(query: str, password: str) -> str:
        monkeypatch.setenv(database.PASSWORD, password)
        words = refused(tmp_path, database=postgres, query=query)
        assert password not in words
        return words

    assert "password authentication failed" in said("select 1", "wrong-one")
    assert 'relation "nothing" does not exist' in said("select * from nothing", SECRET)
    assert "must hold single values, but holds values of type bytes" in said("select 'a'::bytea as b", SECRET)
    assert "must hold single values, but holds values of type list" in said("select array[1, 2] as b", SECRET)
    assert "syntax error" in said("create table made (x int)", SECRET)
    assert "***" in said(f"select '{SECRET}'::int", SECRET)


def test_no_password_from_elsewhere(postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The password is read from one variable only, not from the other places in which PostgreSQL's library looks."""
    passwords = write(tmp_path, f"*:*:*:*:{SECRET.replace(':', chr(92) + ':')}\n", "passwords")
    passwords.chmod(0o600)
    monkeypatch.delenv(database.PASSWORD, raising=False)
    monkeypatch.setenv("PGPASSWORD", SECRET)
    monkeypatch.setenv("PGPASSFILE", str(passwords))
    assert "no password supplied" in refused(tmp_path, database=postgres, query="select 1 as x")
    monkeypatch.setenv(database.PASSWORD, SECRET)
    assert {"x": [1]} == rows(tmp_path, database=postgres, query="select 1 as x")


def test_query_is_no_pipe(tmp_path: Path, lite: Path) -> None:
    """A query file that is a pipe raises an error, and nothing waits for it."""
    os.mkfifo(tmp_path / "ask.sql")
    assert "must be a text file, but is not: it is not a regular file" in refused(
        tmp_path / "ask.sql", database=f"sqlite:///{lite}"
    )


def test_sqlite_file_of_a_url() -> None:
    """The file of an SQLite URL is found without opening it."""
    assert Path("../shop.db") == database.sqlite_file("sqlite:///../shop.db")
    assert Path("/srv/shop.db") == database.sqlite_file("sqlite+pysqlite:////srv/shop.db")
    assert (
        None is database.sqlite_file("postgresql://host/shop") is database.sqlite_file("sqlite://") is database.sqlite_file("x")
    )
