"""Erasing a person: after the steps of docs/privacy.md, no object of the cache and of the remote holds their rows."""

import re
import shlex
from pathlib import Path

import pytest
from dvc.cli import main as dvc
from dvc.repo import Repo

from tests.rooms import ROOT

ROWS = "name,age\nQuuxwell,41\nother,30\n"


def steps() -> list[list[str]]:
    """Return the commands of DVC that the page gives to the person who erases, in order."""
    text = (ROOT / "docs/privacy.md").read_text().partition("## Erase a person")[2].partition("4. Everybody")[0]
    lines = re.findall(r"^ *dvc (.+)$", text, re.MULTILINE)
    return [shlex.split(line, comments=True) for line in lines]


def holding(folder: Path, text: bytes = b"Quuxwell") -> list[str]:
    """Return the names of the files below a folder that hold a text."""
    return [file.name for file in folder.rglob("*") if file.is_file() and text in file.read_bytes()]


def test_the_steps_erase_a_person(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the last step, cache and remote hold the person; after it, none does, and the other rows are still there."""
    root, remote = tmp_path / "clone", tmp_path / "remote"
    root.mkdir()
    monkeypatch.chdir(root)
    monkeypatch.setenv("DVC_NO_ANALYTICS", "1")
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / "site"))
    Repo.init(no_scm=True).close()
    table = root / "data/mine.csv"
    table.parent.mkdir()
    table.write_text(ROWS)
    (root / "dvc.yaml").write_text(
        "stages:\n  copy:\n    cmd: cp data/mine.csv data/copy.csv\n    deps: [data/mine.csv]\n    outs: [data/copy.csv]\n"
    )
    for command in (f"remote add -q -d store {remote}", "add -q data/mine.csv", "repro -q", "push -q --run-cache"):
        assert dvc(command.split()) == 0
    cache = root / ".dvc/cache"
    assert holding(remote) and holding(cache)
    table.unlink()
    table.write_text(ROWS.replace("Quuxwell,41\n", ""))
    *before, last = [each for each in steps() if each[0] != "exp"]  # experiments need git
    for command in before:
        assert dvc([*command, "-q"]) == 0
    assert holding(remote) and holding(cache)
    assert dvc([*last, "-q"]) == 0
    assert [] == holding(root) + holding(remote)
    assert holding(remote, b"other,30")
    assert ["gc", "--workspace", "--cloud", "--force"] == last
    assert dvc(["status", "-q"]) == 0
