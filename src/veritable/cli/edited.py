"""Keep outputs that were changed by hand: `dvc repro` deletes them and puts the results of their stages there."""

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

KEPT = Path(".dvc/tmp/edited")


@dataclass(frozen=True)
class _Edit:
    stage: str
    path: str  # relative to the repository
    oid: str

    @property
    def copy(self) -> Path:
        return KEPT / f"{self.path}.{self.oid.removesuffix('.dir')[:8]}"


@contextmanager
def kept_edits(root: Path) -> Iterator[None]:
    """Keep a copy of each output that was changed by hand. At the end, name the copies of those that were replaced.

    The copies are hard links, which take no time and no space, and DVC deletes only the names that it knows.
    """
    edits = _find_edits(root)
    for edit in edits:
        _link(root / edit.path, root / edit.copy)
    yield
    left = _find_edits(root) if edits else []
    for edit in edits:
        if edit in left:
            _remove(root / edit.copy)
        else:
            print(
                f"{edit.path} was not what stage '{edit.stage}' had written, and was replaced. It is kept as {edit.copy}.",
                file=sys.stderr,
            )


def _find_edits(root: Path) -> list[_Edit]:
    """Return the outputs whose content is neither what dvc.lock records nor in DVC's cache."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    found = []
    try:
        with Repo(str(root)) as repo:
            for stage in repo.index.stages:
                for out in stage.outs if stage.cmd else []:
                    if out.hash_info and not out.persist and out.exists:
                        current = out.get_hash()
                        if current != out.hash_info and not out.cache.exists(current.value):
                            found.append(_Edit(stage.addressing, os.path.relpath(out.fs_path, root), current.value))
    except DvcException:  # `dvc repro` reports it
        return []
    return found


def _link(source: Path, target: Path) -> None:
    _remove(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, copy_function=os.link)
    else:
        os.link(source, target)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
