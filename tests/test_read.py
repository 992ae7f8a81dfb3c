"""Reading a table: it is read as the person means it, or refused in one sentence that says what to do."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.rooms import params
from veritable.tables.errors import TableError
from veritable.tables.params import DataParams
from veritable.tables.read import classes_of, read_table

ROWS = "".join(f"{i},{'ab'[i % 2]}\n" for i in range(12))
Y = ["a", "b"] * 6


def data(**changes: Any) -> DataParams:
    return params(DataParams, "data", **{"target": "t"} | changes)


def refusal(act: Callable[[], object]) -> str:
    """The one sentence or two of a refused table."""
    with pytest.raises(TableError) as caught:
        act()
    said = str(caught.value)
    assert "\n" not in said
    assert said.endswith(".")
    return said


def reading(tmp_path: Path, content: str | bytes | pd.DataFrame, name: str = "table.csv", **changes: Any) -> pd.DataFrame:
    path = tmp_path / name
    if isinstance(content, pd.DataFrame):
        content.to_parquet(path)
    else:
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_table(path, data(**changes))


def test_csv(tmp_path: Path) -> None:
    """A CSV file's first line names its columns; numbers are numbers, texts are texts."""
    frame = reading(tmp_path, 'x,"name, quoted",t\n1, "a, b",yes\n2.5,c,no\n')
    expected = pd.DataFrame({"x": [1.0, 2.5], "name, quoted": ["a, b", "c"], "t": ["yes", "no"]})
    pd.testing.assert_frame_equal(expected, frame)


def test_no_header(tmp_path: Path) -> None:
    """With data.columns the file's first line is a row like any other, and spaces after commas do not count."""
    frame = reading(tmp_path, "1, a\n2, b\n", columns=["x", "t"])
    pd.testing.assert_frame_equal(pd.DataFrame({"x": [1, 2], "t": ["a", "b"]}), frame)


def test_numbered_columns(tmp_path: Path) -> None:
    """Names that look like numbers are texts, so that a target or a dropped column can be named by them."""
    assert ["0", "t"] == list(reading(tmp_path, "0,1,t\n5,6,a\n", drop=["1"]).columns)


def test_missing_tokens(tmp_path: Path) -> None:
    """Exactly the texts of data.missing stand for a missing value: "None" and "NULL" are values until they are named."""
    text = "x,t\n?,a\nNone,b\n,c\nNULL,d\n"
    assert [True, False, True, False] == reading(tmp_path, text)["x"].isna().tolist()
    assert [False, True, False, True] == reading(tmp_path, text, missing=["None", "NULL"])["x"].isna().tolist()


def test_trailing_delimiter(tmp_path: Path) -> None:
    """A comma at the end of each line adds no column and shifts none."""
    assert [1, 2] == reading(tmp_path, "x,t\n1,a,\n2,b,\n")["x"].tolist()


def test_dropped(tmp_path: Path) -> None:
    """A column of data.drop is gone."""
    assert ["t"] == list(reading(tmp_path, "x,t\n" + ROWS, drop=["x"]).columns)


def test_parquet(tmp_path: Path) -> None:
    """A Parquet file is read with its types."""
    table = pd.DataFrame({"x": [1.5, np.nan], "when": pd.to_datetime(["2020-01-01", None]), "t": ["a", "b"]})
    pd.testing.assert_frame_equal(table, reading(tmp_path, table, "table.parquet"))


def test_no_file(tmp_path: Path) -> None:
    """A file that is not there, or a folder, is named."""
    for path in (tmp_path / "none.csv", tmp_path):
        said = refusal(lambda path=path: read_table(path, data()))
        assert said == f"table '{path}' must be a file, however there is none. Check data.path in params.yaml."


@pytest.mark.parametrize(
    ("content", "name", "changes", "words"),
    [
        ("", "table.csv", {}, "must be a CSV file in UTF-8, however: No columns to parse from file."),
        ("x,t\n", "table.csv", {}, "must have rows, however it has none."),
        (b"x,t\n\xff\xfe,a\n", "table.csv", {}, "must be a CSV file in UTF-8, however: 'utf-8' codec"),
        ("x,t\n" + ROWS + "1,a,3,4\n", "table.csv", {}, "Expected 2 fields in line 14, saw 4."),
        ("x,t\n1,a,7\n2,b,8\n", "table.csv", {}, "rows have more fields than its first line has names."),
        ("1,a,7\n2,b,8\n", "table.csv", {"columns": ["x", "t"]}, "more fields than data.columns in params.yaml has names."),
        ("1,a\n", "table.csv", {"columns": ["t", "t"]}, "Duplicate names are not allowed."),
        ('x,t\n"1,a\n', "table.csv", {}, "EOF inside string"),
        ("x,y\n" + ROWS, "table.csv", {}, "data.target names the column 't', however"),
        ("x,t\n" + ROWS, "table.csv", {"drop": ["id"]}, "data.drop names the column 'id', however"),
        (b"no parquet", "table.parquet", {}, "must be a Parquet file, however:"),
        (b"", "table.parquet", {}, "must be a Parquet file, however:"),
        (pd.DataFrame({"x": [], "t": []}), "table.parquet", {}, "must have rows, however it has none."),
        (pd.DataFrame({"x": [1], "y": [2]}), "table.parquet", {}, "data.target names the column 't', however"),
        (pd.DataFrame({"x": [[1], [2]], "t": [0, 1]}), "table.parquet", {}, "column 'x' must hold single values, however"),
        (pd.DataFrame({"x": [{"a": 1}], "t": [0]}), "table.parquet", {}, "column 'x' must hold single values, however"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_refused(tmp_path: Path, content: Any, name: str, changes: dict[str, Any], words: str) -> None:
    """What is no table, or lacks a column that params name, is refused with the reason."""
    assert words in refusal(lambda: reading(tmp_path, content, name, **changes))


def test_long_list_of_columns(tmp_path: Path) -> None:
    """A table of many columns is not listed to its end."""
    names = [f"c{i}" for i in range(40)]
    said = refusal(lambda: reading(tmp_path, ",".join(names) + "\n" + ",".join("1" * 40) + "\n"))
    assert "'c11' and 28 more." in said


@pytest.mark.parametrize(
    ("target", "changes", "classes"),
    [
        (Y, {}, ["a", "b"]),
        (Y, {"positive": "a"}, ["b", "a"]),
        ([10, 9] * 6, {}, ["9", "10"]),
        ([0, 1] * 6, {"positive": 0}, ["1", "0"]),
        ([0.5, 1.5, -1.0] * 4, {}, ["-1.0", "0.5", "1.5"]),
        ([True, False] * 6, {"positive": True}, ["False", "True"]),
        (pd.Categorical(Y, categories=["b", "a", "unused"]), {}, ["a", "b"]),
        (pd.array([1, 2] * 6, dtype="Int64"), {}, ["1", "2"]),
        (["ä", "Z", "é"] * 4, {}, ["Z", "ä", "é"]),
    ],
    ids=str,
)
def test_classes(target: Any, changes: dict[str, Any], classes: list[str]) -> None:
    """Classes are texts in sorted order, numbers as numbers; the positive one of two stands last."""
    assert classes == classes_of(pd.Series(target, name="t"), data(**changes))


@pytest.mark.parametrize(
    ("target", "changes", "words"),
    [
        ([*Y, None], {}, "target column 't' must be known in every row, however 1 of 13 are missing."),
        (["a"] * 1200, {}, "must have at least two classes, however it has one: 'a' (1,200 rows)."),
        (
            [*Y, "c", "c"],
            {},
            "3 rows or more of each class, one for each part, however class 'c' has 2 (of 3 classes).",
        ),
        (np.arange(30) / 7, {}, "must have 3 rows or more of each class"),
        (Y, {"positive": "c"}, "must be null or one of two classes, however it is 'c' and the classes of 't' are: 'a', 'b'."),
        (["a", "b", "c"] * 3, {"positive": "c"}, "must be null or one of two classes, however it is 'c'"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_unusable_target(target: Any, changes: dict[str, Any], words: str) -> None:
    """A target with gaps, one class, a class of fewer than three rows or an unknown positive class is refused."""
    assert words in refusal(lambda: classes_of(pd.Series(target, name="t"), data(**changes)))


@pytest.mark.parametrize(
    ("text", "columns", "sentence"),
    [
        ("a,y,y\n1,2,3\n", None, "must name each column once, however its first line names 'y' twice"),
        ("1,2\n3,4\n", ["a", "b", "y"], "it has 3 names and"),
    ],
)
def test_names_that_do_not_fit_are_refused(tmp_path: Path, text: str, columns: list[str] | None, sentence: str) -> None:
    """A name that stands twice, or more names than columns, is one sentence; pandas goes on in silence."""
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(TableError, match=sentence):
        read_table(tmp_path / "t.csv", params(DataParams, "data", target="y", columns=columns))
