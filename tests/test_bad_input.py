"""Bad input: each is one clear sentence, or is handled as docs/tables.md says.

A table goes the way it goes in stages/preprocess.py: `open_tables`, then `prepare`.
"""

import csv
import gzip
import io
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.bad_tables import HANDLED, REFUSED, Content, Handled, column, label, lines
from tests.conftest import Toy
from tests.memory import growth_bytes
from tests.pipeline import change, veritable
from tests.rooms import HOSTILE, LIMITS, params
from veritable.errors import UserError
from veritable.params import MachineParams
from veritable.tables.checking.findings import refuse_errors
from veritable.tables.encoding.parts import read_part
from veritable.tables.params import DataParams
from veritable.tables.prepare import Prepared, prepare
from veritable.tables.reading.open import open_tables


def bring(folder: Path, content: Content, name: str = "table.csv", **knobs: Any) -> Prepared:
    """Prepare a table that lies in the repository `folder`; what is put out can be written as JSON."""
    if callable(content):
        path = content(folder)
    else:
        path = folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    machine = params(MachineParams, "machine", **{limit: knobs.pop(limit) for limit in LIMITS & knobs.keys()})
    data = params(DataParams, "data", **{"target": "t", "path": str(path)} | knobs)
    out = folder / "prepared"
    out.mkdir()
    source, test_source = open_tables(path, data, machine, top=folder)
    made = prepare(source, data, out, test_source=test_source)
    for plain in (made.contract.to_json(), made.encoder.to_json(), made.facts, [each.to_json() for each in made.findings]):
        json.dumps(plain, allow_nan=False)
    if data.strict:
        refuse_errors(made.findings)
    return made


def sentence(act: Callable[[], object]) -> str:
    """The refusal: one or two sentences on one line that nobody's traceback stands behind."""
    with pytest.raises(UserError) as caught:
        act()
    said = str(caught.value)
    assert said.isprintable()
    assert said.endswith(".")
    assert "but" in said or "however" in said or "does not exist" in said
    assert len(said) < 2100
    assert caught.value.__cause__ is None
    return said


@pytest.mark.parametrize(("content", "knobs", "words"), REFUSED.values(), ids=REFUSED)
def test_refused(tmp_path: Path, content: Content, knobs: dict[str, Any], words: tuple[str, ...]) -> None:
    """One sentence names the thing, the rule, the value and the way out, and no part was written."""
    folder = tmp_path / "repository"
    folder.mkdir()
    said = sentence(lambda: bring(folder, content, **knobs))
    assert [] == [word for word in words if word not in said], said
    if not knobs.get("strict"):
        assert not list(folder.glob("prepared/*/*.parquet"))


@pytest.mark.parametrize("name", [*HOSTILE, "a\u2028b", "\u202eevil", "tab\there", "x" * 3000])
def test_a_hostile_name_is_one_line(tmp_path: Path, name: str) -> None:
    """Whatever a column or a class is called, the sentence that names it stays one printable line."""
    rows = [{name: value, "y": i, "t": label(i)} for i, value in enumerate(["1", "line\nbreak"] * 20)]
    content = lines(40, lambda i: json.dumps(rows[i]))
    cases: list[dict[str, Any]] = [
        {"types": {name: "number"}},
        {"time": name},
        {"part": name},
        {"target": f"{name} "},
        {"positive": name},
    ]
    for i, knobs in enumerate(cases):
        folder = tmp_path / str(i)
        folder.mkdir()
        sentence(lambda folder=folder, knobs=knobs: bring(folder, content, "t.jsonl", **knobs))  # type: ignore[misc]
    (tmp_path / "one").mkdir()
    sentence(lambda: bring(tmp_path / "one", lines(9, lambda i: json.dumps({"x": i, "t": name})), "t.jsonl"))


def test_hostile_names_survive(tmp_path: Path) -> None:
    """Names with quotes, line ends, emoji, markup or a leading = stand in the contract to the letter, each with its column."""
    written = io.StringIO(newline="")
    csv.writer(written).writerows(
        [[*HOSTILE, "t"], *([*(i % (13 + j) for j in range(len(HOSTILE))), label(i)] for i in range(80))]
    )
    made = bring(tmp_path, written.getvalue())
    assert [*HOSTILE, "t"] == [each["name"] for each in made.contract.to_json()["columns"]]
    assert [12 + j for j in range(len(HOSTILE))] == [column.maximum for column in made.contract.columns[:-1]]
    assert HOSTILE == list(made.encoder.names)


@pytest.mark.parametrize("case", HANDLED.values(), ids=HANDLED)
def test_handled(tmp_path: Path, case: Handled) -> None:
    """What can be used is used: the column has the type and range that a person would give it, and what was done is found."""
    folder = tmp_path / "repository"
    folder.mkdir()
    made = bring(folder, case.content, case.name, **case.knobs or {})
    found = {each.name: each for each in made.contract.columns}
    name = next((each for each in ("x", "column_1") if each in found), None)
    assert case.type == (found[name].type if name else "absent")
    if case.span:
        assert name
        assert case.span == (found[name].minimum, found[name].maximum)
    assert case.finding is None or case.finding in {each.code for each in made.findings}
    sizes = [len(read_part(folder / "prepared" / part)) for part in ("train", "valid", "test")]
    assert sizes == list(made.facts["parts"].values())


def sqlite(values: list[Any]) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        with sqlite3.connect(folder / "t.db") as base:
            base.execute("create table t (x, t)")
            base.executemany("insert into t values (?, ?)", [(i * 7 % 13, values[i % len(values)]) for i in range(60)])
        base.close()
        return folder / "t.db"

    return make


@pytest.mark.parametrize(
    ("content", "query"),
    [
        (sqlite([1, "1", 0, "0"]), "select * from t"),
        (lines(60, lambda i: json.dumps({"x": i % 13, "t": [1, "1", 0, "0"][i % 4]})), None),
    ],
)
def test_labels_of_two_types(tmp_path: Path, content: Content, query: str | None) -> None:
    """The number 1 and the text "1" are one class, as a CSV file could not tell them apart."""
    assert ("0", "1") == bring(tmp_path, content, "t.jsonl", query=query).contract.classes


def test_thousand_classes(tmp_path: Path) -> None:
    """1,000 classes are fine, and the many findings about their few rows are summed up."""
    made = bring(tmp_path, "x,t\n" + lines(4000, lambda i: f"{i * 7 % 13},c{i % 1000}"))
    assert 1000 == len(made.contract.classes)
    assert len(made.findings) < 50


@pytest.mark.parametrize("cap", [{"max_bytes": 10**6}, {"max_rows": 1000}], ids=str)
def test_gzip_bomb(tmp_path: Path, cap: dict[str, int]) -> None:
    """A small file that unpacks to a large one is refused at machine.max_bytes or machine.max_rows, in no time."""
    bomb = gzip.compress(b"x,t\n" + b"1,a\n2,b\n" * 10_000_000)
    said = sentence(lambda: bring(tmp_path, bomb, "t.csv.gz", **cap))
    (key, most), *_ = cap.items()
    assert f"at most {most:,}" in said
    assert f"Raise machine.{key}" in said


@pytest.mark.parametrize(("head", "name"), [(b"x,t\n1,", "t.csv.gz"), (b'{"x": "', "t.jsonl.gz")])
def test_one_endless_line(tmp_path: Path, head: bytes, name: str) -> None:
    """A gigabyte without a line end is refused, and not held in memory."""
    path = tmp_path / name
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(head)
        for _ in range(1000):
            file.write(b"1" * 10**6)
    assert growth_bytes(is_refused, path) < 700e6


def is_refused(path: Path) -> None:
    sentence(lambda: bring(path.parent, lambda _: path))


@pytest.mark.parametrize("word", ["", "level "], ids=["numbers", "categories"])
def test_ten_thousand_columns(tmp_path: Path, word: str) -> None:
    """10,000 columns take seconds, not minutes: no step searches all columns once per column."""
    assert 10_000 == len(bring(tmp_path, large_table(200, 10_000, word)).encoder.columns)


def large_table(rows: int, columns: int, word: str) -> str:
    names = ",".join(f"c{i}" for i in range(columns))
    return f"{names},t\n" + lines(
        rows, lambda i: ",".join(f"{word}{(i * 31 + j * 17) % 7}" for j in range(columns)) + f",{label(i)}"
    )


@pytest.mark.parametrize(("levels", "types"), [(1_000_003, {}), (400_009, {"x": "category"})])
def test_a_million_rows_of_levels(tmp_path: Path, levels: int, types: dict[str, str]) -> None:
    """A category of a million rows takes bounded memory: levels beyond the first `data.max_categories` are not kept."""
    assert growth_bytes(bring_levels, tmp_path, levels, types) < 600e6
    made = json.loads((tmp_path / "made.json").read_text())
    if types:
        assert params(DataParams, "data").max_categories == made["levels"]
    else:
        assert made["type"] in ("identifier", "text")
        assert 0.95e6 < made["distinct"] <= 1e6


def bring_levels(folder: Path, levels: int, types: dict[str, str]) -> None:
    content = column(lambda i: f"level{i * 7919 % levels}", rows=1_000_000)
    made = bring(folder, content, types=types)
    first, encoded = made.contract.columns[0], made.encoder.columns[0]
    facts = {"type": first.type, "distinct": first.distinct, "levels": len(encoded.levels)}
    (folder / "made.json").write_text(json.dumps(facts))


BOMB = "z0: &z0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"z{i}: &z{i} [{', '.join([f'*z{i - 1}'] * 9)}]\n" for i in range(1, 12)
)


@pytest.mark.parametrize(
    ("table", "knobs", "words"),
    [
        ("x,y\n1,a\n2,b\n3,b,4\n", {}, "line 4 has 3 and its first line names 2"),
        ("x,z,y\n" + lines(90, lambda i: f"{label(i)},{i * 7 % 31},{label(i)}"), {"data.strict": "true"}, "with data.strict"),
    ],
    ids=["ragged", "strict"],
)
def test_the_stage_refuses(demo: Toy, table: str, knobs: dict[str, str], words: str) -> None:
    """The real stage prints the sentence without a traceback, with exit code 1, and the earlier outputs stay."""
    before = demo.read("data/prepared/contract.json")
    demo.write("data/bad.csv", table)
    for key, value in {"data.path": "data/bad.csv", "data.target": "y", **knobs}.items():
        change(demo, key, value)
    done = demo.run("python", "-m", "veritable", "repro")
    assert 1 == done.status
    assert words in done.text
    assert "Traceback" not in done.text
    assert before == demo.read("data/prepared/contract.json")


@pytest.mark.parametrize(
    ("tail", "words"),
    [
        (BOMB, "params.yaml has no section '"),
        ("x: !!python/object/apply:os.system ['touch hacked']\n", "could not determine a constructor for the tag"),
        ("data: {}\n", 'found duplicate key "data"'),
    ],
    ids=["alias bomb", "tag", "key twice"],
)
def test_params_are_refused_before_anything_runs(demo: Toy, tail: str, words: str) -> None:
    """Mistakes in params.yaml are reported before DVC deletes an output."""
    demo.write("params.yaml", demo.read("params.yaml") + tail)
    done = veritable(demo, "repro")
    assert 1 == done.status
    assert words in done.text
    assert "Traceback" not in done.text
    assert (demo.root / "data/prepared/contract.json").is_file()
    assert not (demo.root / "hacked").exists()
