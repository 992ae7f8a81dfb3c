"""Only the command `python SCRIPT` of a script that begins with `run(__name__)` is sealed."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.conftest import HEAD, Toy
from veritable.errors import UserError
from veritable.stage.commands import check_sealed, seal_fault, sealed_script

UNSEALED = [
    "head -3 params.yaml > x",
    "python tools/t.py",
    "python stages/lone.py",
    "python stages/late.py",
    "python stages/none.py",
    "python stages/broken.py",
    "python -c 'print(1)'",
    "python -m stages.x",
    "python stages/x.py && cp params.yaml y",
    "python stages/x.py | tee log",
    "python stages/x.py; true",
    "python stages/x.py > log",
    "python stages/x.py $(cat params.yaml)",
    "python stages/x.py\ncp params.yaml y",
    "cp params.yaml y & python stages/x.py",
    "python 'stages/x.py",
    "bash stages/x.py",
    "python",
    "",
    ["python stages/x.py"],
    ["python stages/x.py", "cp params.yaml y"],
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for path, text in {
        "stages/x.py": HEAD,
        "stages/lone.py": "def x(stage):\n    pass\n",
        "stages/late.py": f"open('params.yaml')\n{HEAD}",
        "stages/broken.py": "def (",
        "tools/t.py": "print(1)\n",
    }.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)
    return tmp_path


def stage_of(folder: Path, cmd: Any, **meta: Any) -> SimpleNamespace:
    return SimpleNamespace(name="x", cmd=cmd, wdir=str(folder), meta=meta or None)


@pytest.mark.parametrize("cmd", ["python stages/x.py", "python3.12 stages/x.py --fast 3", " .venv/bin/python stages/x.py\n"])
def test_a_sealed_command_has_a_script(folder: Path, cmd: str) -> None:
    """Python with a script that begins with `run(__name__)`, and arguments, is sealed."""
    assert folder / "stages/x.py" == sealed_script(stage_of(folder, cmd))
    assert seal_fault(stage_of(folder, cmd)) is None


@pytest.mark.parametrize("cmd", UNSEALED, ids=str)
def test_any_other_command_is_a_fault(folder: Path, cmd: Any) -> None:
    """Another script, a shell operator or several commands are a fault, unless the stage's meta has the reason."""
    assert sealed_script(stage_of(folder, cmd)) is None
    fault = seal_fault(stage_of(folder, cmd))
    assert fault is not None
    assert fault.startswith("stage 'x' must run a sealed script, but its command is: ")
    assert seal_fault(stage_of(folder, cmd, unsealed="it only downloads")) is None


@pytest.mark.parametrize("reason", [True, "", " ", None, 1])
def test_the_reason_must_be_a_text(folder: Path, reason: Any) -> None:
    """`unsealed` without a reason is a fault."""
    expected = f"stages.x.meta.unsealed in dvc.yaml must be the reason why the stage is not sealed, but is {reason!r}."
    assert expected == seal_fault(stage_of(folder, "python tools/t.py", unsealed=reason))


def test_stages_of_foreach_and_matrix_are_checked(toy: Toy) -> None:
    """DVC resolves the commands of foreach and matrix before they are checked."""
    toy.stage("pass", "outs: [out]")
    check_sealed(toy.root)
    toy.write("tools/t.py", "print(1)\n")
    toy.write(
        "dvc.yaml",
        toy.read("dvc.yaml") + "  m:\n    matrix: {script: [stages/x.py, tools/t.py]}\n    cmd: python ${item.script}\n",
    )
    with pytest.raises(UserError, match=r"stage 'm@tools/t.py' must run a sealed script, .*: python tools/t\.py\."):
        check_sealed(toy.root)
