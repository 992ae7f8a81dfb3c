"""Look at the outputs before `dvc repro`: keep those that were changed by hand, and cache those that the cache has lost.

DVC deletes both and runs their stages again. A result that takes hours would be lost if that run failed.
"""

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from veritable.sharing.named import name_stage

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
def kept_outputs(root: Path) -> Iterator[None]:
    """Keep a copy of each output that was changed by hand, and put outputs that the cache has lost back into it.

    At the end, name the copies of those that were replaced. The copies are hard links, which take no time and no space, and
    DVC deletes only the names that it knows.
    """
    edits = list(_look(root, refill=True))
    for edit in edits:
        _link(root / edit.path, root / edit.copy)
    yield
    left = list(_look(root)) if edits else []
    for edit in edits:
        if edit in left:
            _remove(root / edit.copy)
        else:
            _report(f"{edit.path} was not what stage '{edit.stage}' had written, and was replaced. It is kept as {edit.copy}.")


def _look(root: Path, refill: bool = False) -> Iterator[_Edit]:
    """Yield the outputs whose content is neither what dvc.lock records nor in DVC's cache."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    with Repo(str(root)) as repo:
        try:
            stages = [stage for stage in repo.index.stages if stage.cmd]
        except DvcException:  # `dvc repro` reports it
            return
        for stage in stages:
            for out in stage.outs:
                if not out.hash_info or out.persist or not out.exists:
                    continue
                path, current = os.path.relpath(out.fs_path, root), out.get_hash()
                if current != out.hash_info:
                    if not out.cache.exists(current.value):
                        yield _Edit(name_stage(stage, root), path, current.value)
                elif refill and out.use_cache and out.changed_cache() and _hash_again(out) == out.hash_info:
                    out.commit(relink=False)
                    _report(f"{path} was no longer in DVC's cache, and was put back.")


def _hash_again(out: Any) -> Any:
    """Return the hash of an output, from its content: DVC remembers hashes by size and modification time."""
    from dvc_data.hashfile.state import StateNoop

    out.cache.state, remembered = StateNoop(), out.cache.state
    try:
        return out.get_hash()
    finally:
        out.cache.state = remembered


def _report(sentence: str) -> None:
    print(sentence, file=sys.stderr)


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
