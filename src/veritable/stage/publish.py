"""Move the outputs of a stage to their final paths, all of them or none, in an order that a power cut cannot break."""

import ctypes
import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from veritable.errors import UserError
from veritable.stage.declaration import Declaration


@contextmanager
def published(declaration: Declaration, staged: dict[str, Path], work: Path) -> Iterator[None]:
    """Check the outputs of a stage that has succeeded, and move them to their final paths.

    After a UserError in the body, they and what they replaced are moved back.

    Parameters
    ----------
    staged
        Paths of the outputs in the work folder, by name.
    work
        Work folder of the stage.

    Raises
    ------
    UserError
        An output is absent or a link, or a file is not declared.
    OSError
        An output cannot be moved. The earlier outputs are where they were.
    """
    _check(declaration, staged, work)
    sync_disk(work / "outputs")  # before the final names lead to it: a power cut must not leave an output without its content
    replaced, moves = work / "temporary" / "replaced", list[tuple[Path, Path]]()
    replaced.mkdir()
    for name, path in staged.items():
        final = declaration.outputs[name]
        final.parent.mkdir(parents=True, exist_ok=True)
        if os.path.lexists(final):  # moved away first: a kill in between leaves no output rather than a mixture
            moves.append((final, replaced / name))
        moves.append((path, final))
    _move_all(moves)
    try:
        yield
    except UserError:
        _move_back(moves)
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


def _move_all(moves: list[tuple[Path, Path]]) -> None:
    """Move files and folders in turn; if one cannot be moved, move the earlier ones back and raise the error."""
    done = []
    try:
        for source, target in moves:
            _move(source, target)
            done.append((source, target))
    except OSError:
        _move_back(done)
        raise


def _move_back(moves: list[tuple[Path, Path]]) -> None:
    for source, target in reversed(moves):
        _move(target, source)


def _move(source: Path, target: Path) -> None:
    try:
        os.rename(source, target)
    except OSError as error:  # shutil.move alone would empty a folder that it is not permitted to move
        if error.errno != errno.EXDEV:
            raise
        shutil.move(source, target)


def sync_disk(path: Path) -> None:
    """Wait until everything that was written to the file system of a path is on the disk.

    For many files this takes much less time than to wait for each of them.
    """
    syncfs = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
    if syncfs is None:  # not Linux
        os.sync()
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        if syncfs(handle):
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), str(path))
    finally:
        os.close(handle)
