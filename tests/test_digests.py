"""A hash identifies a file or a folder, as `sha256sum` computes it."""

import hashlib
import subprocess
from pathlib import Path

from veritable.digests import hash_path


def test_hash_of_a_file(tmp_path: Path) -> None:
    """The hash of a file is its SHA-256."""
    (tmp_path / "a").write_bytes(b"abc")
    assert hashlib.sha256(b"abc").hexdigest() == hash_path(tmp_path / "a")


def test_hash_of_a_folder(tmp_path: Path) -> None:
    """The hash of a folder is what the commands of its description compute, and depends on names and contents."""
    for name in ("b.txt", "B.txt", "a/c.txt", "a.txt", "ä.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    command = "find . -type f | LC_ALL=C sort | xargs sha256sum | sha256sum"
    expected = subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, text=True, check=True).stdout.split()[0]
    assert expected == hash_path(tmp_path)
    (tmp_path / "b.txt").rename(tmp_path / "d.txt")
    assert expected != hash_path(tmp_path)
