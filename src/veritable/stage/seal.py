"""What the sealed process may access, and the messages that explain a refusal.

The kernel refuses (`landlock`) and an audit hook explains (`hook`). Both are needed: the hook does not see C++ readers and
other programs, and the kernel knows neither names nor source lines. docs/decisions/0002-seal.md has the measurements.

Neither of them covers whether a file exists, environment variables, the clock, the network, and files outside the repository.
"""

import json
import os
import re
import shlex
import sys
import traceback
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from types import FrameType
from typing import Any

HANDOVER = "VERITABLE_HANDOVER"  # path of the saved `Seal`, for the sealed process and every Python process that it starts
LEVEL = "VERITABLE_SEAL"  # kernel: Landlock is required; hook: do not use Landlock; report: report everything, refuse nothing


@dataclass(frozen=True)
class Seal:
    """What a stage may access. All paths are absolute strings; a folder stands for everything in it."""

    stage: str
    level: str
    dvcfile: str
    root: str
    wdir: str
    script: str
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    lists: tuple[str, ...]
    targets: tuple[str, ...]  # files that inputs link to: those in DVC's cache if its link type is symlink
    inputs: dict[str, str]
    outputs: dict[str, str]  # final paths by name
    params_files: tuple[str, ...]
    code: str
    journal: str

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self), indent=1))

    @classmethod
    def load(cls, path: Path) -> "Seal":
        fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in json.loads(path.read_text()).items()}
        return cls(**fields)

    def allows(self, path: str, kind: str) -> bool:
        """Return whether an absolute, normal path may be accessed. Paths outside the repository may.

        Parameters
        ----------
        kind
            "read", "list" or "write".
        """
        if not within(path, self.root):
            return True
        granted = self._granted[kind]
        while path not in granted:
            path = path.rpartition(os.sep)[0]
            if len(path) < len(self.root):
                return False
        return True

    @cached_property
    def _granted(self) -> dict[str, frozenset[str]]:
        read = frozenset(self.reads + self.writes)
        return {"write": frozenset(self.writes), "read": read | frozenset(self.targets), "list": read | frozenset(self.lists)}

    def refusal(self, path: str, kind: str, where: str) -> str:
        """Return a message with the stage, the file, the rule, the source line, and the line to add to dvc.yaml.

        Parameters
        ----------
        kind
            "read", "list" or "write".
        where
            Result of `source_line`.
        """
        shown, group = os.path.relpath(path, self.root), self.stage.split("@")[0]
        dvcfile = os.path.relpath(self.dvcfile, self.root)
        line = os.path.relpath(path, self.wdir)
        line = line if re.fullmatch(r"[\w./@+-]+", line) else json.dumps(line)
        rule, section = f"{dvcfile} does not declare it", "outs" if kind == "write" else "deps"
        remedy = f"Add to stages.{group}.{section} in {dvcfile}:\n      - {line}"
        declared = next((n for n, p in self.outputs.items() if within(path, p)), None)
        if path in self.params_files:
            rule, section = "a stage may use only its declared params", "params"
            remedy = f"Use stage.params, and add to stages.{group}.params in {dvcfile}:\n      - <the key>"
        elif kind == "write" and declared is not None:
            rule, remedy = "outputs are moved there after the stage has succeeded", f"Write to stage.outputs['{declared}']."
        elif path.endswith(".py") and within(path, os.path.join(self.root, "src")) and kind == "read":
            rule = f"no import statement names it, so {os.path.relpath(self.code, self.root)} does not list it"
            remedy = f"Import it by name and run `dvc repro`, or add to stages.{group}.deps in {dvcfile}:\n      - {line}"
        verb = {"read": "read", "list": "list the folder", "write": "write"}[kind]
        return self._message(f"{verb} {shown}", rule, where, remedy)

    def journal_refusal(self, database: str, journal: str, where: str) -> str:
        """Return a message for an SQLite database with a write-ahead log or a rollback journal that DVC does not track."""
        shown, beside = (os.path.relpath(path, self.root) for path in (database, journal))
        rule = f"{beside} has changes of it that DVC does not track"
        remedy = (
            f"Write them into the database before the run:\n      sqlite3 {shlex.quote(shown)} 'PRAGMA journal_mode=DELETE'"
        )
        return self._message(f"read {shown}", rule, where, remedy)

    def _message(self, what: str, rule: str, where: str, remedy: str) -> str:
        at = f"\n  at {where}" if where else ""
        return f"stage '{self.stage}' may not {what}: {rule}.{at}\n  {remedy}"

    def record(self, message: str) -> None:
        """Store a refusal for the supervisor, which reports it even if the stage's code ignores the exception."""
        with open(self.journal, "a") as journal:
            journal.write(json.dumps(message) + "\n")

    def explain(self, error: BaseException) -> str | None:
        """Return the message for an error that the kernel caused in a C++ reader or another program; None if it did not."""
        text = _error_text(error)
        if not any(words in text for words in ("ermission denied", "rrno 13", "CalledProcessError")):
            return None
        paths = [path for path in _paths_in(error, self.wdir) if path != self.root]
        for path in filter(os.path.lexists, paths):
            if not self.allows(path, "read"):
                return self.refusal(path, "list" if os.path.isdir(path) else "read", line_of(error, self.root))
        for path in paths:
            if not os.path.lexists(path) and os.path.isdir(os.path.dirname(path)) and not self.allows(path, "write"):
                return self.refusal(path, "write", line_of(error, self.root))
        return None


def within(path: str, folder: str) -> bool:
    """Return whether an absolute, normal path is a folder or lies in it."""
    return path == folder or path.startswith(folder + os.sep)


def source_line(frame: FrameType | None, root: str) -> str:
    """Return the innermost line of the project's own code, as "src/x.py:12 in read"; "" if there is none."""
    while frame is not None:
        if (shown := _own_file(frame, root)) is not None:
            return f"{shown}:{frame.f_lineno} in {frame.f_code.co_name}"
        frame = frame.f_back
    return ""


def _own_file(frame: FrameType, root: str) -> str | None:
    """Return the file of a frame, relative to the repository; None if it belongs to the seal or to a library."""
    filename = frame.f_code.co_filename
    if filename == "<dynamic-code>":  # cloudpickle sent the function to a worker; its globals still name the file
        filename = str(frame.f_globals.get("__file__", ""))
    path = os.path.abspath(filename)
    seal = os.path.dirname(os.path.abspath(__file__))
    if not filename.endswith(".py") or not within(path, root) or within(path, seal) or "site-packages" in path:
        return None
    return os.path.relpath(path, root)


def line_of(error: BaseException, root: str) -> str:
    """Return the innermost line of the project's own code that an error passed through; "" if there is none."""
    for each in _error_chain(error):
        for frame, lineno in reversed(list(traceback.walk_tb(each.__traceback__))):
            if (shown := _own_file(frame, root)) is not None:
                return f"{shown}:{lineno} in {frame.f_code.co_name}"
    return ""


def _error_chain(error: BaseException | None) -> list[BaseException]:
    chain = []
    while error is not None and error not in chain:
        chain.append(error)
        error = error.__cause__ or error.__context__
    return chain


def _error_text(error: BaseException) -> str:
    """Return the messages of an error and its causes, and the output of a program that failed."""
    parts = []
    for each in _error_chain(error):
        parts.append(f"{type(each).__name__}: {each}")
        for stream in (getattr(each, "stderr", None), getattr(each, "cmd", None)):
            if isinstance(stream, bytes):
                stream = stream.decode(errors="replace")
            parts.append(" ".join(map(str, stream)) if isinstance(stream, list | tuple) else str(stream or ""))
    return "\n".join(parts)


def _paths_in(error: BaseException, wdir: str) -> list[str]:
    """Return the absolute paths that an error may name, the most likely first."""
    text = _error_text(error)
    named = [getattr(each, "filename", None) for each in _error_chain(error)]
    named += re.findall(r"""['"]([^'"\n]+)['"]""", text) + [
        word for word in re.split(r"[\s:=,;()'\"<>|\[\]]+", text) if "." in word or "/" in word
    ]
    texts = [os.fsdecode(each) for each in named if isinstance(each, str | bytes) and each]
    return list(dict.fromkeys(os.path.normpath(os.path.join(wdir, each)) for each in texts if "\0" not in each))


def report_line(message: str) -> None:
    """Print a message to standard error, because standard output belongs to the stage."""
    print(message, file=sys.stderr, flush=True)
