"""Invalid and unusual tables, each with the expected message or result (tests/test_bad_input.py)."""

import datetime
import gzip
import os
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

Content = str | bytes | Callable[[Path], Path]


def lines(count: int, line: Callable[[int], str]) -> str:
    return "".join(f"{line(i)}\n" for i in range(count))


def label(i: int) -> str:
    return "ab"[i % 3 == 0]


def column(value: Callable[[int], str], header: str = "x", rows: int = 60) -> str:
    """Return a CSV file with the column, a number y and the target t."""
    return f"{header},y,t\n" + lines(rows, lambda i: f"{value(i)},{i * 5 % 7},{label(i)}")


def parquet(values: Any, name: str = "t.parquet", keep: float = 1.0) -> Callable[[Path], Path]:
    """Return a function that writes a Parquet file with a column x, a number y and the target t.

    Parameters
    ----------
    keep
        Share of the bytes that are kept: below 1 the file is truncated.
    """

    def make(folder: Path) -> Path:
        rows = range(len(values))
        pq.write_table(pa.table({"x": values, "y": [i * 5 % 7 for i in rows], "t": [label(i) for i in rows]}), folder / name)
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: int(len(content) * keep)])
        return folder / name

    return make


def link_out(folder: Path) -> Path:
    outside = folder.parent / "outside.csv"
    outside.write_text(BASE)
    (folder / "link.csv").symlink_to(outside)
    return folder / "link.csv"


def two_files(first: str, second: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (folder / "both").mkdir()
        (folder / "both/rows.csv").write_text(first)
        (folder / "both/test.csv").write_text(second)
        return folder / "both"

    return make


def pipe(folder: Path) -> Path:
    os.mkfifo(folder / "pipe.csv")
    return folder / "pipe.csv"


def target(value: Callable[[int], str]) -> str:
    return "x,y,t\n" + lines(60, lambda i: f"{i * 7 % 13},{i * 5 % 7},{value(i)}")


def role(name: str, value: Callable[[int], str]) -> str:
    return f"x,{name},t\n" + lines(60, lambda i: f"{i * 7 % 13},{value(i)},{label(i)}")


def day(i: int, form: str) -> str:
    return (datetime.date(2020, 1, 1) + datetime.timedelta(days=i * 37 % 400)).strftime(form)


BASE = column(lambda i: str(i * 7 % 13))
REFUSED: dict[str, tuple[Content, dict[str, Any], tuple[str, ...]]] = {
    # the file
    "missing file": (lambda top: top / "none.csv", {}, ("none.csv'", "does not exist", "Check data.path")),
    "empty file": ("", {}, ("table.csv' must not be empty", "Check data.path")),
    "blank lines": ("\n\n \n", {}, ("must not be empty",)),
    "header only": ("x,t\n", {}, ("must have rows, but has none", "Check data.path")),
    "one row": ("x,t\n1,a\n", {}, ("'t' must have at least two classes, but has one: 'a'", "Check data.target")),
    "two rows": ("x,t\n1,a\n2,b\n", {}, ("must leave rows for every part", "Add rows")),
    "a pipe": (pipe, {}, ("pipe.csv' must be a file, but is a pipe",)),
    "a device": (lambda top: Path("/dev/zero"), {"allow_outside": True}, ("'/dev/zero' must be a file",)),
    "an empty folder": (
        lambda top: [top.joinpath("d").mkdir(), top / "d"][1],
        {},
        ("must be a folder with files, but has none",),
    ),
    "a link out": (link_out, {}, ("link.csv' must be inside the repository", "data.allow_outside: true")),
    "a path out": (
        lambda top: top / "../../../etc/passwd",
        {},
        ("etc/passwd' must be inside the repository", "Copy the file into data/"),
    ),
    "a path out, allowed": (
        lambda top: [(top.parent / "passwd").write_text("root:x:0\nbin:x:1\n"), top / "../passwd"][1],
        {"allow_outside": True},
        ("has one column: 'root:x:0'", "Set data.delimiter, for example to ':'"),
    ),
    "a database out": (
        BASE,
        {"database": "sqlite:///../shop.db", "query": "select 1"},
        ("shop.db' must be inside the repository",),
    ),
    "an absolute database": (
        BASE,
        {"database": "sqlite:////etc/shop.db", "query": "select 1"},
        ("'/etc/shop.db' must be inside the repository",),
    ),
    # the text
    "too short a row": (BASE + "1,a\n" + BASE[6:], {}, ("line 62 has 2 and its first line names 3", "Correct that line")),
    "too long a row": (
        BASE + "1,2,a,4\n",
        {},
        ("line 62 has 4 and its first line names 3", "a field that holds ',' needs quotes"),
    ),
    "rows longer than the header": (
        "x,t\n" + lines(60, lambda i: f"{i},{i % 7},{label(i)}"),
        {},
        ("line 2 has 3 and its first line names 2",),
    ),
    "decimal commas between commas": (
        column(lambda i: f"{i},5"),
        {},
        ("line 2 has 4 and its first line names 3", "needs quotes"),
    ),
    "a name twice": ("x,x,t\n1,2,a\n", {}, ("must have a different name for each column, but two are named 'x'", "Rename one")),
    "a blank name": ("x, ,t\n1,2,a\n", {}, ("must have a name for each column, but column 2 of 3 has none", "Name it")),
    "a blank name in Parquet": (
        lambda top: [pq.write_table(pa.table({"x": [1], " ": [1], "t": ["a"]}), top / "t.parquet"), top / "t.parquet"][1],
        {},
        ("column 2 of 3 has none",),
    ),
    "another delimiter": (
        "x#y#t\n1#2#a\n2#3#b\n",
        {},
        ("has one column: 'x#y#t'", "Set data.delimiter, for example to '#'"),
    ),
    "a wrong delimiter": (
        BASE,
        {"delimiter": ";"},
        ("data.delimiter ';'", "but its first line has ',' instead", "set it to null"),
    ),
    "one column": ("t\n" + "a\nb\n" * 9, {}, ("must have a feature column beside its target",)),
    "latin-1": (
        BASE.encode() + "ü,1,a\n".encode("latin-1"),
        {},
        ("line 62 has the bytes fc", "Set data.encoding, for example to latin-1"),
    ),
    "UTF-16": (BASE.encode("utf-16"), {}, ("is in UTF-16", "Set data.encoding: utf-16")),
    "no UTF-16": (BASE, {"encoding": "utf-16"}, ("is invalid in data.encoding 'utf-16'", "to utf-8")),
    "no such encoding": (BASE, {"encoding": "klingon"}, ("data.encoding must be an encoding", "'klingon'")),
    "an odd encoding": (BASE, {"encoding": "punycode"}, ("is invalid in data.encoding 'punycode'",)),
    "a NUL byte": (BASE + "1,\0,a\n", {}, ("line 62 has a NUL byte",)),
    "a quote that is not closed": (BASE + '1,2,"a\n', {}, ("must close each quote", "line 62", "or double it")),
    "the same as the last byte": (BASE + '1,2,"', {}, ("must close each quote", "line 62")),
    "the same without a line end": (BASE + '1,2,"b', {}, ("must close each quote", "line 62")),
    "the same with quotes": (BASE + '1,2,"b""', {}, ("must close each quote", "line 62")),
    "binary": (bytes(range(256)) * 20, {}, ("NUL byte",)),
    # packed
    "gzip, cut off": (
        lambda top: [(top / "t.csv.gz").write_bytes(gzip.compress(BASE.encode())[:-9]), top / "t.csv.gz"][1],
        {},
        ("must be an undamaged gzip file", "Copy or download it again"),
    ),
    "a gzip that is none": (
        lambda top: [(top / "t.csv.gz").write_text(BASE), top / "t.csv.gz"][1],
        {},
        ("must be a gzip file, as its name says", "Rename it"),
    ),
    # Parquet
    "CSV called Parquet": (
        lambda top: [(top / "t.parquet").write_text(BASE), top / "t.parquet"][1],
        {},
        ("must be a complete Parquet file", "check data.path"),
    ),
    "Parquet, cut off": (parquet(list(range(60)), keep=0.6), {}, ("must be a complete Parquet file", "Copy it again")),
    "Parquet, without an end": (parquet(list(range(60)), keep=0.99), {}, ("must be a complete Parquet file", "Copy it again")),
    "nested": (parquet([[1]] * 60), {}, ("column 'x'", "must hold single values, but holds values of type list", "data.drop")),
    "bytes": (
        parquet([b"1"] * 60),
        {},
        ("column 'x'", "must hold single values, but holds values of type binary", "data.drop"),
    ),
    # numbers
    "1e999": (
        column(lambda i: "1e999" if i == 7 else str(i)),
        {},
        ("column 'x' must hold numbers of an absolute value of at most 1e+150", "infinite", "data.missing_codes"),
    ),
    "-inf": (
        column(lambda i: "-inf" if i == 7 else str(i)),
        {},
        ("column 'x' must hold numbers of an absolute value of at most", "infinite"),
    ),
    "infinity in Parquet": (parquet([float("inf"), *range(59)]), {}, ("column 'x' must hold numbers", "infinite")),
    "1e200": (column(lambda i: "1e200" if i == 7 else str(i)), {}, ("column 'x'", "but has 1e+200")),
    "4,000 digits": (column(lambda i: "9" * 4000 if i == 7 else str(i)), {}, ("column 'x' must hold numbers", "infinite")),
    "no number as declared": (
        column(lambda i: "oops" if i == 50 else str(i)),
        {"types": {"x": "number"}},
        ("column 'x' must hold numbers, but row 51 has 'oops'", "data.missing", "data.types"),
    ),
    "no date as declared": (
        column(lambda i: "soon" if i == 40 else day(i, "%Y-%m-%d")),
        {"types": {"x": "date"}},
        ("column 'x' must hold dates", "row 41 has 'soon'", "data.types"),
    ),
    "no boolean as declared": (
        column(lambda i: "abc"[i % 3]),
        {"types": {"x": "boolean"}},
        ("column 'x' must have two values to be a boolean, but has 3",),
    ),
    # the target
    "no such target": (
        BASE,
        {"target": "z"},
        ("data.target must name a column of the table, but names 'z'. The columns are: 'x', 'y', 't'", "Check data.target"),
    ),
    "no target in any row": (
        target(lambda i: ""),
        {},
        ("target column 't' must hold classes", "is missing in all 60 rows", "Check data.target"),
    ),
    "one class": (
        target(lambda i: "no"),
        {},
        ("at least two classes, but has one: 'no' (60 rows)", "Check data.target"),
    ),
    "all labels differ": (target(lambda i: f"k{i}"), {}, ("60 of its 60 values occur in one row only", "Check data.target")),
    "all numbers differ": (target(str), {}, ("60 of its 60 values occur in one row only", "bin the numbers into classes")),
    "continuous": (
        target(lambda i: f"{i * 0.37 % 7:.3f}"),
        {},
        ("at most 1,000 classes, but has 60 different numbers with fractions",),
    ),
    "1 and 1.0": (
        target(lambda i: ["1", "1.0", "0"][i % 3]),
        {},
        ("must write each class in one way", "'1', '1.0'", "data.labels"),
    ),
    "1,001 classes": (
        "x,t\n" + lines(3003, lambda i: f"{i % 7},c{i % 1001}"),
        {},
        ("at most 1,000 classes, but has 1,001",),
    ),
    "no such positive class": (BASE, {"positive": "z"}, ("data.positive", "'z'", "'a', 'b'")),
    "bytes as a target": (
        lambda top: [pq.write_table(pa.table({"x": [1, 2], "t": [b"a", b"b"]}), top / "t.parquet"), top / "t.parquet"][1],
        {},
        ("column 't'", "must hold single values"),
    ),
    # roles and parts
    "all features dropped": (BASE, {"drop": ["x", "y"]}, ("must have a feature column beside its target", "Check data.drop")),
    "only constants": (role("k", lambda i: "1"), {"drop": ["x"]}, ("must have a feature column", "constant")),
    "the target dropped": (BASE, {"drop": ["t"]}, ("data.drop must not name the column of data.target", "'t'")),
    "one group": (
        role("g", lambda i: "1"),
        {"group": "g"},
        ("the split by 'g' must leave rows for every part", "valid has none"),
    ),
    "no such group": (BASE, {"group": "g"}, ("data.group must name a column of the table, but names 'g'", "Check data.group")),
    "a time that is none": (
        role("d", lambda i: "soon" if i % 2 else "2020-01-01"),
        {"time": "d"},
        ("time column 'd' must hold dates or numbers", "'soon'", "data.types: {d: '%d.%m.%Y %H:%M'}"),
    ),
    "a time that is missing": (
        role("d", lambda i: ""),
        {"time": "d"},
        ("time column 'd' must hold dates or numbers", "is missing in all rows"),
    ),
    "one time": (role("d", lambda i: "5"), {"time": "d"}, ("time column 'd' must have enough different times", "has 1.")),
    "an infinite time": (
        role("d", lambda i: "inf" if i == 9 else str(i)),
        {"time": "d"},
        ("column 'd' must hold numbers", "infinite"),
    ),
    "a negative weight": (role("w", lambda i: str(i - 1)), {"weight": "w"}, ("weight column 'w'", "0 or more", "-1")),
    "a weight that is missing": (
        role("w", lambda i: "1" if i else ""),
        {"weight": "w"},
        ("weight column 'w'", "is missing in 1 rows"),
    ),
    "no weight at all": (role("w", lambda i: "0"), {"weight": "w"}, ("weight column 'w'", "above 0 in one")),
    "a word as a weight": (
        role("w", lambda i: "many"),
        {"weight": "w"},
        ("column 'w' must hold numbers, but row 1 has 'many'",),
    ),
    "no such part": (
        role("p", lambda i: "dev" if i == 3 else "train"),
        {"part": "p"},
        ("part column 'p' must hold train, valid, test", "'dev'"),
    ),
    "a test file of other columns": (
        two_files(BASE, "x,z,t\n1,2,a\n"),
        {"test_file": "test.csv"},
        ("data.test_file 'test.csv' must have the columns", "'y', 'z'", "data.drop"),
    ),
    "a test file that is not there": (
        two_files(BASE, BASE),
        {"test_file": "no.csv"},
        ("data.test_file must be a file of", "'no.csv'", "'test.csv'"),
    ),
    "a test file elsewhere": (
        two_files(BASE, BASE),
        {"test_file": "../no.csv"},
        ("data.test_file must be a file of", "'../no.csv'"),
    ),
    "a test file without a target": (
        two_files(BASE, "x,y,t\n1,2,\n"),
        {"test_file": "test.csv"},
        ("the given test file", "test has none"),
    ),
    "a test file without a folder": (
        BASE,
        {"test_file": "test.csv"},
        ("data.path must be a folder", "Put both files into one folder"),
    ),
    "two columns that are encoded alike": (
        "x,x (missing),t\n" + lines(60, lambda i: f"{i * 7 % 13 if i % 5 else ''},{i % 7},{label(i)}"),
        {},
        ("must have different names, but two are named 'x (missing)'",),
    ),
    "a column that gives the target away": (
        column(label),
        {"strict": True},
        ("with data.strict", "'x' alone predicts the target"),
    ),
}


@dataclass(frozen=True)
class Handled:
    """Expected result for an unusual table that is accepted."""

    content: Content
    type: str = "number"
    span: tuple[float | None, float | None] | None = None
    finding: str | None = None
    knobs: dict[str, Any] | None = None
    name: str = "table.csv"


HANDLED: dict[str, Handled] = {
    "decimal commas": Handled(
        "x;y;t\n" + lines(60, lambda i: f"{i % 13},5;{i % 7};{label(i)}"), span=(0.5, 12.5), finding="number_format"
    ),
    "decimal commas in quotes": Handled(column(lambda i: f'"{i % 13},5"'), span=(0.5, 12.5), finding="number_format"),
    "1,234.5": Handled(column(lambda i: f'"{1 + i % 13},234.5"'), span=(1234.5, 13234.5), finding="number_format"),
    "$1,234.50": Handled(column(lambda i: f'"${1 + i % 13},234.50"'), span=(1234.5, 13234.5), finding="number_format"),
    "1 234,50 €": Handled(column(lambda i: f'"{1 + i % 13} 234,50 €"'), span=(1234.5, 13234.5), finding="number_format"),
    "12 %": Handled(column(lambda i: f"{i % 13} %"), span=(0, 12), finding="number_format"),
    "? and blanks": Handled(
        column(lambda i: ["?", " ", ""][i % 3] if i % 4 == 0 else str(i % 13)), span=(0, 12), finding="hidden_missing"
    ),
    "a code for missing": Handled(
        column(lambda i: "-9" if i % 5 == 0 else str(i % 13)), span=(0, 12), knobs={"missing_codes": {"x": [-9]}}
    ),
    "1e999 as a code": Handled(
        column(lambda i: "1e999" if i == 7 else str(i % 13)), span=(0, 12), knobs={"missing_codes": {"x": ["1e999"]}}
    ),
    "leading zeros": Handled(column(lambda i: f"00{i % 5}"), "category"),
    "numbers and words": Handled(column(lambda i: "oops" if i % 4 == 0 else str(i * 7 % 13)), "category"),
    "beyond 2^53": Handled(column(lambda i: str(2**53 + 2 * (i % 13))), span=(2.0**53, 2.0**53 + 24), finding="rounded"),
    "beyond int64": Handled(column(lambda i: str(10**25 * (1 + i % 13))), span=(1e25, 1.3e26), finding="rounded"),
    "unsigned 64 bits": Handled(
        parquet(pa.array([2**64 - 1 - i % 2 * 10**6 for i in range(60)], pa.uint64())), finding="rounded"
    ),
    "decimals": Handled(parquet(pa.array([Decimal(i % 13) / 4 for i in range(60)], pa.decimal128(10, 3))), span=(0, 3)),
    "nested, dropped": Handled(parquet([[1]] * 60), "absent", knobs={"drop": ["x"]}),
    "all missing": Handled(column(lambda i: ""), "constant", finding="all_missing"),
    "all missing in Parquet": Handled(parquet(pa.nulls(60)), "constant", finding="all_missing"),
    "one value": Handled(column(lambda i: "k"), "constant", finding="constant"),
    "an index": Handled(column(str), "identifier", finding="identifier"),
    "two formats of dates": Handled(column(lambda i: day(i % 9, ["%Y-%m-%d", "%d.%m.%Y"][i % 2])), "category"),
    "day or month first": Handled(column(lambda i: f"0{1 + i % 9}/0{1 + i % 8}/2020"), "date", finding="ambiguous_date"),
    "a name for the index": Handled(column(lambda i: str(i * 7 % 13), header=""), span=(0, 12)),
    "latin-1, given": Handled(column(lambda i: "äü"[i % 2]).encode("latin-1"), "category", knobs={"encoding": "latin-1"}),
    "a folder": Handled(two_files(BASE, BASE), span=(0, 12), finding="duplicates"),
    "a link out, allowed": Handled(link_out, span=(0, 12), knobs={"allow_outside": True}),
    "target partly missing": Handled(target(lambda i: "" if i % 7 == 0 else label(i)), span=(0, 12), finding="target_missing"),
    "a class of one row": Handled(target(lambda i: "rare" if i == 30 else label(i)), span=(0, 12), finding="class_rare"),
    "groups that are missing": Handled(role("g", lambda i: ""), span=(0, 12), knobs={"group": "g"}),
    "YAML's true as the positive class": Handled(
        target(lambda i: ["true", "false"][i % 3 == 0]), span=(0, 12), knobs={"positive": True}
    ),
}
