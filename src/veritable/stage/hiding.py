"""Hide what a stage does not declare and what neither the kernel nor an audit hook can refuse.

The functions of `os` that ask for a file answer that an undeclared one does not exist, and `os.environ` has only the variables
that the stage gets. So the answers are always the same, and no result can depend on them. Libraries ask for many files and
variables that they can do without: for them, nothing happens. The project's own code is refused if what it asks for is there.
"""

import errno
import functools
import os
import pathlib
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from veritable.stage.seal import Seal, own_file, source_line

Refuse = Callable[[str, str, str], None]  # what, kind of access, message

JOURNALS = ("-wal", "-journal")  # files beside an SQLite database that hold changes of it; the hook looks at their content
_ASKING = ("stat", "lstat", "access", "readlink", "statvfs")
_PASSING = {module.__file__ for name in ("os", "genericpath", "posixpath", "glob") if (module := sys.modules.get(name))}
_PATHLIB = os.path.dirname(pathlib.__file__) if pathlib.__file__.endswith("__init__.py") else pathlib.__file__
_state = threading.local()
_looked_for = set[str]()
_released = False


def install(seal: Seal, refuse: Refuse) -> None:
    """Hide files and variables from this process from now on."""
    _watch_environment(seal, refuse)
    for name in _ASKING:
        original = getattr(os, name)
        hidden = _hiding(original, seal, refuse)
        setattr(os, name, hidden)
        for capable in (os.supports_dir_fd, os.supports_fd, os.supports_follow_symlinks, os.supports_effective_ids):
            if original in capable:
                capable.add(hidden)


def release() -> None:
    """Hide nothing more, because the stage has failed, and its error is to be explained."""
    global _released
    _released = True


def released() -> bool:
    return _released


def looked_for() -> list[str]:
    """Return the names of the variables that libraries looked for, and that DVC has but the stage does not."""
    return sorted(_looked_for)


def real_path(path: str) -> str:
    """Return a path without symbolic links, hidden ones included."""
    with _unhidden():
        return os.path.realpath(path)


@contextmanager
def _unhidden() -> Iterator[None]:
    before, _state.unhidden = getattr(_state, "unhidden", False), True
    try:
        yield
    finally:
        _state.unhidden = before


def _watch_environment(seal: Seal, refuse: Refuse) -> None:
    variables = frozenset(seal.variables)

    class Environment(os._Environ):  # type: ignore[type-arg]
        def __getitem__(self, name: Any) -> Any:
            if name in variables and (seal.level == "report" or self.encodekey(name) not in self._data):  # type: ignore[attr-defined]
                note(name, sys._getframe(1))
            return super().__getitem__(name)

    def note(name: str, frame: FrameType | None) -> None:
        if not is_own(frame, seal.root):
            _looked_for.add(name)
        elif not _released:
            refuse(name, "variable", seal.variable_refusal(name, source_line(frame, seal.root)))

    os.environ.__class__ = Environment


def _hiding(original: Callable[..., Any], seal: Seal, refuse: Refuse) -> Callable[..., Any]:
    @functools.wraps(original)
    def ask(path: Any, *arguments: Any, **named: Any) -> Any:
        if isinstance(path, int) or _released or getattr(_state, "unhidden", False):
            return original(path, *arguments, **named)
        absolute = _absolute(path, named.get("dir_fd"))
        if seal.allows(absolute, "stat") or _belongs_to_declared(absolute, seal) or leads_to_declared(absolute, "stat", seal):
            return original(path, *arguments, **named)
        with _unhidden():
            exists = os.path.lexists(absolute)
        frame = sys._getframe(1)
        if exists and is_own(frame, seal.root):
            refuse(absolute, "stat", seal.refusal(absolute, "stat", source_line(frame, seal.root)))
        if seal.level == "report":
            return original(path, *arguments, **named)
        if original.__name__ == "access":
            return False
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)

    return ask


def leads_to_declared(link: str, kind: str, seal: Seal) -> bool:
    """Return whether a path with symbolic links is that of a declared file. A link in the repository must stay in it."""
    real = real_path(link)
    return real != link and seal.allows(real, kind) and (seal.contains(real) or not seal.contains(link))


def _belongs_to_declared(path: str, seal: Seal) -> bool:
    database = next((path.removesuffix(each) for each in JOURNALS if path.endswith(each)), None)
    return database is not None and seal.allows(database, "read")


def _absolute(path: Any, folder: int | None) -> str:
    text = os.fsdecode(path)
    if not os.path.isabs(text):
        with _unhidden():
            text = os.path.join(os.getcwd() if folder is None else os.readlink(f"/proc/self/fd/{folder}"), text)
    return os.path.normpath(text)


def is_own(frame: FrameType | None, root: str) -> bool:
    """Return whether the project's own code asks, directly or by a function that passes the question on: `os.path.exists`.

    What an import asks for is not the code's own question.
    """
    while frame is not None:
        file = frame.f_code.co_filename
        if file.startswith("<frozen importlib"):
            return False
        if not (file.startswith(("<frozen ", _PATHLIB)) or file in _PASSING):
            return own_file(frame, root) is not None
        frame = frame.f_back
    return False
