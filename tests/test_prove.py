"""`python -m veritable prove` runs a commit again from nothing. The `make setup` of these toys links the tests' environment."""

import hashlib
import re
import shutil
import sys
from pathlib import Path

import pytest

from tests.conftest import Toy
from veritable.cli import prove as module
from veritable.cli.main import main

ADDED = "number\n3\n4\n"


PIPELINE = """stages:
  first:
    cmd: cp data/added.csv data/copied
    deps: [data/added.csv]
    outs: [data/copied]
  x:
    cmd: mkdir made && cp data/copied made/a && cp data/copied made/b
    deps: [data/copied]
    outs: [made]
"""


@pytest.fixture(scope="module")
def finished_toy(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A toy with a table that was added to DVC and two stages, run and committed. Tests must not change it."""
    root = tmp_path_factory.mktemp("prove") / "toy"
    shutil.copytree(template, root, symlinks=True)
    toy = Toy(root)
    toy.write("Makefile", f"setup:\n\tln -s {sys.prefix} .venv\n")
    toy.write(".gitignore", "/.venv\n")
    toy.write("dvc.yaml", PIPELINE)
    toy.write("data/added.csv", ADDED)
    for words in (["add", "-q", "data/added.csv"], ["repro", "-q"]):
        done = toy.dvc(*words)
        assert 0 == done.status, done.text
    toy.commit("run")
    return root


@pytest.fixture
def toy(finished_toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Toy:
    """A copy of the finished toy in the working directory, and an empty folder for temporary files."""
    root = tmp_path / "toy"
    shutil.copytree(finished_toy, root, symlinks=True)
    monkeypatch.chdir(root)
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    return Toy(root)


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """Run the command, which must fail, and return its message."""
    assert 1 == main(["prove", *words])
    return capsys.readouterr().err


def test_identical(toy: Toy, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The stages run again with the table from the cache, without the outputs; what is not committed is not part of it."""
    toy.write("data/in.csv", "changed\n")
    assert 0 == main(["prove", "--keep", str(tmp_path / "kept")])
    printed = capsys.readouterr()
    assert re.match(
        r"identical: 3 files \(0\.0 MB\) that 2 stages made .* are those of dvc.lock at [0-9a-f]{7}\. It took \d+ s\.\n",
        printed.out,
    )
    assert "that are not committed are not part of what is proved" in printed.err
    log = (tmp_path / "kept" / module.LOG).read_text()
    assert ["first", "x"] == re.findall("Running stage '(.*)'", log)
    assert ADDED == (tmp_path / "kept/made/a").read_text()


def test_first_difference(toy: Toy, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An output that the committed code does not make is named with its stage, its file and its line, and the clone stays."""
    other = ADDED.replace("4", "5")
    old, new = (hashlib.md5(text.encode()).hexdigest() for text in (ADDED, other))
    entry = "path: data/copied\n      hash: md5\n      md5: "
    toy.write("dvc.lock", toy.read("dvc.lock").replace(f"{entry}{old}", f"{entry}{new}"))
    toy.write(f".dvc/cache/files/md5/{new[:2]}/{new[2:]}", other)
    toy.commit("another result")
    message = refused(capsys)
    assert (
        "is not proved: 1 of 3 hashes differ from dvc.lock. The first difference, in 'first', is in data/copied, line 3:\n"
        in message
    )
    assert "  committed  5\n  made now   4\n" in message
    assert "depend on the CPU" in message
    (clone,) = (tmp_path / "temporary").iterdir()
    assert message.endswith(f"The clone in which it ran is {clone}.\n")
    assert ADDED == (clone / "data/copied").read_text()


def test_a_failed_stage(toy: Toy, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A stage that fails is named with its last message, and the clone stays."""
    toy.write(
        "dvc.yaml", toy.read("dvc.yaml").replace("stages:\n", "stages:\n  bad: {cmd: 'echo no luck && exit 3', outs: [o]}\n")
    )
    toy.write(
        "dvc.lock", toy.read("dvc.lock") + "  bad:\n    cmd: ''\n    outs:\n    - {path: o, hash: md5, md5: abc, size: 1}\n"
    )
    toy.commit("a bad stage")
    message = refused(capsys)
    assert "is not proved: stage 'bad' failed: no luck\n" in message
    assert 1 == len(list((tmp_path / "temporary").iterdir()))


def test_the_environment_cannot_be_made(toy: Toy, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What pip says is one sentence, and nothing stays."""
    toy.write("Makefile", "setup:\n\t@echo 'ERROR: No matching distribution found for x==1' >&2; false\n")
    toy.commit("an unknown library")
    expected = (
        "`make setup` must install the libraries of requirements.lock, but failed: No matching distribution found for x==1\n"
    )
    assert expected == refused(capsys)
    assert [] == list((tmp_path / "temporary").iterdir())


def test_data_that_cannot_be_had(toy: Toy, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Data that is neither in the cache nor in a remote, or is damaged in the cache, is named."""
    md5 = hashlib.md5(ADDED.encode()).hexdigest()
    file = toy.root / f".dvc/cache/files/md5/{md5[:2]}/{md5[2:]}"
    file.chmod(0o644)
    file.write_text("damaged")
    file.chmod(0o444)
    assert re.match(r"data/added\.csv of [0-9a-f]{7} must be in DVC's cache or in the remote, but", refused(capsys))
    file.unlink()
    assert re.match(r"data/added\.csv of [0-9a-f]{7} must be in DVC's cache or in the remote, but", refused(capsys))
    assert [] == list((tmp_path / "temporary").iterdir())


def test_what_cannot_be_proved(toy: Toy, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A revision that does not exist, one without dvc.lock, one with an unfinished run and a folder in use are one sentence."""
    assert "'v9' must be a commit, branch, tag or experiment of this repository" in refused(capsys, "v9")
    first = toy.git("rev-list", "--max-parents=0", "HEAD").text.strip()
    assert "must have a finished run of the pipeline, but has no dvc.lock" in refused(capsys, first)
    assert "--keep must name a new or empty folder, but" in refused(capsys, "--keep", str(toy.root))
    toy.write("dvc.yaml", toy.read("dvc.yaml") + "  late:\n    cmd: echo\n    outs: [late]\n")
    toy.commit("a stage that never ran")
    assert "must record every output, but does not" in refused(capsys)
    assert [] == list((tmp_path / "temporary").iterdir())
