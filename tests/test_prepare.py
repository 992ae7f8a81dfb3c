"""Preparing a table: the encoder is learned from the train part alone."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.rooms import HOSTILE, encoded, mixed_table, prepare_file, prepare_frame
from tests.sources import refusal, write
from veritable.stored import parse_json
from veritable.tables.typing.contract import Contract


@pytest.mark.parametrize("as_csv", [False, True])
def test_parts(as_csv: bool) -> None:
    """Each part has encoded rows of the table, with the codes of their classes."""
    frame = mixed_table(300, classes=3)
    done = prepare_frame(frame, as_csv=as_csv)
    assert ["class 0", "class 1", "class 2"] == done.classes
    assert {"train": 180, "valid": 60, "test": 60} == {name: len(part) for name, part in done.parts.items()}
    for part in done.parts.values():
        rows = frame.iloc[part.row]
        assert rows["target"].tolist() == [done.classes[code] for code in part.y]
        np.testing.assert_array_equal(encoded(rows, done.encoder, done.contract), part.X)


def test_target_is_no_feature() -> None:
    """The target is not among the encoded columns."""
    done = prepare_frame(mixed_table())
    assert ("age", "age (missing)", "colour", "member", "score") == done.encoder.names
    assert ["age", "colour", "member", "score", "target"] == [column.name for column in done.contract.columns]


def test_learned_from_train_alone() -> None:
    """The encoder, the split and the train part do not depend on the features of valid and test."""
    frame = mixed_table(300)
    done = prepare_frame(frame)
    outside = np.concatenate([done.parts["valid"].row, done.parts["test"].row])
    changed = frame.copy()
    changed.loc[outside, "age"] = 1e6 + outside  # all different, or the rows would belong together
    changed.loc[outside, "score"] = np.nan
    changed.loc[outside, "colour"] = "purple"
    changed.loc[outside, "member"] = "yes"
    again = prepare_frame(changed)
    assert done.encoder == again.encoder
    np.testing.assert_array_equal(done.parts["train"].X, again.parts["train"].X)
    for name, part in done.parts.items():
        np.testing.assert_array_equal(part.row, again.parts[name].row)


def test_facts() -> None:
    """The facts count rows, classes, parts, excluded rows, and the missing and distinct values of each column."""
    frame = mixed_table(300)
    kinds = {"age": "number", "colour": "category", "member": "boolean", "score": "number"}
    missing, distinct = frame.isna().sum(), frame.nunique()
    assert {
        "rows": 300,
        "target": "target",
        "classes": [{"name": "class 0", "rows": 150}, {"name": "class 1", "rows": 150}],
        "parts": {"train": 180, "valid": 60, "test": 60},
        "left_out": {"without_target": 0, "unplaced": 0, "duplicates": 0},
        "columns": [
            {"name": name, "kind": kind, "role": "feature", "used": True, "missing": missing[name], "distinct": distinct[name]}
            for name, kind in kinds.items()
        ],
    } == prepare_frame(frame).facts


@pytest.mark.parametrize(
    "change", [{"valid": 0.3}, {"test": 0.3}, {"seed": 1}, {"positive": "class 0"}, {"max_categories": 2}], ids=str
)
def test_every_knob_matters(change: dict[str, object]) -> None:
    """Each knob of the split and the encoding changes the result."""
    one, two = prepare_frame(mixed_table()), prepare_frame(mixed_table(), **change)
    assert any(
        getattr(part, key).tobytes() != getattr(two.parts[name], key).tobytes()
        for name, part in one.parts.items()
        for key in ("row", "y", "X")
    )


def test_positive_class_is_code_1() -> None:
    """The positive class of two has code 1."""
    done = prepare_frame(mixed_table(), positive="class 0")
    assert ["class 1", "class 0"] == done.classes
    assert {"class 0"} == set(mixed_table().iloc[done.parts["test"].row[done.parts["test"].y == 1]]["target"])


def test_number_target() -> None:
    """Targets of numbers and booleans have the same codes as their texts."""
    frame = mixed_table()
    texts = frame["target"].eq("class 1")
    for target in (texts, texts.astype(int), texts.astype(float), texts.map({True: "1", False: "0"})):
        for part in prepare_frame(frame.assign(target=target)).parts.values():
            np.testing.assert_array_equal(texts.to_numpy()[part.row], part.y)


@pytest.mark.parametrize("as_csv", [False, True])
def test_hostile_names(as_csv: bool) -> None:
    """Features may have any name, also one that a part uses, and categories may hold any text."""
    frame = mixed_table().rename(columns={"age": "row", "score": "y", "member": "(sensitive) x"})
    for i, name in enumerate(HOSTILE):
        frame[name] = np.roll(np.resize(np.array(HOSTILE, dtype=object), len(frame)), i)
    done = prepare_frame(frame, as_csv=as_csv)
    assert ("row", "row (missing)", "colour", "(sensitive) x", "y", *HOSTILE) == done.encoder.names
    test = done.parts["test"]
    decoded = done.encoder.decode(test.X)
    for name in HOSTILE:
        assert frame.iloc[test.row][name].tolist() == decoded[name].tolist()


def test_sensitive_columns_are_kept_as_text() -> None:
    """The values of sensitive columns are kept as a person would write them, whether they are features or withheld."""
    frame = mixed_table(200).assign(age=lambda own: own["age"].round())
    for withhold in (False, True):
        done = prepare_frame(frame, sensitive=["colour", "age"], withhold=["colour", "age"] if withhold else [])
        assert withhold == ("colour" not in done.encoder.names)
        for name, part in done.parts.items():
            rows, sensitive = frame.iloc[part.row], done.sensitive[name]
            assert rows["colour"].astype(object).where(rows["colour"].notna(), None).tolist() == sensitive["colour"].tolist()
            assert [None if age != age else f"{age:g}" for age in rows["age"]] == sensitive["age"].tolist()


def test_shards(tmp_path: Path) -> None:
    """A part has as many files as its rows need, each with about the same share of every class."""
    mixed_table(3000).to_parquet(tmp_path / "table.parquet")
    prepare_file(tmp_path / "table.parquet", tmp_path / "prepared", shard_rows=300)
    files = sorted((tmp_path / "prepared/train").iterdir())
    assert 6 == len(files)
    for file in files:
        part = pd.read_parquet(file)
        assert 300 == pytest.approx(len(part), abs=60)
        assert 0.5 == pytest.approx(part["(class)"].mean(), abs=0.12)


@pytest.mark.parametrize(
    ("frame", "changes", "words"),
    [
        (
            mixed_table().rename(columns={"score": "age (missing)"}), {},
            "encoded columns must have different names, but two are named 'age (missing)'. Rename the column in the table.",
        ),
        (mixed_table().rename(columns={"score": "(weight)"}), {}, "but two are named '(weight)'"),
        (mixed_table()[["target"]], {}, "must have a feature column beside its target, but none is left"),
        (mixed_table()[["age", "target"]], {"id": "age"}, "must have a feature column beside its target"),
        (mixed_table().assign(score=[1.5] * 299 + [np.inf]), {}, "must hold numbers of an absolute value of at most 1e+150"),
        (mixed_table().assign(score=[1.5] * 299 + [-1e200]), {}, "but has -1e+200. Correct the table, name the value"),
        (mixed_table().assign(score=["1"] * 299 + ["1e999"]), {}, "but has an infinite value."),
        (mixed_table(), {"types": {"colour": "boolean"}}, "must have two values to be a boolean, but has 3."),
        (mixed_table(1, 1), {}, "must have at least two classes, but has one: 'class 0' (1 rows)."),
        (mixed_table().head(2).assign(target=["a", "b"]), {}, "must leave rows for every part"),
        (mixed_table(), {"target": "goal"}, "must name a column of the table, but names 'goal'. The columns are: 'age'"),
    ],
)  # fmt: skip
def test_refused(frame: pd.DataFrame, changes: dict[str, object], words: str) -> None:
    """A table that nothing can be learned from raises an error with the column, the rule, the value and what to do."""
    assert words in refusal(lambda: prepare_frame(frame, **changes))


def test_infinite_where_nobody_looks() -> None:
    """An infinite number is allowed in a dropped column and in an identifier, but not in the time."""
    frame = mixed_table().assign(score=[*np.arange(299.0), np.inf])
    assert "score" not in prepare_frame(frame, drop=["score"]).encoder.names
    assert 300 == prepare_frame(frame, id="score").facts["rows"]
    assert "column 'score' must hold numbers" in refusal(lambda: prepare_frame(frame, time="score"))


def test_column_that_is_missing_in_train() -> None:
    """A column that is missing in all rows of train is encoded as constant, without NaN."""
    frame = mixed_table(200).assign(part=["train"] * 120 + ["valid"] * 40 + ["test"] * 40)
    frame["late"] = [None] * 160 + [float(i % 7) for i in range(40)]
    frame["when"] = pd.to_datetime([None] * 160 + ["2020-01-01"] * 39 + ["2021-01-01"])
    frame["kind"] = [None] * 160 + ["a", "b"] * 20
    done = prepare_frame(frame, part="part")
    for part in done.parts.values():
        assert np.isfinite(part.X).all()
    assert {0.0} == set(done.parts["test"].X[:, done.encoder.blocks["kind"]].ravel().tolist())


def test_wide(tmp_path: Path) -> None:
    """A table of two thousand columns is prepared like any other."""
    draw = np.random.default_rng(0)
    frame = pd.DataFrame(draw.normal(size=(60, 2000)), columns=[f"c{i}" for i in range(2000)]).assign(target=["a", "b"] * 30)
    done = prepare_frame(frame)
    assert (36, 2000) == done.parts["train"].X.shape
    assert done.contract == parse_json(Contract, json.dumps(done.contract.to_json()).encode())


def test_csv_as_databases_export_it(tmp_path: Path) -> None:
    """Semicolons, decimal commas, German dates, blanks for missing values and a byte order mark need no params."""
    lines = [
        f"{i % 50},{i % 10};{1 + i % 28:02}.{1 + i % 12:02}.202{i % 3};{['ja', 'nein', ' '][i % 3]};{'ab'[i % 2]}"
        for i in range(99)
    ]
    path = write(tmp_path, "\ufeffBetrag;Tag;Kunde;target\n" + "\n".join(lines))
    done = prepare_file(path, tmp_path / "prepared")
    kinds = {column.name: (column.type, column.form) for column in done.contract.columns}
    assert ("number", "decimal comma") == kinds["Betrag"]
    assert ("date", "%d.%m.%Y") == kinds["Tag"]
    assert ("category", "") == kinds["Kunde"]
    assert 0.333333 == next(column.missing for column in done.contract.columns if column.name == "Kunde")


def test_a_test_file_of_a_folder_by_a_relative_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test file of a folder is the test part; the other files are train and valid."""
    frame = mixed_table(200)
    (tmp_path / "data/both").mkdir(parents=True)
    frame.head(150).to_csv(tmp_path / "data/both/a.csv", index=False)
    frame.tail(50).to_csv(tmp_path / "data/both/b.csv", index=False)
    monkeypatch.chdir(tmp_path)
    done = prepare_file(Path("data/both"), tmp_path / "prepared", test_file="b.csv")
    assert list(range(150, 200)) == sorted(done.parts["test"].row.tolist())
