"""The table of docs/reliability.md: each test of a fault compares what is said with its row."""

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import HERE

PAGE = HERE / "docs/reliability.md"


def rows() -> dict[str, str]:
    """Return the cell that tells what is said, by fault."""
    table = re.findall(r"^\| (.+?) \| (.+?) \| .+ \|$", PAGE.read_text("utf-8"), re.MULTILINE)
    return {fault: said for fault, said in table if fault not in ("fault", "---")}


def assert_said(fault: str, text: str) -> None:
    """Check that a text has the sentence of a row. Words in capitals in it stand for anything on one line."""
    quoted = re.search(r"(`+)(.+?)\1(?!`)", rows()[fault])
    if quoted is not None:
        words = re.split(r"\b[A-Z]+\b(?<!DVC)(?<!SIGTERM)(?<!SIGKILL)", quoted[2].strip())
        assert re.search(".+".join(map(re.escape, words)), text), f"{fault}: {quoted[2]!r} is not in\n{text}"
    assert "Traceback" not in text, text


@contextmanager
def small_disk(folder: Path, size: str = "1m") -> Iterator[None]:
    """Mount a small file system on a folder; skip the test where that is not permitted."""
    folder.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("a file system can be mounted by root only")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Make a folder read-only, for root too; skip the test where that is not permitted."""
    mount = ["mount", "--bind", str(folder), str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a folder can be made read-only for root by a mount only")
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", str(folder)], check=True)
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
