"""`python -m veritable predict` treats new rows exactly as the training table, and counts their problems."""

import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pc_csv
import pytest

from tests.faults import assert_said, small_disk
from tests.rooms import mixed_table, prepare_file, prepare_frame, prepared
from tests.test_classifier import KINDS, classifier
from tests.training import untrained
from veritable import files
from veritable.cli.main import main
from veritable.serving import predict as predict_module
from veritable.serving.writing import escape_formulas


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Save a classifier of `mixed_table`."""
    classifier().save(tmp_path / "classifier")
    return tmp_path / "classifier"


def new_rows(path: Path, frame: pd.DataFrame) -> Path:
    if path.suffix == ".parquet":
        frame.to_parquet(path, index=False)
    else:
        frame.to_csv(path, index=False)
    return path


def scored(folder: Path, table: Path, output: str = "scored.parquet", *more: str) -> pd.DataFrame:
    """Run the command and return the predictions."""
    path = table.parent / output
    assert 0 == main(["predict", str(folder), str(table), "-o", str(path), *more])
    return pd.read_parquet(path) if path.suffix == ".parquet" else pc_csv.read_csv(path).to_pandas()


def fails(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """Run the command, which must fail, and return its message."""
    capsys.readouterr()
    assert 1 == main(["predict", *map(str, arguments)])
    return capsys.readouterr().err


@pytest.mark.parametrize("format_", ["csv", "parquet"])
@pytest.mark.parametrize("output", ["scored.csv", "scored.parquet"])
def test_scores(folder: Path, tmp_path: Path, format_: str, output: str) -> None:
    """Each row has the class at the threshold and one probability per class, as the classifier predicts them."""
    rows = mixed_table(300)
    found = scored(folder, new_rows(tmp_path / f"new.{format_}", rows), output)
    expected = classifier().predict_proba(rows)
    assert ["predicted", "p class 0", "p class 1"] == list(found.columns)
    np.testing.assert_array_equal(expected, found[["p class 0", "p class 1"]].to_numpy())
    assert [f"class {int(p >= 0.4)}" for p in expected[:, 1]] == found["predicted"].tolist()


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_predicts(tmp_path: Path, kind: str) -> None:
    """Every kind of network, and a blend with other members, predicts rows from a file as it predicts a frame."""
    one, rows = classifier(5, kind=kind), mixed_table(300, 5)
    one.save(tmp_path / "classifier")
    found = scored(tmp_path / "classifier", new_rows(tmp_path / "new.csv", rows))
    np.testing.assert_array_equal(one.predict_proba(rows), found.filter(like="p class").to_numpy())


def test_the_parts_own_rows(finished: Path, tmp_path: Path) -> None:
    """Test rows predicted from the raw table have the probabilities of `evaluate`, bit for bit."""
    judged = pd.read_parquet(finished / "reports/evaluation/predictions.parquet")
    table = shutil.copy(finished / "data/raw/demo.csv", tmp_path / "new.csv")
    found = scored(finished / "models/classifier", Path(table)).iloc[judged["row"]].reset_index(drop=True)
    for column in ("predicted", "p 0", "p 1"):
        assert judged[column].tolist() == found[column].tolist()


def test_nothing_but_the_folder(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder of a classifier is enough: moved out of the repository, it predicts the same."""
    table = Path(shutil.copy(finished / "data/raw/demo.csv", tmp_path / "new.csv"))
    expected = scored(finished / "models/classifier", table)
    (tmp_path / "elsewhere").mkdir()
    shutil.copytree(finished / "models/classifier", tmp_path / "elsewhere/classifier")
    monkeypatch.chdir(tmp_path / "elsewhere")
    pd.testing.assert_frame_equal(expected, scored(Path("classifier"), table, "again.parquet"))


def test_problems_are_counted(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Unreadable values become missing, unseen levels other, and values out of range stay; additional columns are ignored."""
    rows = mixed_table(50).drop(columns="target")
    expected = rows.copy()
    expected.loc[[0, 1], "age"] = np.nan
    odd = expected.astype({"age": object})
    odd.loc[0, "age"], odd.loc[1, "age"] = "forty", "1e999"
    for frame in (expected, odd):
        frame.loc[2, "age"], frame.loc[3, "colour"] = 1e6, "purple"
    odd = odd.assign(extra=1)[["score", "extra", "member", "colour", "age"]]
    found = scored(folder, new_rows(tmp_path / "odd.csv", odd))
    closing = capsys.readouterr().out.strip().splitlines()[-1]
    assert "Predicted 50 rows into" in closing
    for words in (
        "1 column unknown and ignored ('extra')",
        "columns in another order",
        "2 values unreadable and treated as missing (age 2)",
        "1 value outside the range of the training table and kept (age 1)",
        "1 value of a category that the train part does not have and treated as other (colour 1)",
    ):
        assert words in closing
    np.testing.assert_array_equal(classifier().predict_proba(expected), found[["p class 0", "p class 1"]].to_numpy())


def test_no_problems(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The rows of the training table have no problems, with the target and without."""
    for name, rows in {"with": mixed_table(300), "without": mixed_table(300).drop(columns="target")}.items():
        scored(folder, new_rows(tmp_path / f"{name}.csv", rows), f"{name}.parquet", "--strict")
        assert "no problems found" in capsys.readouterr().out


def test_strict(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With --strict any problem fails the run, and an earlier output stays unchanged."""
    table = new_rows(tmp_path / "odd.csv", mixed_table(20).assign(extra=1))
    output = tmp_path / "scored.csv"
    output.write_text("earlier")
    message = fails(capsys, folder, table, "-o", output, "--strict")
    assert "with --strict the rows must have no problem, but have: 1 column unknown and ignored ('extra')" in message
    assert "earlier" == output.read_text()
    assert ["classifier", "odd.csv", "scored.csv"] == sorted(path.name for path in tmp_path.iterdir())


def test_absent_columns(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A column without missing values in the train part is required; any other absent column is missing in all rows."""
    message = fails(
        capsys, folder, new_rows(tmp_path / "a.csv", mixed_table(9).drop(columns="score")), "-o", tmp_path / "x.csv"
    )
    assert "the table must have the column 'score'" in message
    scored(folder, new_rows(tmp_path / "b.csv", mixed_table(9).drop(columns="colour")))
    assert "1 column absent and treated as missing ('colour')" in capsys.readouterr().out


def test_without_a_header(tmp_path: Path) -> None:
    """If the table has no header line, new rows need none: their columns are in its order, with or without the target."""
    frame = mixed_table(200)
    frame.to_csv(tmp_path / "table.csv", index=False, header=False)
    done = prepare_file(tmp_path / "table.csv", tmp_path / "prepared", columns=list(frame.columns))
    untrained(done).save(tmp_path / "classifier")
    found = []
    for name, rows, header in (("a", frame, True), ("b", frame, False), ("c", frame.drop(columns="target"), False)):
        rows.to_csv(tmp_path / f"{name}.csv", index=False, header=header)
        found.append(scored(tmp_path / "classifier", tmp_path / f"{name}.csv", f"{name}.parquet"))
    pd.testing.assert_frame_equal(found[0], found[1])
    pd.testing.assert_frame_equal(found[0], found[2])


def test_the_id_comes_along(tmp_path: Path) -> None:
    """The id of the table, if the new rows have it, comes before the predictions."""
    frame = mixed_table(200).assign(customer=[f"c{i:04d}" for i in range(200)])
    done = prepare_frame(frame, id="customer")
    untrained(done).save(tmp_path / "classifier")
    found = scored(tmp_path / "classifier", new_rows(tmp_path / "new.csv", frame), "scored.csv")
    assert frame["customer"].tolist() == found["customer"].tolist()
    assert "customer" == found.columns[0]


def test_mistakes(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each mistake gives one sentence: no classifier, no table, an output with another suffix, without folder, or the table."""
    table = new_rows(tmp_path / "new.csv", mixed_table(9))
    for arguments, words in (
        ((tmp_path / "none", table, "-o", tmp_path / "x.csv"), "must hold a classifier, but"),
        ((folder, tmp_path / "none.csv", "-o", tmp_path / "x.csv"), "does not exist"),
        ((folder, table, "-o", tmp_path / "x.txt"), "must end in .csv or .parquet, but is"),
        ((folder, table, "-o", tmp_path / "no/x.csv"), "of the output does not exist"),
        ((folder, table, "-o", table), "must differ from the table"),
    ):
        message = fails(capsys, *arguments)
        assert words in message
        assert 1 == message.count("\n")


def test_only_an_earlier_output_is_replaced(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder, a link, the table under any name and a file of the classifier are refused before a row is scored."""
    table = new_rows(tmp_path / "new.csv", mixed_table(9))
    parts = tmp_path / "parts"
    parts.mkdir()
    new_rows(parts / "one.csv", mixed_table(9))
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "link.csv").symlink_to("else.csv")
    (tmp_path / "linked").symlink_to(folder)
    (tmp_path / "hard.csv").hardlink_to(table)
    os.mkfifo(tmp_path / "pipe.csv")
    before = {path: path.read_bytes() for path in [table, *folder.iterdir(), parts / "one.csv"]}
    with monkeypatch.context() as patched:
        patched.setattr(predict_module, "_predict_rows", lambda *_: pytest.fail("a row was scored"))
        for rows, output, words in (
            (table, "folder.csv", "must be a regular file, but '{}' is a folder. Choose another one with -o."),
            (table, "pipe.csv", "must be a regular file, but '{}' is none"),
            (table, "link.csv", "must be a regular file, but '{}' is a link to 'else.csv'"),
            (table, "hard.csv", "must differ from the table '{table}', but '{}' is the same"),
            (parts, "parts/two.csv", "must differ from the table '{table}', but '{}' is in it"),
            (table, "classifier/history.csv", "must not be in the folder of the classifier, but '{}' is"),
            (table, "linked/new.csv", "must not be in the folder of the classifier, but '{}' is"),
        ):
            message = fails(capsys, folder, rows, "-o", tmp_path / output)
            assert words.format(tmp_path / output, table=rows) in message
            assert 1 == message.count("\n")
    assert before == {path: path.read_bytes() for path in before}
    (tmp_path / "kept.csv").write_text("earlier")
    (tmp_path / "out.csv").hardlink_to(tmp_path / "kept.csv")
    scored(folder, table, "out.csv")
    assert "earlier" == (tmp_path / "kept.csv").read_text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP], ids=lambda number: number.name)
def test_a_stopped_run(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    """A signal while the output is written leaves the earlier output and no partial file, and one sentence."""
    table, output = new_rows(tmp_path / "new.csv", mixed_table(9)), tmp_path / "out.csv"
    output.write_text("earlier")
    seen = []

    def stop(path: Path) -> None:
        seen.append(path.exists())
        os.kill(os.getpid(), number)

    monkeypatch.setattr(files, "sync", stop)
    default = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
    earlier = signal.signal(number, default)  # whoever started the tests may ignore it, as nohup does
    try:
        assert 128 + number == main(["predict", str(folder), str(table), "-o", str(output)])
    finally:
        signal.signal(number, earlier)
    assert_said("a signal ends another command, such as `predict`", capsys.readouterr().err)
    assert ([True], "earlier") == (seen, output.read_text())
    assert ["classifier", "new.csv", "out.csv"] == sorted(path.name for path in tmp_path.iterdir())


def test_a_full_disk(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A full disk leaves no partial file, and one sentence."""
    table = new_rows(tmp_path / "new.csv", mixed_table(9000))
    with small_disk(tmp_path / "disk", "64k"):
        message = fails(capsys, folder, table, "-o", tmp_path / "disk/out.csv")
        assert [] == list((tmp_path / "disk").iterdir())
    assert_said("the disk is full while a command writes", message)


def test_out_of_memory(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too little memory is one sentence."""
    table = new_rows(tmp_path / "new.csv", mixed_table(9))
    monkeypatch.setattr(predict_module, "_predict_rows", lambda *_: np.empty(2**50))
    assert_said("a command runs out of memory", fails(capsys, folder, table, "-o", tmp_path / "out.csv"))
    assert not (tmp_path / "out.csv").exists()


def test_formulas_are_disarmed() -> None:
    """In CSV, a text that a spreadsheet would run gets an apostrophe; numbers do not."""
    table = pa.table({"=name": ["=1+1", "@sum", "-1", "+5e3", "-x", "plain", None, "\tx"], "number": [1.0] * 8})
    safe = escape_formulas(table)
    assert ["'=name", "number"] == safe.column_names
    assert ["'=1+1", "'@sum", "-1", "+5e3", "'-x", "plain", None, "'\tx"] == safe.column(0).to_pylist()


def test_other_arguments_are_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A misspelled option is an error."""
    with pytest.raises(SystemExit):
        main(["predict", str(folder), "x.csv", "-o", "y.csv", "--strickt"])
    assert "unrecognized arguments: --strickt" in capsys.readouterr().err


def test_prepared_has_gaps() -> None:
    """The rows of these tests have missing values where they need them."""
    assert prepared().encoder.columns[0].indicator
