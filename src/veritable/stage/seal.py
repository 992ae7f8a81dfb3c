"""What the sealed process may touch, and the words in which a refusal is explained.

The kernel refuses (`landlock`), an audit hook explains (`hook`). Neither alone would do: the hook sees neither C++
readers nor other programs, the kernel knows neither names nor source lines. Measured in docs/decisions/0002-seal.md.

Not covered by either: whether a file exists, environment variables, the clock, the network, files outside the repository.
"""

import json
import os
import re
import sys
import traceback
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from types import FrameType
from typing import Any

HANDOVER = "VERITABLE_HANDOVER"  # names the file that tells a sealed process, and every Python it starts, what it may do
LEVEL = "VERITABLE_SEAL"  # kernel: refuse to run without Landlock; hook: without it; report: say everything, refuse nothing


@dataclass(frozen=True)
class Seal:
    """All paths are absolute strings; a folder stands for everything beneath it."""

    stage: str
    level: str
    dvcfile: str
    root: str
    wdir: str
    script: str
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    lists: tuple[str, ...]
    targets: tuple[str, ...]  # files that links among the inputs lead to: DVC's cache, where its link type is symlink
    inputs: dict[str, str]
    outputs: dict[str, str]  # where each will lie in the end, by name
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
        """Whether `path` (absolute, normal) may be read, listed or written. Whatever lies outside the repository may."""
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
        """One clear message: stage, file, rule, source line, and the line to add to dvc.yaml.

        Parameters
        ----------
        kind
            "read", "list" or "write".
        where
            The source line, as `source_line` gives it, or "".
        """
        shown, group = os.path.relpath(path, self.root), self.stage.split("@")[0]
        dvcfile = os.path.relpath(self.dvcfile, self.root)
        line = os.path.relpath(path, self.wdir)
        line = line if re.fullmatch(r"[\w./@+-]+", line) else json.dumps(line)
        rule, section = f"{dvcfile} does not declare it", "outs" if kind == "write" else "deps"
        remedy = f"Add to stages.{group}.{section} in {dvcfile}:\n      - {line}"
        declared = next((n for n, p in self.outputs.items() if within(path, p)), None)
        if path in self.params_files:
            rule, section = "a stage sees only its declared params", "params"
            remedy = f"Ask stage.params, and add to stages.{group}.params in {dvcfile}:\n      - <the key>"
        elif kind == "write" and declared is not None:
            rule, remedy = "outputs take their places when the stage has ended well", f"Write to stage.outputs['{declared}']."
        elif path.endswith(".py") and within(path, os.path.join(self.root, "src")) and kind == "read":
            rule = f"no import statement leads to it, so {os.path.relpath(self.code, self.root)} does not list it"
            remedy = f"Import it by name and run `dvc repro`, or add to stages.{group}.deps in {dvcfile}:\n      - {line}"
        verb = {"read": "read", "list": "list the folder", "write": "write"}[kind]
        at = f"\n  at {where}" if where else ""
        return f"stage '{self.stage}' may not {verb} {shown}: {rule}.{at}\n  {remedy}"

    def record(self, message: str) -> None:
        """Keep a refusal where the supervisor finds it, even if the stage's own code swallows the exception."""
        with open(self.journal, "a") as journal:
            journal.write(json.dumps(message) + "\n")

    def explain(self, error: BaseException) -> str | None:
        """The refusal behind an error that the kernel caused in a C++ reader or another program; None if it did not."""
        denied = "ermission denied" in _everything(error) or "errno 13" in _everything(error).lower()
        if not denied and "CalledProcessError" not in _everything(error):
            return None
        paths = [path for path in _paths_in(error, self.wdir) if path != self.root]
        for path in filter(os.path.lexists, paths):
            if not self.allows(path, "read"):
                return self.refusal(path, "list" if os.path.isdir(path) else "read", _line_of(error, self.root))
        for path in paths:
            if not os.path.lexists(path) and os.path.isdir(os.path.dirname(path)) and not self.allows(path, "write"):
                return self.refusal(path, "write", _line_of(error, self.root))
        return None


def within(path: str, folder: str) -> bool:
    """Whether an absolute, normal path is a folder or lies beneath it."""
    return path == folder or path.startswith(folder + os.sep)


def source_line(frame: FrameType | None, root: str) -> str:
    """ "src/x.py:12 in read", the innermost line of the project's own code (not of the seal, not of a library)."""
    while frame is not None:
        if (shown := _own(frame.f_code.co_filename, root)) is not None:
            return f"{shown}:{frame.f_lineno} in {frame.f_code.co_name}"
        frame = frame.f_back
    return ""


def _own(filename: str, root: str) -> str | None:
    path = os.path.abspath(filename)
    seal = os.path.dirname(os.path.abspath(__file__))
    if not filename.endswith(".py") or not within(path, root) or within(path, seal) or "site-packages" in path:
        return None
    return os.path.relpath(path, root)


def _line_of(error: BaseException, root: str) -> str:
    for each in _linked(error):
        for frame, lineno in reversed(list(traceback.walk_tb(each.__traceback__))):
            if (shown := _own(frame.f_code.co_filename, root)) is not None:
                return f"{shown}:{lineno} in {frame.f_code.co_name}"
    return ""


def _linked(error: BaseException | None) -> list[BaseException]:
    chain = []
    while error is not None and error not in chain:
        chain.append(error)
        error = error.__cause__ or error.__context__
    return chain


def _everything(error: BaseException) -> str:
    """The error and its causes as text, with what a failed program printed."""
    parts = []
    for each in _linked(error):
        parts.append(f"{type(each).__name__}: {each}")
        for stream in (getattr(each, "stderr", None), getattr(each, "cmd", None)):
            if isinstance(stream, bytes):
                stream = stream.decode(errors="replace")
            parts.append(" ".join(map(str, stream)) if isinstance(stream, list | tuple) else str(stream or ""))
    return "\n".join(parts)


def _paths_in(error: BaseException, wdir: str) -> list[str]:
    """Absolute paths that an error may name, likeliest first."""
    text = _everything(error)
    named = [getattr(each, "filename", None) for each in _linked(error)]
    named += re.findall(r"""['"]([^'"\n]+)['"]""", text) + [
        word for word in re.split(r"[\s:=,;()'\"<>|\[\]]+", text) if "." in word or "/" in word
    ]
    texts = [os.fsdecode(each) for each in named if isinstance(each, str | bytes) and each]
    return list(dict.fromkeys(os.path.normpath(os.path.join(wdir, each)) for each in texts if "\0" not in each))


def say(message: str) -> None:
    """A line for the person, on standard error so that a stage's own output stays clean."""
    print(message, file=sys.stderr, flush=True)
