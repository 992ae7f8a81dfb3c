"""Tell whether the command of a stage runs behind the seal."""

import ast
import re
import shlex
from pathlib import Path
from typing import Any

from veritable.errors import UserError

_PYTHON = re.compile(r"python(\d+(\.\d+)?)?")
_SHELL = set("();<>|&`$\n")


def sealed_script(stage: Any) -> Path | None:
    """Return the script of a sealed stage; None if the command is anything but `python SCRIPT [ARGUMENT ...]`.

    Parameters
    ----------
    stage
        A stage of DVC.
    """
    if not isinstance(stage.cmd, str) or _SHELL & set(stage.cmd.strip()):
        return None
    try:
        python, script, *_ = shlex.split(stage.cmd)
    except ValueError:  # fewer than two words, or a quote that is not closed
        return None
    path = Path(stage.wdir, script).resolve()
    return path if _PYTHON.fullmatch(Path(python).name) and path.suffix == ".py" and _begins_with_run(path) else None


def _begins_with_run(script: Path) -> bool:
    """Return whether `run(__name__)` comes before everything else in a script, which would run unsealed."""
    try:
        body = ast.parse(script.read_bytes()).body
    except (OSError, SyntaxError, ValueError):
        return False
    if body and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
        body = body[1:]  # the docstring
    if len(body) < 2 or not isinstance(body[0], ast.ImportFrom):
        return False
    imports_run = body[0].module == "veritable.stage.contract" and any(each.name == "run" for each in body[0].names)
    return imports_run and ast.unparse(body[1]) == "run(__name__)"


def seal_fault(stage: Any) -> str | None:
    """Return a sentence if a stage is not sealed and its `meta` does not say why; None otherwise."""
    meta = stage.meta if isinstance(stage.meta, dict) else {}
    if "unsealed" in meta:
        reason = meta["unsealed"]
        if isinstance(reason, str) and reason.strip():
            return None
        return (
            f"stages.{stage.name}.meta.unsealed in dvc.yaml must be the reason why the stage is not sealed, but is {reason!r}."
        )
    if sealed_script(stage) is not None:
        return None
    return (
        f"stage '{stage.name}' must run a sealed script, but its command is: {_shorten(stage.cmd)}. Without the seal, DVC does "
        "not see what the command reads. Use `cmd: python stages/NAME.py` with a script that begins with `run(__name__)` (see "
        f"veritable.stage.contract), or add to stages.{stage.name} in dvc.yaml:\n      meta: {{unsealed: REASON}}"
    )


def check_sealed(root: Path) -> bool:
    """Check that every stage of a repository is sealed. Return False if DVC cannot read its files.

    Raises
    ------
    UserError
        One is not, and its `meta` does not say why.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo(str(root)) as repo:
            stages = [stage for stage in repo.index.stages if hasattr(stage, "name")]
    except DvcException:
        return False
    if fault := next(filter(None, map(seal_fault, stages)), None):
        raise UserError(fault)
    return True


def _shorten(command: Any) -> str:
    text = command if isinstance(command, str) else " && ".join(map(str, command))
    line = " ".join(text.split())
    return line if len(line) <= 100 else f"{line[:100]}..."
