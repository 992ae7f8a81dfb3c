"""The first difference between a committed output and one that was made again."""

import hashlib
import json
import subprocess
from pathlib import Path

import pytest

from veritable.cli.proof import Output, describe_difference, list_differences
from veritable.cli.proof import Stage as Proved


def put(cache: Path, content: bytes, suffix: str = "") -> str:
    """Put an object into a cache and return its hash."""
    md5 = hashlib.md5(content).hexdigest() + suffix
    (cache / md5[:2]).mkdir(parents=True, exist_ok=True)
    (cache / md5[:2] / md5[2:]).write_bytes(content)
    return md5


def described(folder: Path, committed: dict[str, bytes], made: dict[str, bytes]) -> str:
    """Describe the difference between two versions of the folder `out`."""
    cache = folder / "cache"
    entries = [{"md5": put(cache, content), "relpath": name} for name, content in committed.items()]
    listing = put(cache, json.dumps(entries).encode(), ".dir")
    for name, content in made.items():
        (folder / "out" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "out" / name).write_bytes(content)
    return describe_difference(folder, "out", Output(listing, len(committed), 1, in_git=False), cache)


@pytest.mark.parametrize(
    ("committed", "made", "expected"),
    [
        ({"a": b"1", "c/d": b"x\ny\nz"}, {"a": b"1", "c/d": b"x\nY\nz"}, "out/c/d, line 2:\n  committed  y\n  made now   Y"),
        ({"a": b"x\n"}, {"a": b"x\ny\n"}, "out/a, line 2:\n  committed  \n  made now   y"),
        ({"a": b"\0\n\xff12"}, {"a": b"\0\n\xff13"}, "out/a, byte 5"),
        ({"a": b"1", "b": b"2"}, {"a": b"1"}, "out/b, which was not made again"),
        ({"b": b"2"}, {"a": b"1", "b": b"2"}, "out/a, which is not among the committed files"),
    ],
)
def test_first_file(tmp_path: Path, committed: dict[str, bytes], made: dict[str, bytes], expected: str) -> None:
    """The first file that differs is named, with the first line of a text and the first byte of another file."""
    assert expected == described(tmp_path, committed, made)


def test_long_lines_are_cut(tmp_path: Path) -> None:
    """Of a long line, the surroundings of the difference are shown."""
    text = described(tmp_path, {"a": b"x" * 5000 + b"<old>" + b"y" * 5000}, {"a": b"x" * 5000 + b"<new>" + b"y" * 5000})
    assert "<old>" in text
    assert "<new>" in text
    assert 320 > len(text)


def test_committed_in_git(tmp_path: Path) -> None:
    """An output that git holds is compared with the commit."""
    (tmp_path / ".dvc/tmp").mkdir(parents=True)
    (tmp_path / "m.json").write_text("1\n")
    for words in (["init", "-q"], ["add", "m.json"], ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "a"]):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    (tmp_path / "m.json").write_text("2\n")
    found = describe_difference(tmp_path, "m.json", Output("", 1, 1, in_git=True), tmp_path)
    assert "m.json, line 1:\n  committed  1\n  made now   2" == found


def test_committed_files_that_are_missing(tmp_path: Path) -> None:
    """What is not in the cache is said, with the command that gets it."""
    (tmp_path / "out").write_text("1")
    expected = "out, but the committed version is not in DVC's cache: `dvc fetch out` gets it"
    assert expected == describe_difference(tmp_path, "out", Output("ab12", 1, 1, in_git=False), tmp_path / "cache")


def test_order() -> None:
    """Differences are listed in the order in which the stages ran."""
    one, other = Output("1", 1, 1, in_git=False), Output("2", 1, 1, in_git=False)
    expected = {"late": Proved(False, {}, {"z": one}), "early": Proved(False, {}, {"a": one, "b": one})}
    made = {"early": Proved(False, {}, {"a": one, "b": other}), "late": Proved(False, {}, {"z": other})}
    assert [("early", "b"), ("late", "z")] == list_differences(expected, made, ["early", "late"])
