"""Outputs are moved to their final paths, and back if something changed in the meantime."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from veritable.errors import UserError
from veritable.stage.publish import published


@pytest.fixture
def declaration(tmp_path: Path) -> Any:
    return SimpleNamespace(stage="x", outputs={"old": tmp_path / "old", "new": tmp_path / "new"})


@pytest.fixture
def staged(tmp_path: Path) -> dict[str, Path]:
    (tmp_path / "old").write_text("old")
    (tmp_path / "work/temporary").mkdir(parents=True)
    (tmp_path / "work/outputs/new").mkdir(parents=True)
    (tmp_path / "work/outputs/old").write_text("replaced")
    return {name: tmp_path / "work/outputs" / name for name in ("old", "new")}


def test_outputs_replace_earlier_ones(tmp_path: Path, declaration: Any, staged: dict[str, Path]) -> None:
    """Files and folders are moved to their final paths."""
    with published(declaration, staged, tmp_path / "work"):
        pass
    assert ("replaced", True) == ((tmp_path / "old").read_text(), (tmp_path / "new").is_dir())


def test_outputs_go_back_if_a_param_changed(tmp_path: Path, declaration: Any, staged: dict[str, Path]) -> None:
    """An edit that is noticed only after the outputs are in place leaves the earlier outputs."""
    with pytest.raises(UserError, match="changed"), published(declaration, staged, tmp_path / "work"):
        raise UserError("params.yaml changed")
    assert ("old", False) == ((tmp_path / "old").read_text(), (tmp_path / "new").exists())
