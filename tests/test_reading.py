"""Opening a table of any format, its place, and folders whose files are one table."""

import json
import os
import socket
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.rooms import params
from tests.sources import refusal, refused, rows, write
from veritable.errors import TableError
from veritable.stored import parse_json
from veritable.tables.params import DataParams
from veritable.tables.reading.open import check_inside, folder_files, open_table
from veritable.tables.reading.source import Reading, check_new_rows


def test_of_params() -> None:
    """Reading takes its fields from section `data`. It is stored without the place and the size of the table."""
    given = params(DataParams, "data", columns=["x", "t"], missing=["?"], database="sqlite:///x", query="select 1", target="t")
    reading = Reading.of(given)
    assert (("x", "t"), ("?",), "select 1") == (reading.columns, reading.missing, reading.query)
    stored = reading.to_json()
    assert {"columns", "header", "delimiter", "encoding", "missing"} == set(stored)
    for one, plain in ((replace(reading, database=None, query=None), stored), (Reading(), Reading().to_json())):
        again = parse_json(Reading, json.dumps(plain).encode())
        assert one == check_new_rows(again)
    with pytest.raises(ValueError, match="must hold no database, query, max_rows, max_bytes, but does"):
        check_new_rows(parse_json(Reading, json.dumps(stored | {"database": "sqlite:///x"}).encode()))


def test_no_file(tmp_path: Path) -> None:
    """A missing file, and a link to nothing or to itself, raise an error with its name."""
    assert refused(tmp_path / "none.csv").endswith("none.csv' does not exist. Check data.path.")
    (tmp_path / "link.csv").symlink_to("gone.csv")
    (tmp_path / "loop.csv").symlink_to("loop.csv")
    assert "is a link to a file that does not exist" in refused(tmp_path / "link.csv")
    assert "cannot be read: " in refused(tmp_path / "loop.csv")
    assert "cannot be read: File name too long." in refused(tmp_path / ("x" * 300))
    assert "cannot be read: embedded null byte." in refused(Path("a\0b"))
    assert "must not be empty" in refused(write(tmp_path, ""))


def test_no_regular_file(tmp_path: Path) -> None:
    """A pipe, a socket or a device raises an error at once, and nothing waits for it."""
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "to_pipe.csv").symlink_to("pipe.csv")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket.csv"))
        for path in (tmp_path / "pipe.csv", tmp_path / "to_pipe.csv", tmp_path / "socket.csv", Path("/dev/zero")):
            assert "but is a pipe, a socket or a device" in refused(path)


def test_unreadable(tmp_path: Path) -> None:
    """A file without permission to read it raises an error with its name."""
    path = write(tmp_path, "x,t\n1,a\n")
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("root may read everything")
    assert "must be readable, but is not: Permission denied." in refused(path)


def test_folder(tmp_path: Path) -> None:
    """The files of a folder are one table, in the order of their names. Hidden files and _SUCCESS are skipped."""
    write(tmp_path, "t,x\nb,2\n", "b.csv")
    write(tmp_path, "x;t\n1;a\n", "a.csv")
    for name in (".hidden", "_SUCCESS"):
        write(tmp_path, "nonsense", name)
    assert {"x": ["1", "2"], "t": ["a", "b"]} == rows(tmp_path)
    assert [tmp_path / "a.csv", tmp_path / "b.csv"] == folder_files(tmp_path)
    source = open_table(tmp_path, Reading(), files=[Path("b.csv")])
    assert (("t", "x"), 1) == (source.names, sum(batch.num_rows for batch in source.batches()))


def test_folder_of_parquet(tmp_path: Path) -> None:
    """Types that differ between files are converted to a common type."""
    pq.write_table(pa.table({"x": pa.array([1, 2]), "k": pa.nulls(2)}), tmp_path / "0.parquet")
    pq.write_table(pa.table({"k": ["a"], "x": [0.5]}), tmp_path / "1.parquet")
    assert {"x": [1.0, 2.0, 0.5], "k": [None, None, "a"]} == rows(tmp_path)
    assert {pa.float64()} == {batch.schema.field("x").type for batch in open_table(tmp_path, Reading()).batches()}


def test_folder_refused(tmp_path: Path) -> None:
    """An empty folder, a folder in it, or files with other columns or types raise an error with the name of the file."""
    assert "must be a folder with files, but has none" in refused(tmp_path)
    write(tmp_path, "x,t\n1,a\n", "a.csv")
    write(tmp_path, "x,y\n1,a\n", "b.csv")
    assert "but compared with 'a.csv', 'b.csv' adds 'y' and lacks 't'." in refused(tmp_path)
    (tmp_path / "b.csv").unlink()
    pq.write_table(pa.table({"x": np.arange(3), "t": [1, 2, 3]}), tmp_path / "c.parquet")
    assert "must have the same types" in refused(tmp_path)
    (tmp_path / "c.parquet").unlink()
    assert "at most 1 rows" in [write(tmp_path, "x,t\n1,a\n", "d.csv"), refused(tmp_path, max_rows=1)][1]
    (tmp_path / "sub").mkdir()
    assert "but contains the folder 'sub'" in refused(tmp_path)


def test_file_of_folder_that_is_not_there(tmp_path: Path) -> None:
    """A named file that is not in the folder raises an error."""
    write(tmp_path, "x,t\n1,a\n")
    assert "does not exist" in refusal(lambda: open_table(tmp_path, Reading(), files=[Path("none.csv")]))


def test_inside(tmp_path: Path) -> None:
    """A table must be inside the repository. Paths with .., links, and files of a folder that lead out raise an error."""
    top = tmp_path / "top"
    (top / "data/folder").mkdir(parents=True)
    outside = write(tmp_path, "x", "outside.csv")
    inside = write(top / "data", "x", "inside.csv")
    (top / "data/link.csv").symlink_to(outside)
    (top / "data/loop.csv").symlink_to("loop.csv")
    (top / "data/folder/link.csv").symlink_to(outside)
    (top / "data/good.csv").symlink_to(inside)
    for name in ("inside.csv", "good.csv", "new.csv"):
        check_inside(top / "data" / name, top)
    for path in (outside, top / "../outside.csv", top / "data/link.csv", top / "data/folder", Path("/etc/passwd"), tmp_path):
        said = refusal(lambda path=path: check_inside(path, top))  # type: ignore[misc]
        assert said.endswith("set data.allow_outside: true.")


def test_a_query_needs_a_database(tmp_path: Path) -> None:
    """A query for a file that is not a database raises an error, because it would have no effect."""
    path = tmp_path / "t.csv"
    path.write_text("x,t\n1,a\n2,b\n")
    with pytest.raises(
        TableError, match=r"data\.query must be null unless the table is in a database, but '.*t\.csv' is another kind of file"
    ):
        open_table(path, Reading(query="SELECT 1"))
