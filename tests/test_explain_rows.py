"""`python -m veritable explain` explains new rows from the classifier's folder alone."""

import shutil
import signal
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.csv as pc_csv
import pytest

from tests.explaining import explainable, of_table, with_background
from tests.rooms import mixed_table, prepare_frame, prepared
from tests.test_classifier import classifier
from tests.test_predict import new_rows
from veritable.cli.main import main
from veritable.explanation.explainer import Explainer
from veritable.models.classifier import Classifier
from veritable.models.ensemble import Ensemble
from veritable.models.linear import Linear
from veritable.serving import attribution, explain


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Save a blend of `mixed_table`, with its background."""
    return saved(explainable(), tmp_path)


def saved(one: Classifier, tmp_path: Path) -> Path:
    one.save(tmp_path / "classifier")
    return tmp_path / "classifier"


def run(*arguments: object) -> None:
    assert 0 == main(["explain", *map(str, arguments)])


def stopped(*arguments: object) -> None:
    """Run the command, which must end as after Ctrl-C."""
    assert 128 + signal.SIGINT == main(["explain", *map(str, arguments)])


def fails(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """Run the command, which must fail, and return its message."""
    capsys.readouterr()
    assert 1 == main(["explain", *map(str, arguments)])
    return capsys.readouterr().err


def read(path: Path) -> pd.DataFrame:
    return pd.read_parquet(path) if path.suffix == ".parquet" else pc_csv.read_csv(path).to_pandas()


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("output", ["out.csv", "out.parquet"])
def test_values(tmp_path: Path, classes: int, output: str) -> None:
    """Each line has a row, a column, a class, and the value and standard error that `Explainer` computes."""
    rows, one = mixed_table(30, classes), explainable(classes)
    run(saved(one, tmp_path), new_rows(tmp_path / "new.csv", rows), "-o", tmp_path / output)
    found = read(tmp_path / output)
    encoded = one.encoder.encode(
        one.encoder.read({n: _array(rows[n]) for n in one.encoder.blocks}, one.contract, rows=30).values
    )
    expected = Explainer.fit(one).estimate(encoded, np.arange(30))
    explained = ["class 1"] if classes == 2 else [f"class {i}" for i in range(classes)]
    index = pd.MultiIndex.from_product([range(30), one.encoder.blocks, explained]).to_frame(index=False)
    assert ["row", "column", "class", "value", "standard_error"] == list(found.columns)
    np.testing.assert_array_equal(index.to_numpy(), found[["row", "column", "class"]].to_numpy())
    np.testing.assert_array_equal(expected.values.reshape(-1), found["value"])
    np.testing.assert_array_equal(expected.errors.reshape(-1), found["standard_error"])


def _array(values: pd.Series) -> object:
    from veritable.tables.typing import parse

    return parse.from_pandas(values)


def test_words(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without an output, each row has its probability, what raises and lowers it with errors, and the nearest change."""
    rows = mixed_table(5).drop(columns="target")
    run(folder, new_rows(tmp_path / "new.csv", rows))
    text = capsys.readouterr().out
    y_prob = explainable().predict_proba(rows)[:, 1]
    for i, p in enumerate(y_prob):
        assert (
            f"Row {i}: 'class 1' has a probability of {p:.3f} (threshold 0.4), so 'class {int(p >= 0.4)}' is predicted." in text
        )
    assert 5 == text.count("Raised by ") == text.count("would be predicted if ") + text.count("No change of at most three")
    assert f"score = {rows.loc[0, 'score']:.6g} (" in text
    assert " ± " in text
    closing = text.splitlines()[-1]
    assert closing.startswith("Explained 5 rows: the largest relative standard error of a row is ")
    assert "Shapley values in log-odds of 'class 1', compared with 180 train rows; ± is a standard error." in closing


def test_words_for_many_rows(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """At most 20 rows are described in words; the last line says how to get all."""
    run(folder, new_rows(tmp_path / "new.csv", mixed_table(50)))
    text = capsys.readouterr().out
    assert 20 == text.count("Raised by ")
    assert "Explained the first 20 rows: " in text
    assert "The table has more rows; -o FILE writes the values of all of them." in text


def test_three_classes_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With three classes, the predicted one is described."""
    rows = mixed_table(3, 3)
    run(saved(explainable(3), tmp_path), new_rows(tmp_path / "new.csv", rows))
    text = capsys.readouterr().out
    y_prob = explainable(3).predict_proba(rows)
    for i in range(3):
        assert f"Row {i}: 'class {y_prob[i].argmax()}' is predicted, with a probability of {y_prob[i].max():.3f}." in text
    assert "log-probability, relative to the mean of all classes" in text


@pytest.mark.slow
def test_many_classes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With more than ten classes, each row has the values of the class that is predicted for it."""
    rows, one = mixed_table(6, 12), explainable(12)
    folder, table = saved(one, tmp_path), new_rows(tmp_path / "new.csv", rows)
    run(folder, table, "-o", tmp_path / "out.parquet")
    predicted = [one.classes[code] for code in one.predict(rows)]
    assert np.repeat(predicted, 4).tolist() == read(tmp_path / "out.parquet")["class"].tolist()
    run(folder, table)
    text = capsys.readouterr().out
    assert all(f"Row {i}: '{name}' is predicted, with" in text for i, name in enumerate(predicted))


def test_odd_cells(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Missing, unreadable and unseen cells, and dates, are shown as they are, and the last line counts them."""
    days = pd.date_range("2024-01-01", periods=200).strftime("%Y-%m-%d")
    frame = mixed_table(200).assign(day=days)
    folder = saved(of_table(prepare_frame(frame)), tmp_path)
    rows = frame.head(3).astype({"age": object})
    rows["age"], rows["colour"] = [None, "forty", 41], ["purple", None, "red"]
    run(folder, new_rows(tmp_path / "new.csv", rows), "--html", tmp_path / "page.html")
    text, page = capsys.readouterr().out, (tmp_path / "page.html").read_text()
    for cell in ("missing", "forty (unreadable)", "41", "purple (not in the train part)", "red", "2024-01-01"):
        assert f"<bdi>{cell}</bdi>" in page
    assert "1 value unreadable and treated as missing (age 1)" in text
    assert "treated as other (colour 1)" in text


def test_one_column(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A classifier of one column gives it all credit: its value is the difference from the mean of the background."""
    frame = mixed_table(200)[["score", "target"]]
    one = of_table(prepare_frame(frame))
    run(saved(one, tmp_path), new_rows(tmp_path / "new.csv", frame.head(20)), "-o", tmp_path / "out.csv")
    found = read(tmp_path / "out.csv")
    log_odds = [np.log(p[:, 1] / p[:, 0]) for p in (one.predict_proba(frame.head(20)), one.predict_proba(one.background.X))]
    np.testing.assert_allclose(log_odds[0] - log_odds[1].mean(), found["value"], atol=1e-5)
    assert "20 rows" in capsys.readouterr().out


def test_ids_come_along(tmp_path: Path) -> None:
    """Id columns come after the row number; one that is named as another column is renamed."""
    frame = mixed_table(200).assign(value=[f"=c{i}" for i in range(200)])
    one = of_table(prepare_frame(frame, id="value"))
    run(saved(one, tmp_path), new_rows(tmp_path / "new.parquet", frame.head(2)), "-o", tmp_path / "out.csv")
    found = read(tmp_path / "out.csv")
    assert ["row", "value (id)", "column", "class", "value", "standard_error"] == list(found.columns)
    assert ["'=c0"] * 4 + ["'=c1"] * 4 == found["value (id)"].tolist()


def test_no_background(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """If the background is withheld, nothing is explained, and the error says why."""
    folder, table = saved(classifier(), tmp_path), new_rows(tmp_path / "new.csv", mixed_table(5))
    for more in ((), ("--html", tmp_path / "page.html"), ("--method", "lime")):
        assert "must have train rows with it" in fails(capsys, folder, table, *more)


def test_mistakes(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each mistake gives one sentence, and nothing is written."""
    table = new_rows(tmp_path / "new.csv", mixed_table(5))
    without = new_rows(tmp_path / "without.csv", mixed_table(5).drop(columns="score"))
    for arguments, words in (
        ((tmp_path / "none", table), "must hold a classifier, but"),
        ((folder, tmp_path / "none.csv"), "does not exist"),
        ((folder, without, "-o", tmp_path / "x.csv"), "must have the column 'score'"),
        ((folder, table, "-o", tmp_path / "x.txt"), "must end in .csv or .parquet, but is"),
        ((folder, table, "--html", tmp_path / "x.csv"), "must end in .html, but is"),
        ((folder, table, "--html", tmp_path / "no/x.html"), "does not exist. Create it, or choose another one with --html."),
        ((folder, table, "-o", table), "must differ from the table"),
        ((folder, table, "--error", "0"), "--error must be above 0 and at most 1, but is 0.0"),
        ((folder, table, "--error", "0.1", "--method", "lime"), "--error must not be given with --method lime"),
        ((folder, table, "--seed", "-1"), "--seed must be 0 or more, but is -1"),
        ((folder, table, "--fixed", "scor"), "'scor' is not. Did you mean 'score'?"),
    ):
        message = fails(capsys, *arguments)
        assert words in message
        assert 1 == message.count("\n")
    assert ["classifier", "new.csv", "without.csv"] == sorted(path.name for path in tmp_path.iterdir())


def test_error_and_seed(folder: Path, tmp_path: Path) -> None:
    """A smaller --error makes the errors smaller; another --seed gives other values, and the same seed the same bytes."""
    table, found = new_rows(tmp_path / "new.csv", mixed_table(10)), {}
    for name, more in {"loose": ["--error", 0.3], "a": [], "b": [], "seed": ["--seed", 1], "tight": ["--error", 0.01]}.items():
        run(folder, table, "-o", tmp_path / f"{name}.parquet", *more)
        found[name] = read(tmp_path / f"{name}.parquet")
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
    assert (found["a"]["value"] != found["seed"]["value"]).any()
    assert found["tight"]["standard_error"].mean() <= found["loose"]["standard_error"].mean()


def test_fixed(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Fixed columns do not occur in the nearest change, whether they are named together or one by one."""
    table = new_rows(tmp_path / "new.csv", mixed_table(20))
    run(folder, table)
    assert "if 'score' were" in capsys.readouterr().out
    for fixed in (("--fixed", "score", "age"), ("--fixed", "score", "--fixed", "age")):
        run(folder, table, *fixed)
        text = capsys.readouterr().out
        assert "'score' were" not in text
        assert "'age' were" not in text


def test_lime(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With --method lime, lines have the fidelity instead of the standard error, and so have the words and the page."""
    pytest.importorskip("lime", reason="lime is not installed")
    table = new_rows(tmp_path / "new.csv", mixed_table(4))
    run(folder, table, "-o", tmp_path / "out.parquet", "--html", tmp_path / "page.html", "--method", "lime")
    found = read(tmp_path / "out.parquet")
    assert ["row", "column", "class", "value", "fidelity"] == list(found.columns)
    assert f"the lowest fidelity (R2) of LIME's models is {found['fidelity'].min():.2f}" in capsys.readouterr().out
    assert "Fidelity (R2) " in (tmp_path / "page.html").read_text()
    run(folder, table, "--method", "lime")
    text = capsys.readouterr().out
    assert 4 == text.count("Fidelity (R2) ")
    assert "LIME's coefficients in log-odds of 'class 1'" in text


@pytest.fixture
def quick(tmp_path: Path) -> Path:
    """Save a linear classifier, which is explained quickly."""
    one = explainable()
    linear = next(member for member in one.ensemble.members if isinstance(member, Linear))
    return saved(replace(one, ensemble=Ensemble((linear,), (1.0,))), tmp_path)


def test_many_rows(quick: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten thousand rows are explained in batches of limited size; the size changes no value."""
    table = new_rows(tmp_path / "new.parquet", mixed_table(10_000))
    sizes: list[int] = []
    for size in (100, 3_000):
        monkeypatch.setattr(explain, "_BATCH_ROWS", size)
        monkeypatch.setattr(
            explain, "to_long_table", lambda rows, *rest: sizes.append(len(rows)) or attribution.to_long_table(rows, *rest)
        )
        run(quick, table, "-o", tmp_path / f"{size}.parquet")
    assert [100] * 100 == sizes[:100]
    small, large = read(tmp_path / "100.parquet"), read(tmp_path / "3000.parquet")
    assert 40_000 == len(small)
    pd.testing.assert_frame_equal(large, small)


def killed_after(monkeypatch: pytest.MonkeyPatch, batches: int) -> Iterator[int]:
    """Let the command fail after some batches; yield the number of rows of each batch that it explains."""
    explained: list[int] = []

    def to_long_table(rows: object, *rest: object) -> object:
        if len(explained) == batches:
            raise KeyboardInterrupt
        explained.append(len(rows))
        return attribution.to_long_table(rows, *rest)

    monkeypatch.setattr(explain, "to_long_table", to_long_table)
    return explained


@pytest.mark.slow
@pytest.mark.parametrize("output", ["out.csv", "out.parquet"])
def test_killed_and_continued(
    folder: Path, tmp_path: Path, output: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A killed run leaves no output; run again, it explains only the other batches, and writes the bytes of a whole run."""
    table, page = new_rows(tmp_path / "new.csv", mixed_table(40)), tmp_path / "page.html"
    monkeypatch.setattr(explain, "_BATCH_ROWS", 6)
    run(folder, table, "-o", tmp_path / output, "--html", page)
    expected = [(tmp_path / output).read_bytes(), page.read_bytes()]
    (tmp_path / output).unlink()
    page.unlink()
    killed_after(monkeypatch, 3)
    stopped(folder, table, "-o", tmp_path / output, "--html", page)
    assert not (tmp_path / output).exists()
    explained = killed_after(monkeypatch, 99)
    capsys.readouterr()
    run(folder, table, "-o", tmp_path / output, "--html", page)
    assert [6, 6, 6, 4] == explained
    assert "of which an earlier run had explained 18" in capsys.readouterr().out
    assert expected == [(tmp_path / output).read_bytes(), page.read_bytes()]
    assert ["classifier", "new.csv", output, "page.html"] == sorted(path.name for path in tmp_path.iterdir())


@pytest.mark.slow
def test_other_inputs_start_anew(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run with another table, option or classifier does not continue an earlier one, whose batches are removed in the end."""
    frame = mixed_table(20)
    table, output = new_rows(tmp_path / "new.csv", frame), tmp_path / "out.csv"
    monkeypatch.setattr(explain, "_BATCH_ROWS", 6)

    def kill() -> None:
        killed_after(monkeypatch, 2)
        stopped(folder, table, "-o", output)

    kill()
    explained = killed_after(monkeypatch, 99)
    run(folder, table, "-o", output, "--seed", 1)
    assert [6, 6, 6, 2] == explained
    kill()
    new_rows(table, frame.assign(score=0.0))
    explained = killed_after(monkeypatch, 99)
    run(folder, table, "-o", output)
    assert [6, 6, 6, 2] == explained
    kill()
    replace(explainable(), threshold=0.3).save(folder)
    explained = killed_after(monkeypatch, 99)
    run(folder, table, "-o", output)
    assert [6, 6, 6, 2] == explained
    assert ["classifier", "new.csv", "out.csv"] == sorted(path.name for path in tmp_path.iterdir())


def test_nothing_but_the_folder(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder of a classifier is enough: moved elsewhere, it explains the same."""
    table = new_rows(tmp_path / "new.csv", mixed_table(5))
    run(folder, table, "-o", tmp_path / "here.csv")
    (tmp_path / "elsewhere").mkdir()
    shutil.move(folder, tmp_path / "elsewhere/classifier")
    monkeypatch.chdir(tmp_path / "elsewhere")
    run("classifier", table, "-o", "there.csv")
    assert (tmp_path / "here.csv").read_bytes() == Path("there.csv").read_bytes()


def test_shap_is_not_needed_to_predict() -> None:
    """Only the command that explains imports shap."""
    import subprocess

    code = "import sys; from veritable.serving import predict, estimator; sys.exit('shap' in sys.modules)"
    assert 0 == subprocess.run([sys.executable, "-c", code]).returncode


def test_backgrounds_are_those_of_the_table() -> None:
    """The classifiers of these tests carry all train rows."""
    one = with_background(classifier(), prepared())
    assert one.background is not None
    assert len(prepared().parts["train"]) == len(one.background.X)
