"""Read a version of the project from git and DVC's cache: a commit, branch, tag or experiment, or the workspace.

Nothing is checked out and no stage runs. What counts is dvc.lock: it names the parameters, inputs and outputs of the last run.
"""

import hashlib
import logging
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from veritable.errors import UserError, one_line
from veritable.reporting.summary import parse_code

WORKSPACE = "workspace"


@dataclass(frozen=True)
class Version:
    """What git and DVC hold of a version.

    Attributes
    ----------
    name
        The revision as the user wrote it.
    commit
        Abbreviated hash of the commit; empty for the workspace.
    params
        The parameters of the last run by section.
    inputs
        Hashes of the inputs of the stage `preprocess` by path.
    classifier
        Hash of the classifier; empty if there is none.
    code
        Versions of libraries and hashes of modules by stage, from the folder code/.
    files
        Content of the outputs that could be had, by path.
    notes
        A sentence for each thing that is missing or does not belong to the last run.
    """

    name: str
    commit: str
    params: Mapping[str, Any]
    inputs: Mapping[str, str]
    classifier: str
    code: Mapping[str, Mapping[str, str]]
    files: Mapping[str, bytes]
    notes: Sequence[str]


def read_versions(root: Path, names: Iterable[str], paths: Sequence[str]) -> list[Version]:
    """Read versions of the repository in a folder.

    Outputs that are not in DVC's cache are fetched into it from the remote.

    Parameters
    ----------
    names
        Revisions, or "workspace".
    paths
        Files among the outputs to read; they need not exist in every version.

    Raises
    ------
    UserError
        The folder is not a DVC repository in git, a revision does not exist, or a version holds no run.
    """
    with open_repository(root) as repo:
        return [_read_version(repo, root, name, paths) for name in names]


@contextmanager
def open_repository(root: Path) -> Iterator[Any]:
    """Open the DVC repository in a folder, without DVC's warnings: what matters of them is in the errors of the commands.

    Raises
    ------
    UserError
        The folder is not a DVC repository in git.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    for name in ("dvc", "dvc_data", "dvc_objects"):
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with Repo(str(root)) as repo:
            if not hasattr(repo.scm, "gitpython"):
                raise UserError(f"{root.name}/ must be a git repository, but is not. Run `git init`.")
            yield repo
    except DvcException as error:
        raise UserError(f"{root.name}/ must be a valid DVC repository, but is not: {error}.") from error


def _read_version(repo: Any, root: Path, name: str, paths: Sequence[str]) -> Version:
    commit = "" if name == WORKSPACE else resolve_revision(repo, name)
    with repo.switch(commit or WORKSPACE):
        stages = {stage.name: stage for stage in repo.index.stages if hasattr(stage, "name")}
        params = _locked_params(stages.values())
        if "evaluate" not in stages or not any(out.hash_info for out in stages["evaluate"].outs):
            raise UserError(
                f"{name} holds no evaluated classifier: its dvc.lock has no finished run of the stage 'evaluate'. Run the "
                "pipeline there, and commit dvc.lock."
            )
        code = _read_code(repo, stages)
        notes = _outdated_params(name, stages.values()) + _outdated_code(name, repo, stages)
        inputs = _inputs(stages)
        classifier = next((out.hash_info.value or "" for out in stages["train"].outs), "") if "train" in stages else ""
        made = {out.def_path for stage in stages.values() for out in stage.outs}
        in_git = {path: found for path in made.intersection(paths) if (found := _in_git(repo, path)) is not None}
        folders = sorted({Path(path).parent.as_posix() for path in paths} & made)
        wanted = _wanted(repo, folders, paths)
    files = _read(repo, wanted, root if not commit else None)
    if lacking := _lacking(wanted, files):
        reason = fetch_outputs(repo, commit, lacking)
        with repo.switch(commit or WORKSPACE):
            wanted |= _wanted(repo, lacking, paths)
        files |= _read(repo, wanted, None)
        notes += [_missing(name, folder, reason) for folder in _lacking(wanted, files)]
    return Version(name, commit[:7], params, inputs, classifier, code, files | in_git, notes)


def _lacking(wanted: Mapping[str, Mapping[str, str] | None], files: Mapping[str, bytes]) -> list[str]:
    """Return the folders that are not known or of which a file is missing."""
    return [folder for folder, hashes in wanted.items() if hashes is None or not hashes.keys() <= files.keys()]


def _wanted(repo: Any, folders: Iterable[str], paths: Sequence[str]) -> dict[str, dict[str, str] | None]:
    """Return the hashes of the wanted files of each folder in the present revision; None if the folder's list is missing."""
    from dvc_data.index import DataIndexDirError

    found: dict[str, dict[str, str] | None] = {}
    for folder in folders:
        try:
            entries = repo.datafs.ls(folder, detail=True)
        except (FileNotFoundError, NotADirectoryError, DataIndexDirError):
            found[folder] = None
        else:
            found[folder] = {each["name"]: each["entry"].hash_info.value for each in entries if each["name"] in paths}
    return found


def _read(repo: Any, wanted: Mapping[str, Mapping[str, str] | None], workspace: Path | None) -> dict[str, bytes]:
    """Read files from DVC's cache, or from the workspace if they are unchanged there."""
    files = {}
    for path, md5 in (pair for hashes in wanted.values() for pair in (hashes or {}).items()):
        places = [Path(repo.cache.local.oid_to_path(md5))] + ([workspace / path] if workspace else [])
        if content := next((found for place in places if (found := _unchanged(place, md5)) is not None), None):
            files[path] = content
    return files


def describe_commit(root: Path, commit: str) -> str:
    """Return the nearest tag of a commit, with the distance and the abbreviated hash if it is not on the commit itself."""
    described = subprocess.run(
        ["git", "describe", "--tags", "--always", commit], cwd=root, capture_output=True, text=True, check=True
    )
    return described.stdout.strip()


def resolve_revision(repo: Any, name: str) -> str:
    """Return the hash of the commit that a commit, branch, tag or experiment names.

    Raises
    ------
    UserError
        It does not exist.
    """
    from dvc.scm import RevError, resolve_rev

    try:
        return str(resolve_rev(repo.scm, name))
    except RevError:
        raise UserError(
            f"'{name}' must be a commit, branch, tag or experiment of this repository, but git knows none of that name. "
            "`git log --oneline --all` and `dvc exp list` show what there is."
        ) from None


def _locked_params(stages: Iterable[Any]) -> dict[str, Any]:
    """Return the values that the stages last ran with, by section."""
    params: dict[str, Any] = {}
    for key, value in sorted((pair for stage in stages for pair in _locked_values(stage).items()), key=lambda pair: pair[0]):
        section, *rest = key.split(".")
        if rest:
            inner = params.setdefault(section, {})
            for name in rest[:-1]:
                inner = inner.setdefault(name, {})
            inner.setdefault(rest[-1], value)
        else:
            params[section] = value
    return params


def _locked_values(stage: Any) -> dict[str, Any]:
    found = [dep.hash_info.value for dep in stage.deps if hasattr(dep, "params") and dep.hash_info]
    return {key: value for values in found for key, value in values.items()}


def _inputs(stages: Mapping[str, Any]) -> dict[str, str]:
    """Return the hashes of the table's files: what `preprocess` reads except its code."""
    deps = stages["preprocess"].deps if "preprocess" in stages else []
    known = [dep for dep in deps if not hasattr(dep, "params") and not dep.def_path.startswith("code/")]
    return {dep.def_path: str(dep.hash_info.value or "") for dep in known}


def _read_code(repo: Any, stages: Iterable[str]) -> dict[str, dict[str, str]]:
    """Return the content of code/*.txt in the present revision."""
    texts = {name: _in_git(repo, f"code/{name}.txt") for name in stages}
    return {name: parse_code(text.decode()) for name, text in texts.items() if text is not None}


def _in_git(repo: Any, path: str) -> bytes | None:
    """Return the content of a file of the present revision; None if it does not exist."""
    place = repo.fs.join(repo.root_dir, path)
    if not repo.fs.isfile(place):
        return None
    with repo.fs.open(place, "rb") as file:
        return bytes(file.read())


def _outdated_params(name: str, stages: Iterable[Any]) -> list[str]:
    """Say which sections of params.yaml changed after the last run."""
    changed = set()
    for stage in stages:
        for dep in stage.deps:
            if hasattr(dep, "params") and dep.hash_info:
                now = dep.read_params(flatten=True)
                changed |= {key for key, value in dep.hash_info.value.items() if key not in now or now[key] != value}
    if not changed:
        return []
    return [
        f"{name}: {', '.join(sorted(changed))} in params.yaml changed after its last run. The results and the params "
        "shown are those of that run."
    ]


def _outdated_code(name: str, repo: Any, stages: Mapping[str, Any]) -> list[str]:
    """Say which stages' code changed after their last run."""
    changed = []
    for stage, entry in stages.items():
        locked = {dep.def_path: dep.hash_info.value for dep in entry.deps if not hasattr(dep, "params") and dep.hash_info}
        text, wanted = _in_git(repo, f"code/{stage}.txt"), locked.get(f"code/{stage}.txt")
        if text is not None and wanted and hashlib.md5(text, usedforsecurity=False).hexdigest() != wanted:
            changed.append(stage)
    if not changed:
        return []
    return [f"{name}: the code of {', '.join(changed)} changed after its last run. The results shown are those of that run."]


def _unchanged(path: Path, md5: str) -> bytes | None:
    """Return the content of a file; None if it does not exist or has another hash."""
    content = path.read_bytes() if path.is_file() else None
    return content if content is not None and hashlib.md5(content, usedforsecurity=False).hexdigest() == md5 else None


def fetch_outputs(repo: Any, commit: str, paths: list[str]) -> str:
    """Fetch outputs of a revision into the cache. Return why that failed; empty if it did not."""
    try:
        repo.fetch(targets=paths, revs=[commit] if commit else None, workspace=not commit)
    except Exception as error:  # each kind of remote has its own errors, and the comparison goes on without the files
        return one_line(str(error)).rstrip(".")
    return ""


def _missing(name: str, folder: str, reason: str) -> str:
    why = f" ({reason})" if reason else ""
    return (
        f"{name}: files of {folder} are neither in DVC's cache nor in the remote{why}. Run `python -m veritable share` where "
        "they were made, or run the pipeline at that revision."
    )
