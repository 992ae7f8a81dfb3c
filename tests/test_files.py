"""Files appear whole or not at all, and in an order that a power cut cannot break."""

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.faults import assert_said
from veritable.files import whole
from veritable.stage import publish


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """The calls that force a path to the disk or rename it, in their order; paths are relative to `tmp_path`."""
    made: list[str] = []
    fsync, replace, rename = os.fsync, os.replace, os.rename

    def record_fsync(handle: int) -> None:
        made.append(f"sync {os.path.relpath(Path(f'/proc/self/fd/{handle}').readlink(), tmp_path)}")
        fsync(handle)

    def record(call: Any) -> Any:
        def renames(source: Path, target: Path) -> None:
            made.append(f"{os.path.relpath(source, tmp_path)} -> {os.path.relpath(target, tmp_path)}")
            call(source, target)

        return renames

    monkeypatch.setattr(os, "fsync", record_fsync)
    monkeypatch.setattr(publish, "sync_disk", lambda path: made.append(f"sync all of {os.path.relpath(path, tmp_path)}"))
    monkeypatch.setattr(os, "replace", record(replace))
    monkeypatch.setattr(os, "rename", record(rename))
    return made


def test_all_of_a_disk(tmp_path: Path) -> None:
    """A file system can be forced to the disk; an error of the call is raised."""
    publish.sync_disk(tmp_path)
    with pytest.raises(FileNotFoundError):
        publish.sync_disk(tmp_path / "none")


def test_a_file_is_on_the_disk_before_its_name(tmp_path: Path, calls: list[str]) -> None:
    """The content is forced to the disk, then the file is renamed, then the name is forced to the disk."""
    with whole(tmp_path / "x.csv") as partial:
        partial.write_text("x")
    hidden = f".x.csv.{os.getpid()}.partial"
    assert [f"sync {hidden}", f"{hidden} -> x.csv", "sync ."] == calls
    assert_said("the power fails", "")


def test_outputs_are_on_the_disk_before_their_names(tmp_path: Path, calls: list[str]) -> None:
    """All that a stage wrote is forced to the disk before its outputs are exchanged."""
    for path in ("work/outputs/data/new/deep/x", "work/outputs/data/y", "data/y"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(path)
    (tmp_path / "work/temporary").mkdir()
    finals = {"new": tmp_path / "data/new", "y": tmp_path / "data/y"}
    staged = {name: tmp_path / "work/outputs/data" / name for name in finals}
    declaration: Any = SimpleNamespace(stage="s", root=tmp_path, outputs=finals)
    with publish.published(declaration, staged, tmp_path / "work"):
        pass
    assert [
        "sync all of work/outputs",
        "work/outputs/data/new -> data/new",
        "data/y -> work/temporary/replaced/y",
        "work/outputs/data/y -> data/y",
    ] == calls
    assert "work/outputs/data/y" == (tmp_path / "data/y").read_text()


def test_outputs_that_cannot_be_moved_are_moved_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the second output cannot be moved, the first one is the earlier one again."""
    for path in ("work/outputs/a", "work/outputs/b", "a", "b"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(path)
    (tmp_path / "work/temporary").mkdir()
    rename = os.rename

    def refuse(source: Path, target: Path) -> None:
        if target == tmp_path / "b" and "outputs" in source.parts:
            raise PermissionError(13, "Permission denied", str(target))
        rename(source, target)

    monkeypatch.setattr(os, "rename", refuse)
    declaration: Any = SimpleNamespace(stage="s", root=tmp_path, outputs={name: tmp_path / name for name in "ab"})
    staged = {name: tmp_path / "work/outputs" / name for name in "ab"}
    with pytest.raises(PermissionError), publish.published(declaration, staged, tmp_path / "work"):
        pass
    assert ("a", "b") == ((tmp_path / "a").read_text(), (tmp_path / "b").read_text())


def test_whole_or_not_at_all(tmp_path: Path) -> None:
    """A file is replaced once it is written; after an error it is as it was, and nothing else is left."""
    file = tmp_path / "page.html"
    file.write_text("old")
    with pytest.raises(KeyError), whole(file) as partial:
        partial.write_text("half")
        raise KeyError
    assert "old" == file.read_text()
    with whole(file) as partial:
        partial.write_text("new")
        assert "old" == file.read_text()
    assert "new" == file.read_text()
    assert [file] == list(tmp_path.iterdir())
