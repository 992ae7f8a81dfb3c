"""Explain the seal: an audit hook that stops an undeclared access before it happens and says what to do.

It is installed in the process of the stage and, by children/sitecustomize.py, in every Python process that the stage starts.
"""

import errno
import os
import re
import runpy
import shutil
import sys
import tokenize
from types import FrameType
from typing import Any
from urllib.parse import parse_qs, unquote

from veritable.stage import hiding
from veritable.stage.seal import Seal, report_line, source_line


class AccessRefusedError(Exception):
    """An undeclared access. It is not an OSError, because `glob` and many readers ignore those."""


_LISTS = {"os.listdir", "os.scandir"}
_READS = {"os.getxattr", "os.listxattr"}
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
    "os.setxattr": [(0, None)],
    "os.removexattr": [(0, None)],
}  # event -> positions of (a path, the descriptor of the folder that it is relative to) among its arguments
_RELATIVE = (shutil.__file__, os.__file__)  # rmtree and fwalk open names relative to a folder that the event does not name
_IMPORTER = "<frozen importlib._bootstrap_external>"
_WRITE_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_ENVIRONMENT = re.compile(r"/proc/\d+/(task/\d+/)?environ")  # that of DVC has all that the stage must not get
_COMPILERS = (_IMPORTER, "<frozen zipimport>", "<frozen runpy>", runpy.__file__)  # they run a source file, not show it
_LOOKUPS = {"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"}
_ADDRESSES = dict.fromkeys(_LOOKUPS, 0) | dict.fromkeys(("socket.connect", "socket.sendto", "socket.sendmsg"), 1)


def install(seal: Seal) -> None:
    """Watch this process from now on. An audit hook cannot be removed."""
    root, reported, sources = seal.root, set[tuple[str, str]](), frozenset(seal.sources)

    def refuse(what: str, kind: str, message: str) -> None:
        if (what, kind) in reported:
            return
        if seal.level != "report":
            seal.record(message)
            raise AccessRefusedError(message)
        reported.add((what, kind))
        report_line(message)

    def check(path: Any, kind: str, depth: int = 2) -> None:
        if isinstance(path, int) or path == "" or hiding.released():  # a file that is already open
            return
        absolute, caller = absolute_path(path), sys._getframe(depth)
        if _ENVIRONMENT.fullmatch(absolute) and seal.level != "report":
            raise PermissionError(errno.EACCES, "the seal hides the environment of processes", absolute)
        if seal.allows(absolute, "read" if kind == "list" else kind):
            if absolute in sources and kind == "read":
                check_source(absolute, caller)
            return
        if hiding.leads_to_declared(absolute, kind, seal):
            return
        if kind == "list" and seal.allows(absolute, kind) and not hiding.is_own(caller, root):
            return  # imports list the folders of modules
        if kind == "list" and caller.f_code.co_filename == _IMPORTER and seal.level != "report":
            raise PermissionError(errno.EACCES, "the seal hides this folder from imports", absolute)  # the importer goes on
        if absolute.endswith(".pyc") and kind == "read":  # it may differ from its source: Python then reads the source
            raise PermissionError(errno.EACCES, "the seal hides byte code from imports", absolute)
        refuse(absolute, kind, seal.refusal(absolute, kind, source_line(caller, root)))

    def check_source(path: str, caller: FrameType) -> None:
        """Let Python compile a source file. Its text has comments and line breaks, which are not in the key."""
        if caller.f_code.co_filename in _COMPILERS or seal.level == "report":
            return
        if caller.f_code.co_filename == tokenize.__file__:  # for a traceback or a warning, which can do without
            raise PermissionError(errno.EACCES, "the seal hides the text of source files", path)
        refuse(path, "read", seal.refusal(path, "read", source_line(caller, root)))

    def check_database(database: Any) -> None:
        if (file := sqlite_file(database)) is None:
            return
        check(file, "read", depth=3)
        path = absolute_path(file)
        for journal in (path + suffix for suffix in hiding.JOURNALS):
            if not seal.allows(journal, "read") and _has_content(journal):
                refuse(journal, "read", seal.journal_refusal(path, journal, source_line(sys._getframe(2), root)))

    def check_address(address: Any) -> None:
        if seal.network or hiding.released():
            return
        if isinstance(address, str | bytes):  # a Unix socket
            path = absolute_path(address)
            if "\0" not in path and (seal.allows(path, "write") or hiding.leads_to_declared(path, "write", seal)):
                return
        shown = ":".join(map(str, address[:2])) if isinstance(address, tuple) else os.fsdecode(address).replace("\0", "@")
        refuse(shown, "connect", seal.network_refusal(shown, source_line(sys._getframe(2), root)))

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, mode, flags = arguments
            if mode is None and sys._getframe(1).f_code.co_filename in _RELATIVE and not os.path.isabs(path):
                return
            writing = flags & _WRITE_FLAGS if flags is not None else any(c in (mode or "r") for c in "wax+")
            check(path, "write" if writing else "read")
        elif event in _LISTS:
            check(arguments[0], "list")
        elif event in _READS:
            check(arguments[0], "read")
        elif event == "sqlite3.connect":
            check_database(arguments[0])
        elif event in _WRITES:
            if event == "os.link":
                check(_joined(arguments[0], arguments[2]), "read")
            for position, folder in _WRITES[event]:
                check(_joined(arguments[position], arguments[folder] if folder else -1), "write")
        elif event in _ADDRESSES:
            address = arguments[_ADDRESSES[event]]
            if address is not None:
                check_address((address,) if event in _LOOKUPS else address)

    hiding.install(seal, refuse)
    sys.addaudithook(hook)


def absolute_path(path: Any) -> str:
    """Return an absolute, normal path; None is the working directory."""
    text = os.fsdecode(path) if path is not None else "."
    return os.path.normpath(text if os.path.isabs(text) else os.path.join(os.getcwd(), text))


def sqlite_file(database: Any) -> str | None:
    """Return the file behind the argument of `sqlite3.connect`, a path or a URI; None for a database without a file.

    >>> sqlite_file("file:/data/my%20table.db?mode=ro"), sqlite_file("file:data/x.db"), sqlite_file("file://localhost/x.db")
    ('/data/my table.db', 'data/x.db', '/x.db')
    >>> sqlite_file(":memory:"), sqlite_file("file::memory:?cache=shared"), sqlite_file("file:x?mode=memory"), sqlite_file("")
    (None, None, None, None)
    """
    text = os.fsdecode(database)
    if text.startswith("file:"):
        address, _, query = text.removeprefix("file:").partition("#")[0].partition("?")
        if address.startswith("//"):  # an authority, which is empty or "localhost"
            address = "/" + address.removeprefix("//").partition("/")[2]
        text = unquote(address, errors="surrogateescape")
        if "memory" in parse_qs(query).get("mode", []):
            return None
    return None if text in ("", ":memory:") else text


def _has_content(path: str) -> bool:
    return os.path.isfile(path) and os.path.getsize(path) > 0


def _joined(path: Any, folder: int) -> Any:
    return path if folder == -1 else os.path.join(os.readlink(f"/proc/self/fd/{folder}"), os.fsdecode(path))
