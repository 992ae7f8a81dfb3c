"""The half of the seal that explains: an audit hook that stops an undeclared access before it happens and says all about it.

Installed in the stage's process and, through children/sitecustomize.py, in every Python that it starts.
"""

import errno
import os
import shutil
import sys
from typing import Any

from veritable.stage.seal import Seal, say, source_line, within


class Refused(Exception):  # noqa: N818  (reads as what happened)
    """An undeclared access. Not an OSError: `glob` and many readers swallow those and go on with less."""


_READS = {"sqlite3.connect": "read", "os.listdir": "list", "os.scandir": "list"}
_WRITES: dict[str, list[tuple[int, int | None]]] = {
    "os.mkdir": [(0, 2)],
    "os.rmdir": [(0, 1)],
    "os.remove": [(0, 1)],
    "os.rename": [(0, 2), (1, 3)],
    "os.link": [(1, 3)],
    "os.symlink": [(1, 2)],
    "os.truncate": [(0, None)],
    "os.chmod": [(0, 2)],
    "os.utime": [(0, 3)],
}  # event -> where its arguments have (a path, the open folder that it is relative to); fmt: skip
_RELATIVE = (shutil.__file__, os.__file__)  # rmtree and fwalk open names relative to a folder that the event does not tell
_IMPORTER = "<frozen importlib._bootstrap_external>"
_WRITE_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def install(seal: Seal) -> None:
    """Watch this process from here on. An audit hook cannot be taken off again."""
    root, reported = seal.root, set[tuple[str, str]]()

    def check(path: Any, kind: str) -> None:
        if isinstance(path, int) or path in ("", ":memory:"):  # a file that is open already, a database without a file
            return
        text = os.fsdecode(path) if path is not None else "."
        absolute = os.path.normpath(text if os.path.isabs(text) else os.path.join(os.getcwd(), text))
        if not within(absolute, root):
            return
        if seal.allows(absolute, kind) or leads_to_declared(absolute, kind) or (absolute, kind) in reported:
            return
        if kind == "list" and seal.level != "report" and sys._getframe(2).f_code.co_filename == _IMPORTER:  # looks further
            raise PermissionError(errno.EACCES, "the seal keeps this folder from imports", absolute)
        if absolute.endswith(".pyc") and kind == "read":  # may be of another body than the source: Python then reads the source
            raise PermissionError(errno.EACCES, "the seal keeps byte code from imports", absolute)
        message = seal.refusal(absolute, kind, source_line(sys._getframe(2), root))
        if seal.level == "report":
            reported.add((absolute, kind))
            say(message)
            return
        seal.record(message)
        raise Refused(message)

    def leads_to_declared(link: str, kind: str) -> bool:
        real = os.path.realpath(link)
        return within(real, root) and seal.allows(real, kind)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, mode, flags = arguments
            if mode is None and sys._getframe(1).f_code.co_filename in _RELATIVE and not os.path.isabs(path):
                return
            writing = flags & _WRITE_FLAGS if flags is not None else any(c in (mode or "r") for c in "wax+")
            check(path, "write" if writing else "read")
        elif event in _READS:
            check(arguments[0], _READS[event])
        elif event in _WRITES:
            if event == "os.link":
                check(_joined(arguments[0], arguments[2]), "read")
            for position, folder in _WRITES[event]:
                check(_joined(arguments[position], arguments[folder] if folder else -1), "write")

    sys.addaudithook(hook)


def _joined(path: Any, folder: int) -> Any:
    return path if folder == -1 else os.path.join(os.readlink(f"/proc/self/fd/{folder}"), os.fsdecode(path))
