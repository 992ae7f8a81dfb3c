"""`python -m veritable check` says whether new rows are like those of training, and whether to retrain."""

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
import pandas as pd
import pytest

import veritable
from tests.checking import demo_like, save_checkable
from tests.rooms import prepare_frame
from tests.test_predict import new_rows
from veritable.cli.main import main
from veritable.errors import UserError
from veritable.serving.checking.verdict import Check


@cache
def folder() -> Path:
    """Save a classifier of 1,500 rows."""
    return save_checkable(prepare_frame(demo_like(1500, 0)), Path(mkdtemp()) / "classifier")


@cache
def model() -> Any:
    return veritable.load(folder())


def fresh(rows: int = 400, seed: int = 1, **changes: Any) -> pd.DataFrame:
    """Return rows that the classifier was not trained on, with changed columns."""
    frame = demo_like(rows, seed)
    return frame.assign(**{name: change(frame) if callable(change) else change for name, change in changes.items()})


def names(check: Check) -> list[str]:
    return [each.name for each in check.drifted]


@pytest.mark.slow
def test_same_distribution() -> None:
    """Fresh rows of the same distribution are no reason to retrain: one alarm in 40 checks at most."""
    alarms = [model().check(fresh(200, seed), truth="target").retrain for seed in range(1, 41)]
    assert sum(alarms) <= 1


@pytest.mark.parametrize(
    ("column", "change"),
    [
        ("age", lambda frame: frame["age"] + 10),
        ("noise", lambda frame: frame["noise"].where(np.arange(len(frame)) % 3 > 0)),
        ("colour", lambda frame: frame["colour"].replace("red", "violet")),
        ("colour", None),
        ("member", "yes"),
        ("score", 0.0),
        ("score", lambda frame: frame["score"] * 1e9),
    ],
    ids=["shifted", "missing", "unseen level", "all missing", "constant", "constant number", "other unit"],
)
def test_shifted_columns(column: str, change: object) -> None:
    """A column that is shifted, missing, of other levels, constant or in another unit is found, and no other column is."""
    found = model().check(fresh(**{column: change}))
    assert [column] == names(found)
    assert found.retrain
    assert column in str(found)


def test_numbers_by_column() -> None:
    """Missing, unreadable, unseen and outside values are counted by column."""
    odd = fresh(300, age=40.0, colour="violet").astype({"age": object})
    odd.loc[0:2, "age"], odd.loc[3:4, "age"], odd.loc[5:10, "age"] = "forty", 1e6, None
    by_name = {each.name: each for each in model().check(odd).columns}
    age = by_name["age"]
    assert (3, 2) == (age.unreadable, age.outside)
    assert 9 / 300 == pytest.approx(age.missing[1])  # three of them are unreadable
    assert [("violet", 300)] == list(by_name["colour"].unseen)


def test_dates_move_on() -> None:
    """Later dates alone are no reason to retrain, but a note says that they have changed."""
    found = model().check(fresh(opened=lambda frame: frame["opened"] + pd.Timedelta(days=900)))
    assert [] == names(found)
    assert found.told_apart is not None
    assert not found.told_apart.differ
    assert any("time moves on" in note and "'opened'" in note for note in found.notes)


def test_few_rows() -> None:
    """Of five rows nothing can be said, whatever they hold; the answer is not to retrain."""
    found = model().check(fresh(5, age=1e9))
    assert not found.retrain
    assert found.sentence.startswith("Nothing can be said: 30 independent rows or more")


def test_no_rows() -> None:
    """A table without rows is an error."""
    with pytest.raises(UserError, match="must have rows, but has none"):
        model().check(fresh(5).head(0))


def test_train_rows() -> None:
    """Predictions for the rows of training are too good to be compared, and the check says so."""
    found = model().check(demo_like(1500, 0), truth="target")
    assert found.seen
    assert not found.retrain
    assert "as well as" not in found.sentence
    assert any("check rows that are newer" in note for note in found.notes)
    assert not model().check(fresh(1500)).seen
    assert not model().check(pd.concat([demo_like(1500, 0), fresh(9000)])).seen  # a small part of the rows


def test_swapped_classes() -> None:
    """With swapped classes, --truth finds that the predictions are worse, although the rows are as before."""
    swapped = fresh(300, target=lambda frame: frame["target"].map({"good": "bad", "bad": "good"}))
    assert not model().check(swapped).retrain
    found = model().check(swapped, truth="target")
    assert found.retrain
    assert found.sentence.startswith("Retrain: the classifier predicts these rows worse")


def test_known_classes_count_for_more(tmp_path: Path) -> None:
    """If enough rows with their classes show that the predictions hold, a shifted column is no reason to retrain."""
    one = veritable.load(save_checkable(prepare_frame(demo_like(12_000, 0), valid=0.4), tmp_path / "classifier"))
    shifted = fresh(9000, noise=lambda frame: frame["noise"] + 1)
    assert one.check(shifted).retrain
    found = one.check(shifted, truth="target")
    assert ["noise"] == names(found)
    assert not found.retrain
    assert found.sentence == (
        "No reason to retrain: the classifier predicts these rows as well as the rows held out, although they differ from "
        "those that it was trained on."
    )


def test_rows_of_one_group_are_not_independent(tmp_path: Path) -> None:
    """Rows that are alike because they are of few groups are not judged as if they were independent."""
    people = demo_like(700, 0)
    frame = people.loc[people.index.repeat(3)].reset_index(drop=True).assign(patient=np.repeat(np.arange(700), 3).astype(str))
    one = veritable.load(save_checkable(prepare_frame(frame, group="patient"), tmp_path / "classifier"))
    few = fresh(8, 5)
    rows = few.loc[few.index.repeat(60)].reset_index(drop=True)
    found = one.check(rows.assign(patient=np.repeat(np.arange(8), 60).astype(str)))
    assert (8, 480) == (found.n_units, found.n_rows)
    assert not found.retrain
    assert "480 rows of 8 groups" in found.sentence


def test_drift_from_train_to_valid_is_usual(tmp_path: Path) -> None:
    """A column that shifts as much from train to valid as to the new rows is no reason to retrain every time."""
    rows = 3000
    frame = demo_like(rows, 0).assign(t=np.arange(rows), noise=lambda frame: frame["noise"] + np.repeat([0, 2, 2], 1000))
    one = veritable.load(save_checkable(prepare_frame(frame, time="t", valid=0.33, test=0.33), tmp_path / "classifier"))
    new = fresh(500, noise=lambda frame: frame["noise"] + 2)
    shift = next(each for each in one.check(new).columns if each.name == "noise")
    assert shift.index > 0.2
    assert shift.usual == pytest.approx(shift.index - shift.chance, rel=0.35)
    assert shift.limit == shift.usual


def test_without_train_rows(tmp_path: Path) -> None:
    """A classifier without train rows checks each column, and says that the rows as a whole were not compared."""
    one = veritable.load(save_checkable(prepare_frame(demo_like(1500, 0)), tmp_path / "classifier", background=False))
    found = one.check(fresh(age=lambda frame: frame["age"] + 10))
    assert ["age"] == names(found)
    assert found.told_apart is None
    assert any("saved without any" in note for note in found.notes)


def command(table: Path, *more: object) -> int:
    return main(["check", str(folder()), str(table), *map(str, more)])


def test_exit_codes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The exit code is 0 without a reason to retrain, 2 with one, and 1 after an error, also in the arguments."""
    same, shifted = new_rows(tmp_path / "same.csv", fresh()), new_rows(tmp_path / "other.csv", fresh(score=1.0))
    assert 0 == command(same)
    assert "No reason to retrain" in capsys.readouterr().out
    assert 2 == command(shifted)
    assert "Retrain: these rows differ" in capsys.readouterr().out
    assert 1 == command(tmp_path / "none.csv")
    with pytest.raises(SystemExit) as stopped:
        command(same, "--truht", "target")
    assert 1 == stopped.value.code


def test_command_and_frame_agree(tmp_path: Path) -> None:
    """A file, read batch by batch, gives what the same frame gives, and the same bytes twice."""
    rows = fresh(700, age=lambda frame: frame["age"] + 10)
    table = new_rows(tmp_path / "new.parquet", rows)
    for name in ("a", "b"):
        assert 2 == command(table, "--truth", "target", "-o", tmp_path / f"{name}.json", "--html", tmp_path / f"{name}.html")
    for suffix in (".json", ".html"):
        assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()
    expected = model().check(rows, truth="target").to_json()
    found = json.loads((tmp_path / "a.json").read_text())
    assert json.loads(json.dumps(expected)) == found
    assert str(tmp_path) not in (tmp_path / "a.json").read_text() + (tmp_path / "a.html").read_text()


def test_classes_as_the_table_writes_them(tmp_path: Path) -> None:
    """Renamed classes, numbers with decimals and rows without a class are read as in training."""
    frame = demo_like(900, 0)
    frame["target"] = (frame["target"] == "bad").astype(int)
    one = veritable.load(save_checkable(prepare_frame(frame, labels={"1": "yes"}), tmp_path / "classifier"))
    new = fresh(300, target=lambda frame: (frame["target"] == "bad").astype(float))
    new.loc[:9, "target"] = np.nan
    truth = one.check(new, truth="target").truth
    assert truth is not None
    assert 10 == truth.unlabeled
    assert [] == truth.faults


@pytest.mark.parametrize(
    ("truth", "changes", "words"),
    [
        ("churn", {}, "--truth must name the column with the classes, but 'churn' does not exist"),
        ("age", {}, "'age' is a feature of the classifier"),
        ("target", {"target": "maybe"}, "must hold the classes 'bad', 'good', but row 1 has 'maybe'"),
        ("target", {"target": None}, "must hold classes, but holds none"),
    ],
)
def test_mistakes(truth: str, changes: Mapping[str, Any], words: str) -> None:
    """A column of classes that is absent, a feature, or holds something else gives one sentence."""
    with pytest.raises(UserError, match=words):
        model().check(fresh(50, **changes), truth=truth)


def test_weights_are_needed(tmp_path: Path) -> None:
    """Where the classifier was judged with weights, new rows need them for their metrics, and only for these."""
    frame = demo_like(900, 0).assign(w=np.random.default_rng(0).exponential(size=900))
    one = veritable.load(save_checkable(prepare_frame(frame, weight="w"), tmp_path / "classifier"))
    assert not one.check(fresh()).retrain
    with pytest.raises(UserError, match="must have the column of weights 'w'"):
        one.check(fresh(), truth="target")
    assert not one.check(fresh(w=1.0), truth="target").retrain


def test_an_older_classifier(tmp_path: Path) -> None:
    """A classifier without a profile says what to do."""
    save_checkable(prepare_frame(demo_like(600, 0)), tmp_path / "classifier")
    (tmp_path / "classifier/profile.json").unlink()
    with pytest.raises(UserError, match=r"profile\.json' does not exist\. Train it again"):
        veritable.load(tmp_path / "classifier").check(fresh())


def test_without_predictions(tmp_path: Path) -> None:
    """A classifier without the predictions for the rows held out says what to do."""
    save_checkable(prepare_frame(demo_like(600, 0)), tmp_path / "classifier")
    (tmp_path / "classifier/valid.parquet").unlink()
    with pytest.raises(UserError, match=r"valid\.parquet' does not exist\. Train it again"):
        veritable.load(tmp_path / "classifier").check(fresh())


def test_text_of_the_table_stays_on_one_line() -> None:
    """Names and levels with line ends and control codes cannot forge lines of the output."""
    check = model().check(fresh(colour="a\nRetrain: no\x1b[31m"))
    forged = replace(check.columns[0], name="x\n\x1b[0mfake", index=9.0, adjusted_p=0.0)
    text = str(replace(check, columns=[forged]))
    assert "\x1b" not in text
    assert not any(line.startswith(("Retrain: no", "fake")) for line in text.splitlines())
