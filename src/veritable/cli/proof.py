"""Read the outputs that dvc.lock records, and describe the first one that another run made differently."""

import platform
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

from veritable.digests import hash_path
from veritable.errors import one_line
from veritable.files import read_json
from veritable.sharing.named import name_stage

_SHOWN_BYTES = 120  # of a line


@dataclass(frozen=True)
class Output:
    """An output as dvc.lock or a `.dvc` file records it: its MD5 (empty if there is none), and whether git or DVC holds it."""

    md5: str
    files: int
    size_bytes: int
    in_git: bool


@dataclass(frozen=True)
class Stage:
    """A stage, or data that was added to DVC.

    Attributes
    ----------
    is_data
        No command makes the outputs.
    inputs
        Hash of each dependency that no stage makes, and value of each parameter, as they were in the last run.
    outs
        The outputs by path.
    """

    is_data: bool
    inputs: Mapping[str, Any]
    outs: Mapping[str, Output]


def read_stages(root: Path) -> dict[str, Stage]:
    """Read the stages of a repository and the data that was added to it, by the names that DVC prints in its root folder."""
    from dvc.repo import Repo

    with Repo(str(root)) as repo:
        made = {out.fs_path for stage in repo.index.stages for out in stage.outs}
        return {name_stage(stage, root): _read_stage(stage, root, made) for stage in repo.index.stages}


def _read_stage(stage: Any, root: Path, made: set[str]) -> Stage:
    inputs: dict[str, Any] = {}
    for dep in [] if stage.is_data_source else stage.deps:
        if hasattr(dep, "params"):
            inputs |= dep.hash_info.value or {}
        elif not any(Path(dep.fs_path).is_relative_to(path) for path in made):
            inputs[dep.def_path] = dep.hash_info.value
    outs = {Path(out.fs_path).relative_to(root).as_posix(): _read_output(out) for out in stage.outs}
    return Stage(bool(stage.is_data_source), inputs, outs)


def _read_output(out: Any) -> Output:
    return Output(out.hash_info.value or "", out.meta.nfiles or 1, out.meta.size or 0, not out.use_cache)


def list_differences(expected: Mapping[str, Stage], made: Mapping[str, Stage], order: Iterable[str]) -> list[tuple[str, str]]:
    """Return address and path of each output whose hash differs, with the stages in the given order."""
    pairs = [(address, path) for address in order for path in expected[address].outs]
    return [(address, path) for address, path in pairs if expected[address].outs[path].md5 != made[address].outs[path].md5]


def describe_difference(clone: Path, path: str, out: Output, cache: Path) -> str:
    """Return which file of an output differs first from the committed one, and what differs in it.

    Parameters
    ----------
    clone
        Repository at the revision, in which the pipeline ran again.
    path, out
        The output that differs, as it was committed.
    cache
        Folder of DVC's cache that has the committed files, or some of them, by their hashes.
    """
    made = _files_below(clone / path)
    lacking = f"but the committed version is not in DVC's cache: `dvc fetch {path}` gets it"
    if not out.in_git and not _object(cache, out.md5).is_file():
        return f"{path}, {lacking}"
    committed = _files_in_git(clone, path) if out.in_git else _files_in_cache(cache, out.md5)
    for name in sorted(made.keys() | committed.keys()):
        shown = f"{path}/{name}" if name else path
        if name not in made:
            return f"{shown}, which was not made again"
        if name not in committed:
            return f"{shown}, which is not among the committed files"
        if not committed[name].is_file():
            return f"{shown} perhaps, {lacking}"
        if hash_path(committed[name]) != hash_path(made[name]):
            return f"{shown}, {_describe_change(committed[name], made[name])}"
    raise AssertionError(f"{path} has another hash, but the same files")


def _files_below(path: Path) -> dict[str, Path]:
    """Return the files of an output by their path below it; the name of a single file is empty."""
    if path.is_file():
        return {"": path}
    return {each.relative_to(path).as_posix(): each for each in path.rglob("*") if each.is_file()}


def _files_in_git(clone: Path, path: str) -> dict[str, Path]:
    folder = clone / ".dvc/tmp/committed"
    folder.mkdir(exist_ok=True)
    subprocess.run(["git", f"--work-tree={folder}", "checkout", "--quiet", "HEAD", "--", path], cwd=clone, check=True)
    return _files_below(folder / path)


def _files_in_cache(cache: Path, md5: str) -> dict[str, Path]:
    if not md5.endswith(".dir"):
        return {"": _object(cache, md5)}
    return {each["relpath"]: _object(cache, each["md5"]) for each in read_json(_object(cache, md5))}


def _object(cache: Path, md5: str) -> Path:
    return cache / md5[:2] / md5[2:]


def _describe_change(old: Path, new: Path) -> str:
    """Return the first line that differs, or the position of the first byte in files that are not text."""
    with old.open("rb") as committed, new.open("rb") as made:
        pairs = enumerate(zip_longest(committed, made, fillvalue=b""), 1)
        number, lines = next((number, lines) for number, lines in pairs if lines[0] != lines[1])
        start = committed.tell() - len(lines[0])
    same = next((i for i, (one, other) in enumerate(zip(*lines, strict=False)) if one != other), min(map(len, lines)))
    if not all(map(_is_text, lines)):
        return f"byte {start + same + 1:,}"
    left = max(0, same - _SHOWN_BYTES // 2)
    shown = [one_line(line.rstrip(b"\n")[left : left + _SHOWN_BYTES].decode(errors="replace")) for line in lines]
    return f"line {number}:\n  committed  {shown[0]}\n  made now   {shown[1]}"


def _is_text(line: bytes) -> bool:
    try:
        return line.decode().replace("\t", "").rstrip("\r\n").isprintable()
    except UnicodeDecodeError:
        return False


def describe_machine() -> str:
    """Return the version of Python, the system and the CPU."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text().splitlines() if file.is_file() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    cpu = models[0] if models else platform.processor() or "unknown CPU"
    return f"Python {platform.python_version()}, {platform.system()} {platform.machine()}, {cpu}"
