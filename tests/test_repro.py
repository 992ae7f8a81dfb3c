"""`python -m veritable repro` refuses what would lose something, before DVC runs."""

import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.conftest import HERE, clean
from tests.faults import assert_said
from veritable.cli.main import main
from veritable.cli.repro import _check_lock, _use_this_python
from veritable.cli.yaml_file import read_yaml
from veritable.errors import UserError
from veritable.stage.process import exclusive_lock

LOCK = (HERE / "dvc.lock").read_text("utf-8")
CONFLICT = f"<<<<<<< HEAD\n{LOCK}=======\n{LOCK}>>>>>>> other\n"
FAULT = "dvc.lock is empty, torn or has conflict markers"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory that looks like the top folder of a repository."""
    (tmp_path / ".dvc/tmp").mkdir(parents=True)
    for name in ("params.yaml", "dvc.yaml"):
        (tmp_path / name).write_text((HERE / name).read_text("utf-8"), "utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("text", ["", LOCK[:10], "stages: {a: [", CONFLICT, "stages: {}"], ids=range(5))
def test_a_damaged_lock(folder: Path, text: str) -> None:
    """The sentence says how to restore dvc.lock."""
    (folder / "dvc.lock").write_text(text, "utf-8")
    with pytest.raises(UserError) as refused:
        _check_lock()
    assert_said(FAULT, str(refused.value))
    assert 1 == len(str(refused.value).splitlines())


def test_a_lock_that_is_cut_off(folder: Path) -> None:
    """Wherever dvc.lock is cut off, it is refused, or what is left of it is what DVC wrote, so that DVC runs the rest."""
    stages, refused = read_yaml(HERE / "dvc.lock")["stages"], 0  # DVC runs what is absent, or takes it from its cache
    for length in range(20, 1000, 97):
        (folder / "dvc.lock").write_text(LOCK[:length], "utf-8")
        try:
            _check_lock()
        except UserError as error:
            assert_said(FAULT, str(error))
            refused += 1
        else:
            left = read_yaml(folder / "dvc.lock").get("stages") or {}
            assert all(each == stages[name] for name, each in [*left.items()][:-1])
    assert 0 < refused < 10


def test_a_lock_in_order(folder: Path) -> None:
    """A complete dvc.lock, and none, are accepted."""
    _check_lock()
    (folder / "dvc.lock").write_text(LOCK, "utf-8")
    _check_lock()


def test_git_restores_the_lock(tmp_path: Path) -> None:
    """The command of the sentence works in the middle of a merge too."""

    def git(*words: str) -> int:
        return subprocess.run(["git", *words], cwd=tmp_path, env=clean({}), capture_output=True, check=False).returncode

    git("init", "-q", "-b", "main")
    lock = tmp_path / "dvc.lock"
    for branch, text in (("main", "a: 1\n"), ("other", "a: 2\n"), ("main", "a: 3\n")):
        git("checkout", "-q", *([] if branch == "main" else ["-b"]), branch)
        lock.write_text(text)
        git("add", "dvc.lock")
        git("commit", "-qm", text)
    assert 0 != git("merge", "-q", "other")
    assert "<<<<<<<" in lock.read_text()
    assert 0 == git("checkout", "HEAD", "--", "dvc.lock")
    assert "a: 3\n" == lock.read_text()


@pytest.mark.parametrize("name", ["params.yaml", "dvc.yaml"])
def test_conflict_markers(folder: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    """A conflict is named with its line."""
    text = (folder / name).read_text("utf-8")
    (folder / name).write_text(f"# one\n<<<<<<< HEAD\n{text}=======\n{text}>>>>>>> other\n", "utf-8")
    assert 1 == main(["repro"])
    said = capsys.readouterr().err
    assert_said("conflict markers in params.yaml or dvc.yaml", said)
    assert said.startswith(f"{name} must be valid YAML, but line 2 is a conflict marker")


def test_a_second_run(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """While the pipeline runs, another run of it is refused at once."""
    with exclusive_lock("the pipeline", folder / ".dvc/tmp/repro.lock"):
        assert 1 == main(["repro"])
    assert_said("a second `make repro` at the same time", capsys.readouterr().err)


def test_eight_runs(folder: Path) -> None:
    """Of eight runs that start together, exactly one runs."""
    barrier, results = threading.Barrier(8), []

    def run() -> None:
        barrier.wait()
        try:
            with exclusive_lock("the pipeline", folder / "lock"):
                results.append("ran")
                ended.wait(10)
        except UserError:
            results.append("refused")
        if len(results) == 8:
            ended.set()

    ended = threading.Event()
    threads = [threading.Thread(target=run) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert ["ran", *["refused"] * 7] == sorted(results)


def test_stages_run_with_this_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an activated environment, the stages run with the Python that runs the command."""
    monkeypatch.setenv("PATH", "/usr/bin")
    _use_this_python()
    found = shutil.which("python")
    assert found is not None
    assert Path(sys.executable).parent == Path(found).parent


def test_outside_a_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder that is no DVC repository stays as it is."""
    monkeypatch.chdir(tmp_path)
    for name in ("params.yaml", "dvc.yaml"):
        (tmp_path / name).write_text("a: 1\n")
    assert 1 == main(["repro"])
    assert ".dvc does not exist in this folder." in capsys.readouterr().err
    assert not (tmp_path / ".dvc").exists()
