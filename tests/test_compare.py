"""`python -m veritable compare`, in copies of this repository."""

import json
import shutil
import sys
from pathlib import Path

from tests.conftest import Ran, Toy
from tests.pipeline import change

COMPARE = (sys.executable, "-m", "veritable", "compare")


def compare(repository: Toy, *words: str) -> Ran:
    done = repository.run(*COMPARE, *words)
    assert 0 == done.status, done.text
    return done


def test_two_commits(repository: Toy) -> None:
    """Two commits are compared without a change of the working tree; the same versions give the same page."""
    head = json.loads(repository.read("reports/evaluation/metrics.json"))["classifier"]["log_loss"]["value"]
    done = compare(repository, "v1", "HEAD")
    page = repository.read("reports/compare.html")
    assert done.text.splitlines()[0] in page
    assert "than v1 (" in done.text
    assert f"<td>{head:.3f}</td>" in page
    assert "train.mlp.max_epochs" in page
    assert "" == repository.git("status", "--porcelain").text
    compare(repository, "v1", "HEAD", "-o", "again.html")
    assert page == repository.read("again.html")


def test_an_experiment_and_the_workspace(repository: Toy) -> None:
    """An experiment is named by its name, and the second version is the workspace by default."""
    text = compare(repository, "v1", "longer", "--markdown").text
    assert "longer" in text.splitlines()[0]
    assert "| train.mlp.max\\_epochs | 3 | 8 |" in text
    assert "| Log loss |" in text
    assert "All predictions equal those of longer" in compare(repository, "longer").text


def test_a_change_after_the_last_run_is_said(repository: Toy) -> None:
    """Params and code that changed after the last run are named, and the params of that run are compared."""
    change(repository, "train.mlp.max_epochs", "99")
    repository.write("code/train.txt", repository.read("code/train.txt") + "package more 1.0\n")
    done = compare(repository, "v1")
    assert "workspace: train in params.yaml changed after its last run." in done
    assert "workspace: the code of train changed after its last run." in done
    assert "99" not in compare(repository, "v1", "--markdown").text.split("| param or table |")[1].split("\n\n")[0]


def test_missing_outputs(repository: Toy, tmp_path: Path) -> None:
    """Outputs that are not in the cache are fetched; without a remote, what is missing is said and the rest is compared."""
    store = tmp_path / "store"
    pushed = repository.dvc("remote", "add", "--local", "--default", "store", str(store))
    assert 0 == repository.dvc("push", "-q", "--all-commits").status, pushed.text
    expected = compare(repository, "v1", "HEAD", "--markdown").text
    shutil.rmtree(repository.root / ".dvc/cache")
    fetched = repository.run(*COMPARE, "v1", "HEAD", "--markdown").text
    assert expected in fetched  # DVC prints how much it fetches
    shutil.rmtree(repository.root / ".dvc/cache")
    shutil.rmtree(store)
    done = compare(repository, "v1", "HEAD")
    assert "cannot be told apart from v1" in done
    assert "v1: files of reports/evaluation are neither in DVC's cache nor in the remote" in done
    assert "Log loss" in repository.read("reports/compare.html")


def test_a_damaged_file_counts_as_missing(repository: Toy) -> None:
    """A file in the cache whose content does not fit its hash is not used."""
    for file in (repository.root / ".dvc/cache/files").rglob("*"):
        if file.is_file() and file.read_bytes()[:4] == b"PAR1":
            file.chmod(0o644)
            file.write_bytes(file.read_bytes() + b" ")
    assert "v1: files of reports/evaluation are neither" in compare(repository, "v1", "HEAD")


def test_mistakes(repository: Toy) -> None:
    """A revision that does not exist and one without a run are errors in one sentence."""
    unknown = repository.run(*COMPARE, "v7")
    assert (1, True) == (unknown.status, "'v7' must be a commit, branch, tag or experiment" in unknown.text)
    empty = repository.git("rev-list", "--max-parents=0", "HEAD").text.strip()
    without = repository.run(*COMPARE, empty)
    assert (1, True) == (without.status, "holds no evaluated classifier" in without.text), without.text
    assert "Traceback" not in unknown.text + without.text


def test_a_worktree_with_a_shared_cache(repository: Toy, tmp_path: Path) -> None:
    """A worktree that shares the cache gets the outputs of its commit by `dvc checkout`, and compares versions."""
    tree = Toy(tmp_path / "tree")
    assert 0 == repository.git("worktree", "add", "-q", str(tree.root), "v1").status
    tree.dvc("cache", "dir", "--local", "../veritable/.dvc/cache")
    checked_out = tree.dvc("checkout")
    assert 0 == checked_out.status, checked_out.text
    assert (tree.root / "models/classifier/classifier.json").is_file()
    assert not (tree.root / ".dvc/cache").exists()
    assert "All predictions equal those of v1" in compare(tree, "v1")
