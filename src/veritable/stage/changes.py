"""Check that the inputs of a stage did not change while it ran: DVC would record the new inputs beside the old result."""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from veritable.errors import UserError
from veritable.stage import code
from veritable.stage.declaration import Declaration, resolve

Snapshot = dict[str, tuple[int, int, int, int]]


def snapshot(paths: Iterable[Path]) -> Snapshot:
    """Return size, times of modification and of the last change in nanoseconds, and inode of every file.

    A program can set the modification time, but not the time of the last change.
    """
    found = {}
    for path in map(str, paths):
        walk = ((folder, names) for folder, _, names in os.walk(path) if not folder.endswith("__pycache__"))
        for file in (
            [path] if os.path.isfile(path) else [os.path.join(folder, name) for folder, names in walk for name in names]
        ):
            with suppress(FileNotFoundError):  # a broken link, or a file that was deleted just now
                status = os.stat(file)
                found[file] = (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
    return found


def files_of(declaration: Declaration) -> tuple[Path, ...]:
    """Return dvc.yaml and the files of params that a declaration was read from."""
    return declaration.dvcfile, *declaration.params_files


def check_unchanged(declaration: Declaration, inputs: Snapshot, sources: Snapshot, declared: Snapshot, started: int) -> None:
    """Check that inputs, params, dvc.yaml and sources are what they were when the stage started.

    Parameters
    ----------
    inputs, sources
        Snapshots from before the stage ran.
    declared
        Snapshot of `files_of` from before the stage ran, but after they were read.
    started
        Time from before they were read, in nanoseconds since 1970. It covers the moment in between, and `declared` a clock
        that was set back.

    Raises
    ------
    UserError
        One of them changed.
    """
    after = snapshot(declaration.inputs.values())
    for path in sorted(inputs.keys() | after.keys()):
        if inputs.get(path) != after.get(path):
            _refuse(os.path.relpath(path, declaration.root), declaration)
    check_declaration(declaration, declared, started)
    if snapshot(map(Path, sources)) != sources:
        code.verify(declaration)


def check_declaration(declaration: Declaration, declared: Snapshot, started: int) -> None:
    """Check that dvc.yaml and the params are what they were: see `check_unchanged`.

    Raises
    ------
    UserError
        One of them changed.
    """
    files = files_of(declaration)
    if snapshot(files) != declared or any(_touched(file, started) for file in files):
        now = resolve(declaration.script)
        if changed := [key for key in declaration.params if now.params.get(key) != declaration.params[key]]:
            _refuse(f"params.yaml ({', '.join(changed)})", declaration)
        if now != declaration:
            _refuse("dvc.yaml", declaration)


def _refuse(what: str, declaration: Declaration) -> NoReturn:
    raise UserError(f"{what} changed while stage '{declaration.stage}' ran, so its outputs were not kept. Run it again.")


def _touched(file: Path, since: int) -> bool:
    """Return whether a file was written, replaced or deleted since a time. The clock of the file system may lag slightly."""
    return file.stat().st_ctime_ns > since - 10**8 if file.exists() else True
