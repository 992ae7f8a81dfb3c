"""A change of an input, a param or a source while a stage runs is noticed."""

import os
from pathlib import Path

from veritable.stage.changes import snapshot


def test_a_file_written_in_place_with_the_same_size_and_time_is_noticed(tmp_path: Path) -> None:
    """A program can set the modification time of a file, but not the time of its last change."""
    file = tmp_path / "in.csv"
    file.write_text("1")
    before, status = snapshot([tmp_path]), file.stat()
    assert before == snapshot([tmp_path])
    file.write_text("2")
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert before != snapshot([tmp_path])
