"""Move the outputs of a stage to their final paths, completely or not at all."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from veritable.errors import UserError
from veritable.stage.declaration import Declaration


@contextmanager
def published(declaration: Declaration, staged: dict[str, Path], work: Path) -> Iterator[None]:
    """Move the outputs to their final paths. After an error in the body, move them and what they replaced back.

    Raises
    ------
    UserError
        An output was not written, is a link, or is not declared.
    """
    _check(declaration, staged, work)
    replaced = work / "temporary" / "replaced"
    replaced.mkdir()
    for name, path in staged.items():
        final = declaration.outputs[name]
        final.parent.mkdir(parents=True, exist_ok=True)
        if os.path.lexists(final):  # moved away first: a kill in between leaves no output rather than a mixture
            shutil.move(final, replaced / name)
        shutil.move(path, final)
    try:
        yield
    except UserError:
        for name, path in staged.items():
            shutil.move(declaration.outputs[name], path)
            if os.path.lexists(replaced / name):
                shutil.move(replaced / name, declaration.outputs[name])
        raise


def _check(declaration: Declaration, staged: dict[str, Path], work: Path) -> None:
    missing = [name for name, path in staged.items() if not path.exists()]
    if missing:
        raise UserError(
            f"stage '{declaration.stage}' must write every declared output, but did not write {', '.join(missing)}. "
            f"Write to stage.outputs['{missing[0]}'], or remove it from outs in dvc.yaml."
        )
    for folder, folders, names in os.walk(work / "outputs"):
        for name in (*names, *(each for each in folders if Path(folder, each).is_symlink())):
            file = Path(folder) / name
            if file.is_symlink():
                raise UserError(
                    f"stage '{declaration.stage}' must write regular files, but {name} is a link: DVC would not see its target "
                    "change. Copy the file."
                )
            if not any(file.is_relative_to(path) for path in staged.values()):
                shown = file.relative_to(work / "outputs")
                raise UserError(
                    f"stage '{declaration.stage}' wrote {shown}, which dvc.yaml does not declare.\n"
                    f"  Add to stages.{declaration.stage.split('@')[0]}.outs in dvc.yaml:\n      - {shown}"
                )
