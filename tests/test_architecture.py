"""The arrows between the rooms, as pyproject.toml states them in [tool.importlinter]."""

import pytest
from importlinter.cli import lint_imports

from tests.rooms import ROOT


def test_a_room_imports_only_rooms_below_it(capsys: pytest.CaptureFixture[str]) -> None:
    """All import contracts hold: layers, and the stage contract apart from the rooms."""
    status = lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True)
    assert 0 == status, capsys.readouterr().out
