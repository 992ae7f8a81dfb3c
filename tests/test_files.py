"""Files appear whole or not at all."""

from pathlib import Path

import pytest

from veritable.files import whole


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
