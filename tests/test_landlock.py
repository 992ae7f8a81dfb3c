"""Landlock refuses what no rule allows, to the process and its children."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from veritable.stage import landlock

needs_landlock = pytest.mark.skipif(not landlock.abi(), reason="this kernel has no Landlock")

PROGRAM = """
import subprocess, sys
from pathlib import Path
from veritable.stage import landlock
root = Path(sys.argv[1])
rules = [(each, landlock.all_rights()) for each in Path("/").iterdir() if each.name not in ("tmp", root.parts[1])]
rules += [(root / "read", landlock.READ), (root / "file", landlock.READ), (root / "write", landlock.all_rights())]
landlock.restrict([*rules, (root / "gone", landlock.READ)])
def denied(work):
    try:
        work()
    except PermissionError:
        return True
    return False
print(
    denied((root / "read/a").read_text), denied((root / "file").read_text), denied(lambda: (root / "write/b").write_text("")),
    denied(lambda: (root / "write/b").rename(root / "write/c")), denied((root / "secret").read_text),
    denied(lambda: (root / "read/a").write_text("")), denied(lambda: list(root.iterdir())),
    subprocess.run(["cat", root / "secret"], stderr=subprocess.DEVNULL).returncode != 0,
)
"""


@needs_landlock
def test_only_what_a_rule_allows_is_possible(tmp_path: Path) -> None:
    """Rules for files and folders to read and for folders to write work, missing paths are skipped, the rest is refused."""
    for folder in ("read", "write"):
        (tmp_path / folder).mkdir()
    for name in ("read/a", "file", "secret"):
        (tmp_path / name).write_text("1")
    done = subprocess.run([sys.executable, "-c", PROGRAM, tmp_path], capture_output=True, text=True, check=False)
    assert "False False False False True True True True\n" == done.stdout, done.stderr


@pytest.mark.skipif("CI" not in os.environ, reason="only CI must have Landlock")
def test_ci_has_landlock() -> None:
    """CI runs on a kernel with Landlock; otherwise that part of the seal would not be tested."""
    assert landlock.abi() > 0
