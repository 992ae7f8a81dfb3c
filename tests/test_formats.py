"""Every documented input format, through a real `dvc repro preprocess` of a sealed copy of the repository."""

import bz2
import gzip
import json
import lzma
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.ipc
import pytest

from tests.conftest import Toy
from tests.pipeline import change, copy_of_repository
from tests.test_database import SECRET, postgres  # noqa: F401  a fixture
from veritable.tables.reading.database import PASSWORD

DEFAULTS = {"path": "data/raw/t.csv", "database": "null", "query": "null", "target": "target"}
QUERY = "select * from customers order by number"


def frame() -> pd.DataFrame:
    """Return numbers, texts and dates with gaps, and a target."""
    draw = np.random.default_rng(0)
    days = pd.to_datetime("2020-01-01") + pd.to_timedelta(draw.integers(0, 900, 90), unit="D")
    columns = {
        "number": draw.permutation(90) * 1.5 + 0.25,
        "amount": np.where(draw.random(90) < 0.1, np.nan, draw.normal(size=90)),
        "plan": draw.choice(np.array(["a", "b c", "ü", None], dtype=object), 90),
        "day": days.strftime("%Y-%m-%d"),
        "target": draw.choice(["no", "yes"], 90),
    }
    return pd.DataFrame(columns).sort_values("number", ignore_index=True)


def write_csv(path: Path, sep: str = ",") -> None:
    frame().to_csv(path, sep=sep, index=False)


def write_json_lines(path: Path) -> None:
    frame().to_json(path, orient="records", lines=True)


def write_arrow(path: Path) -> None:
    table = pa.Table.from_pandas(frame(), preserve_index=False)
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)


def write_folder(path: Path) -> None:
    path.mkdir()
    frame().head(50).to_csv(path / "1.csv", index=False)
    frame().tail(40).to_csv(path / "2.csv", index=False)


def write_sqlite(path: Path, *, wal: bool = False) -> None:
    base = sqlite3.connect(path)
    if wal:
        base.execute("pragma journal_mode = wal")
    frame().to_sql("customers", base, index=False)
    base.commit()
    base.close()


def compressed(opened: Callable[..., Any]) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with opened(path, "wb") as file:
            file.write(frame().to_csv(index=False).encode())

    return write


FORMATS: dict[str, tuple[Callable[[Path], None], str | None]] = {
    "t.csv": (write_csv, None),
    "t.tsv": (lambda path: write_csv(path, "\t"), None),
    "t.jsonl": (write_json_lines, None),
    "t.csv.gz": (compressed(gzip.open), None),
    "t.csv.bz2": (compressed(bz2.open), None),
    "t.csv.xz": (compressed(lzma.open), None),
    "t.csv.zst": (compressed(lambda path, _: pa.CompressedOutputStream(str(path), "zstd")), None),
    "t.parquet": (lambda path: frame().to_parquet(path, index=False), None),
    "t.feather": (lambda path: pa.feather.write_feather(frame(), str(path)), None),
    "t.arrow": (write_arrow, None),
    "folder": (write_folder, None),
    "t.sqlite": (write_sqlite, QUERY),
    "wal.db": (lambda path: write_sqlite(path, wal=True), QUERY),
}


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Toy:
    """Return a copy of this repository without outputs."""
    made = copy_of_repository(tmp_path_factory.mktemp("formats") / "veritable")
    (made.root / "data/raw").mkdir(parents=True, exist_ok=True)
    return made


def prepare(repository: Toy, environment: dict[str, str] | None = None, **params: str) -> dict[str, bytes]:
    """Run `dvc repro preprocess` and return the files of the parts."""
    for key, value in (DEFAULTS | params).items():
        change(repository, f"data.{key}", json.dumps(value) if value != "null" else value)
    done = repository.dvc("repro", "preprocess", **environment or {})
    assert 0 == done.status, done.text
    facts = json.loads(repository.read("data/prepared/table.json"))
    assert 90 == facts["rows"], done.text
    folder = repository.root / "data/prepared"
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*/*.parquet"))}


def test_every_file_format(repository: Toy) -> None:
    """The parts of a table are the same, byte for byte, whatever the format of its file."""
    made = {}
    for name, (write, query) in FORMATS.items():
        write(repository.root / "data/raw" / name)
        made[name] = prepare(repository, path=f"data/raw/{name}", query=query or "null")
    assert 3 == len(made["t.csv"])
    assert [] == [name for name, parts in made.items() if parts != made["t.csv"]]


def test_rows_in_a_write_ahead_log_are_refused(repository: Toy) -> None:
    """An SQLite file whose log still holds rows is refused with the way out."""
    path = repository.root / "data/raw/open.db"
    base = sqlite3.connect(path)
    base.execute("pragma journal_mode = wal")
    frame().to_sql("customers", base, index=False)
    base.commit()
    assert path.with_name("open.db-wal").stat().st_size
    for key, value in (DEFAULTS | {"path": "data/raw/open.db", "query": QUERY}).items():
        change(repository, f"data.{key}", json.dumps(value) if value != "null" else value)
    done = repository.dvc("repro", "preprocess")
    base.close()
    assert 0 != done.status
    assert "'PRAGMA wal_checkpoint(TRUNCATE)'" in done.text


def test_postgresql(repository: Toy, postgres: str) -> None:  # noqa: F811
    """The rows of a query in a .sql file come from a PostgreSQL server."""
    query = "select i * 1.5 as number, 'ü' || i % 7 as plan, case when i % 3 = 0 then 'yes' else 'no' end as target\n"
    repository.write("data/raw/ask.sql", query + "from generate_series(1, 90) as i order by i;\n")
    assert 3 == len(prepare(repository, {PASSWORD: SECRET}, path="data/raw/ask.sql", database=postgres))
