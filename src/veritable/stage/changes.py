"""Tell whether what a stage depends on changed while it ran: DVC would record what is there now, beside an older result."""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from veritable.errors import UserError
from veritable.stage import code
from veritable.stage.declaration import Declaration, resolve

Snapshot = dict[str, tuple[int, int, int]]


def snapshot(paths: Iterable[Path]) -> Snapshot:
    """Size, time and identity of every file, to tell whether one changed."""
    found = {}
    for path in map(str, paths):
        walk = ((folder, names) for folder, _, names in os.walk(path) if not folder.endswith("__pycache__"))
        for file in (
            [path] if os.path.isfile(path) else [os.path.join(folder, name) for folder, names in walk for name in names]
        ):
            with suppress(FileNotFoundError):  # a link that leads nowhere, or gone by now
                status = os.stat(file)
                found[file] = (status.st_size, status.st_mtime_ns, status.st_ino)
    return found


def refuse_changes(declaration: Declaration, inputs: Snapshot, sources: Snapshot, started: int) -> None:
    """Refuse a result whose inputs, params or sources are not what they were.

    Parameters
    ----------
    inputs, sources
        Snapshots taken before the stage ran.
    started
        When the stage was looked up, in nanoseconds since 1970.
    """

    def refuse(what: str) -> NoReturn:
        raise UserError(f"{what} changed while stage '{declaration.stage}' ran, so its outputs were not kept. Run it again.")

    after = snapshot(declaration.inputs.values())
    for path in sorted(inputs.keys() | after.keys()):
        if inputs.get(path) != after.get(path):
            refuse(os.path.relpath(path, declaration.root))
    if any(_touched(file, started) for file in (declaration.dvcfile, *declaration.params_files)):
        now = resolve(declaration.script)
        if changed := [key for key in declaration.params if now.params.get(key) != declaration.params[key]]:
            refuse(f"params.yaml ({', '.join(changed)})")
        if now != declaration:
            refuse("dvc.yaml")
    if snapshot(map(Path, sources)) != sources:
        code.verify(declaration)


def _touched(file: Path, since: int) -> bool:
    """Whether a file was written, replaced or removed since (the file system's clock may lag a little behind)."""
    return file.stat().st_ctime_ns > since - 10**8 if file.exists() else True
