"""What the sealed process may access, and the messages that explain a refusal.

The kernel refuses (`landlock`) and an audit hook explains (`hook`). Both are needed: the hook does not see C++ readers and
other programs, and the kernel knows neither names nor source lines. docs/decisions/0002-seal.md has the measurements.

Outside the repository, a stage may use the system, the interpreter and its packages, and a temporary folder of its own
(`surroundings`). The kernel refuses the network (`sockets`). What neither can refuse, whether a file exists and what the
environment of DVC holds, is hidden (`hiding`). docs/stages.md says what remains.
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
CHANNEL = "VERITABLE_CHANNEL"  # descriptor of a socket, by which the sealed process sends the listener of `sockets`
LEVEL = "VERITABLE_SEAL"  # kernel: Landlock is required; hook: do not use Landlock; report: report everything, refuse nothing
SHARED_MEMORY = "/dev/shm"  # noqa: S108  C libraries keep semaphores and tensors there; the hook lets Python open nothing in it

_NO_NETWORK = re.compile(  # in the messages of C libraries
    r"(?i)(socket|connect).*permission denied|could not translate host name|failed to resolve host|name resolution"
)


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
    ignored: tuple[str, ...]  # what .dvcignore names inside inputs
    sources: tuple[str, ...]  # code whose syntax is in the key, but not its text
    variables: tuple[str, ...]  # names of environment variables that DVC has and the stage does not
    network: bool
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

    def contains(self, path: str) -> bool:
        """Return whether a path is in the repository."""
        return within(path, self.root)

    def allows(self, path: str, kind: str) -> bool:
        """Return whether an absolute, normal path may be accessed.

        Parameters
        ----------
        kind
            "read", "list", "write" or "stat".
        """
        if any(within(path, each) for each in self.ignored):
            return False
        granted = self._granted[kind]
        if kind == "stat" and path in self._above:
            return True
        inside = self.contains(path)
        while path not in granted:
            path = os.path.dirname(path)
            if path == os.sep or (inside and len(path) < len(self.root)):
                return False
        return True

    @cached_property
    def _granted(self) -> dict[str, frozenset[str]]:
        read = frozenset(self.reads + self.writes)
        listed = read | frozenset(self.lists)
        return {
            "write": frozenset(self.writes),
            "read": read | frozenset(self.targets),
            "list": listed,
            "stat": listed | frozenset(self.targets),
        }

    @cached_property
    def _above(self) -> frozenset[str]:
        """Return all folders above what is granted: that they exist says nothing."""
        found = {os.sep}
        for path in (self.root, self.wdir, *self._granted["stat"], *self.outputs.values()):
            while (path := os.path.dirname(path)) not in found:
                found.add(path)
        return frozenset({self.root, self.wdir, *found})

    def refusal(self, path: str, kind: str, where: str) -> str:
        """Return a message with the stage, the file, the rule, the source line, and the line to add to dvc.yaml.

        Parameters
        ----------
        kind
            "read", "list", "write" or "stat".
        where
            Result of `source_line`.
        """
        inside, group = self.contains(path), self.stage.split("@")[0]
        dvcfile = os.path.relpath(self.dvcfile, self.root)
        shown, line = (os.path.relpath(path, top) if inside else path for top in (self.root, self.wdir))
        line = line if re.fullmatch(r"[\w./@+-]+", line) else json.dumps(line)
        rule, section = f"{dvcfile} does not declare it", "outs" if kind == "write" else "deps"
        remedy = f"Add to stages.{group}.{section} in {dvcfile}:\n      - {line}"
        declared = next((n for n, p in self.outputs.items() if within(path, p)), None)
        if path in self.params_files:
            rule, section = "a stage may use only its declared params", "params"
            remedy = f"Use stage.params, and add to stages.{group}.params in {dvcfile}:\n      - <the key>"
        elif any(within(path, each) for each in self.ignored):
            rule = ".dvcignore names it, so DVC does not see it change"
            remedy = "Remove it from the folder, or its pattern from .dvcignore."
        elif path in self.sources:
            rule = f"{os.path.relpath(self.code, self.root)} has a hash of its syntax, not of its text"
        elif not inside:
            rule = f"it is outside the repository, and {rule}"
            remedy += f"\n  or, if its content must not run the stage again, to stages.{group}.meta.outside:\n      - {line}"
            if kind == "write":
                remedy = f"Write to stage.outputs, or add to stages.{group}.meta.outside in {dvcfile}:\n      - {line}"
        elif kind == "write" and declared is not None:
            rule, remedy = "outputs are moved there after the stage has succeeded", f"Write to stage.outputs['{declared}']."
        elif path.endswith(".py") and within(path, os.path.join(self.root, "src")) and kind == "read":
            rule = f"no import statement names it, so {os.path.relpath(self.code, self.root)} does not list it"
            remedy = f"Import it by name and run `dvc repro`, or add to stages.{group}.deps in {dvcfile}:\n      - {line}"
        verb = {"read": "read", "list": "list the folder", "write": "write", "stat": "ask for"}[kind]
        return self._message(f"{verb} {shown}", rule, where, remedy)

    def journal_refusal(self, database: str, journal: str, where: str) -> str:
        """Return a message for an SQLite database with a write-ahead log or a rollback journal that DVC does not track."""
        shown, beside = (os.path.relpath(path, self.root) for path in (database, journal))
        rule = f"{beside} has changes of it that DVC does not track"
        remedy = (
            f"Write them into the database before the run:\n      sqlite3 {shlex.quote(shown)} 'PRAGMA journal_mode=DELETE'"
        )
        return self._message(f"read {shown}", rule, where, remedy)

    def variable_refusal(self, name: str, where: str) -> str:
        """Return a message for an environment variable that is set, but that the stage does not get."""
        group, dvcfile = self.stage.split("@")[0], os.path.relpath(self.dvcfile, self.root)
        remedy = (
            f"Add to stages.{group}.meta.env in {dvcfile}:\n      - {name}\n  or, if it is secret and changes no result, to "
        )
        remedy += f"stages.{group}.meta.secrets."
        return self._message(f"read the environment variable {name}", f"{dvcfile} does not declare it", where, remedy)

    def network_refusal(self, address: str, where: str) -> str:
        """Return a message for an attempt to use the network or a socket of another program."""
        group, dvcfile = self.stage.split("@")[0], os.path.relpath(self.dvcfile, self.root)
        remedy = f"If it must, add to stages.{group} in {dvcfile}:\n      meta: {{network: true}}"
        rule = "DVC does not see what it answers"
        return self._message(f"connect to {address}", rule, where, remedy)

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
        if not self.network and _NO_NETWORK.search(text):
            return self.network_refusal("the network", line_of(error, self.root))
        if not any(words in text for words in ("ermission denied", "rrno 13", "CalledProcessError")):
            return None
        paths = [path for path in _paths_in(error, self.wdir) if not within(self.root, path)]
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
        if (shown := own_file(frame, root)) is not None:
            return f"{shown}:{frame.f_lineno} in {frame.f_code.co_name}"
        frame = frame.f_back
    return ""


def own_file(frame: FrameType, root: str) -> str | None:
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
            if (shown := own_file(frame, root)) is not None:
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
