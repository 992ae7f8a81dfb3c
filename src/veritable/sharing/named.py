"""What the versions of the project name: the outputs of every commit and of the workspace, with the objects they consist of."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from veritable.files import whole
from veritable.sharing.git import ask_git
from veritable.sharing.steps import Steps

_DESCRIBING = (":(glob)**/dvc.lock", ":(glob)**/dvc.yaml", ":(glob)**/*.dvc")  # the files that name outputs and their hashes


class Named(NamedTuple):
    """An output in DVC's cache.

    Attributes
    ----------
    path
        Path relative to the repository.
    stage
        Address of the stage that makes it; "data/mine.csv.dvc" if it was added.
    oid
        Name of its object; that of a folder ends in ".dir".
    """

    path: str
    stage: str
    oid: str


def list_workspace(repo: Any, remote: str) -> list[Named]:
    """Return the outputs that dvc.lock and the .dvc files of the workspace name."""
    return [Named(*each[:3]) for each in _outputs(repo) if each[3] in ("", remote)]


def list_commits(repo: Any, root: Path, remote: str, memory: Path, steps: Steps) -> list[Named]:
    """Return the outputs of all commits.

    Only the commits that change a file that names outputs are read. They are remembered in the file `memory`, because DVC takes
    a tenth of a second for each.
    """
    commits = ask_git(root, "rev-list", "--all", "HEAD", "--full-history", "--", *_DESCRIBING).split()
    known = _read_memory(memory)
    if unknown := [commit for commit in commits if commit not in known]:
        steps.begin("Reading commits", len(unknown))
        for commit, outputs in _read_commits(repo, unknown):
            known[commit] = outputs
            steps.advance()
        with whole(memory) as partial:
            partial.write_text(json.dumps({commit: known[commit] for commit in commits if commit in known}))
    listed = {tuple(each) for commit in commits for each in known.get(commit, [])}
    return sorted(Named(*each[:3]) for each in listed if each[3] in ("", remote))


def _read_commits(repo: Any, commits: list[str]) -> Iterator[tuple[str, list[list[str]]]]:
    from dvc.exceptions import DvcException

    for commit in repo.brancher(revs=commits, workspace=False, sha_only=True):
        try:
            yield commit, [list(each) for each in _outputs(repo)]
        except DvcException:  # its dvc.yaml is invalid, so it names nothing that could be had
            yield commit, []


def _outputs(repo: Any) -> Iterable[tuple[str, str, str, str]]:
    """Yield path, stage, object and own remote of each output in the cache of DVC's present revision."""
    for out in repo.index.outs:
        info = out.hash_info
        is_local = out.protocol == "local" and out.is_in_repo and not out.stage.is_repo_import
        if info and info.name == "md5" and is_local and out.use_cache and out.can_push:
            path = Path(out.fs_path).relative_to(repo.root_dir).as_posix()
            yield path, name_stage(out.stage, Path(repo.root_dir)), info.value, out.remote or ""


def name_stage(stage: Any, root: Path) -> str:
    """Return the name of a stage of DVC; `stage.addressing` would be relative to the working directory."""
    file, name = Path(stage.path).relative_to(root).as_posix(), getattr(stage, "name", "")
    if not name:
        return file
    return name if file == "dvc.yaml" else f"{file}:{name}"


def _read_memory(path: Path) -> dict[str, list[list[str]]]:
    try:
        return dict(json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):  # none yet, or damaged: the commits are read again
        return {}
