"""DVC's cache on this machine: which objects it has, whether they are what their names say, and what is set aside."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from veritable.files import whole
from veritable.sharing.folders import OBJECT
from veritable.sharing.steps import Steps

_BLOCK_BYTES = 1 << 20
_EMPTY = hashlib.md5(usedforsecurity=False).hexdigest()

State = tuple[int, int, int, int]  # size, modification and change time in nanoseconds, inode


class Cache:
    """DVC's cache, with a memory of the objects that were verified.

    An object in the memory is not read again while its size, times and inode stay the same. That misses bytes that change
    below the file system, such as a failing disk: `fsck` reads everything.

    Parameters
    ----------
    repo
        DVC's `Repo`.
    folder
        Folder for the memory and for what is set aside, inside `.dvc/tmp`.
    """

    def __init__(self, repo: Any, folder: Path):
        self._odb = repo.cache.local
        self.files = Path(self._odb.path)
        self.runs = Path(repo.stage_cache.cache_dir)
        self.quarantine = folder / "quarantine"
        self._partial = self.files.parent / "partial"
        self._memory_file = folder / "verified.json"
        self._verified = _read_memory(self._memory_file)
        folder.mkdir(parents=True, exist_ok=True)

    def path(self, oid: str) -> Path:
        """Return the path of an object."""
        if not OBJECT.fullmatch(oid):
            raise ValueError(f"{oid!r} is not the name of an object")
        return Path(self._odb.oid_to_path(oid))

    def has(self, oid: str) -> bool:
        """Return whether an object is there, intact or not."""
        return self.path(oid).is_file()

    def size(self, oid: str) -> int:
        """Return the size of an object in bytes."""
        return self.path(oid).stat().st_size

    def oids(self) -> Iterator[str]:
        """Yield the name of every object."""
        if not self.files.is_dir():
            return
        for prefix in os.scandir(self.files):
            if prefix.is_dir():
                yield from sorted(oid for each in os.scandir(prefix) if OBJECT.fullmatch(oid := prefix.name + each.name))

    def is_verified(self, oid: str) -> bool:
        """Return whether an object was verified and has not changed since, as far as the file system says."""
        return self._verified.get(oid) == _state(self.path(oid))

    def find_damaged(self, oids: Iterable[str], steps: Steps, *, again: bool = False) -> dict[str, str]:
        """Read objects and return what is wrong with those that are not what their names say, by name.

        Parameters
        ----------
        again
            Read also the objects that were verified before.
        """
        unread = [oid for oid in oids if again or not self.is_verified(oid)]
        steps.begin("Verifying", sum(map(self.size, unread)))
        with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
            found = dict(zip(unread, pool.map(lambda oid: self._fault(oid, steps), unread), strict=True))
        self.save()
        return {oid: fault for oid, fault in found.items() if fault}

    def _fault(self, oid: str, steps: Steps) -> str:
        """Return what is wrong with an object as the end of a clause; empty if it is intact, which is remembered."""
        path = self.path(oid)
        before = _state(path)
        if hash_file(path, steps) == oid[:32]:
            self._remember(oid, before)
            return ""
        self._verified.pop(oid, None)
        return "is empty" if not path.stat().st_size else "has other bytes"

    def _remember(self, oid: str, state: State | None) -> None:
        if state:
            self._verified[oid] = state

    def save(self) -> None:
        """Write the memory of what was verified."""
        with whole(self._memory_file) as partial:
            partial.write_text(json.dumps(self._verified))

    def partial(self, oid: str) -> Path:
        """Return a path at which to write an object before it is verified, on the file system of the cache."""
        self._odb.makedirs(str(self._partial))
        return self._partial / f"{oid}.{os.getpid()}"

    def accept(self, oid: str, partial: Path, steps: Steps) -> bool:
        """Move a downloaded object to its place if it is what its name says, otherwise set it aside. Return which."""
        if hash_file(partial, steps) != oid[:32]:
            self._set_aside(oid, partial)
            return False
        path = self.path(oid)
        self._odb.makedirs(str(path.parent))
        self._odb.protect(str(partial))
        partial.replace(path)
        self._remember(oid, _state(path))
        return True

    def set_aside(self, oid: str) -> None:
        """Move an object out of the cache, into the quarantine."""
        self._verified.pop(oid, None)
        self._set_aside(oid, self.path(oid))

    def _set_aside(self, oid: str, path: Path) -> None:
        self.quarantine.mkdir(parents=True, exist_ok=True)
        shutil.move(path, self.quarantine / oid)

    def is_protected(self, oid: str) -> bool:
        """Return whether nobody may write to an object."""
        return bool(self._odb.is_protected(str(self.path(oid))))

    def protect(self, oid: str) -> None:
        """Take the permission to write to an object from everybody."""
        self._odb.protect(str(self.path(oid)))

    def clean(self) -> None:
        """Remove what interrupted downloads have left."""
        for path in self._partial.glob("*"):
            pid = path.name.rpartition(".")[2]
            if not pid.isdigit() or not _is_running(int(pid)):
                path.unlink(missing_ok=True)
        with suppress(OSError):  # it does not exist, or another process uses it
            self._partial.rmdir()


def hash_file(path: Path, steps: Steps) -> str:
    """Return the MD5 of a file, counting its bytes."""
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
            steps.advance(len(block))
    return digest.hexdigest()


def _state(path: Path) -> State | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def _read_memory(path: Path) -> dict[str, State]:
    try:
        return {oid: (size, mtime, ctime, inode) for oid, (size, mtime, ctime, inode) in json.loads(path.read_text()).items()}
    except (OSError, ValueError, AttributeError, TypeError):  # none yet, or damaged: everything is read again
        return {}


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it runs, as another user
        return True
    return True
