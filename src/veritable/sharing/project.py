"""The parts that `share`, `fetch` and `fsck` work with: DVC's repository, its cache, a remote, and what the versions name."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from veritable.errors import UserError, one_line
from veritable.sharing.cache import Cache
from veritable.sharing.folders import FolderError, is_folder, read_folder
from veritable.sharing.named import Named, list_commits, list_workspace
from veritable.sharing.records import list_records, read_record
from veritable.sharing.steps import Steps

FOLDER = Path(".dvc/tmp/share")  # of what the commands remember


@dataclass
class Project:
    """A DVC repository in git, opened for sharing."""

    root: Path
    repo: Any
    cache: Cache
    names: dict[str, Named] = field(default_factory=dict)  # how to call an object in a message: the first output that has it

    def list_outputs(self, remote: str, steps: Steps) -> tuple[list[Named], list[Named]]:
        """Return the outputs of the workspace, and those of all commits."""
        workspace = list_workspace(self.repo, remote)
        commits = list_commits(self.repo, self.root, remote, self.root / FOLDER / "commits.json", steps)
        self.name(*workspace, *commits)
        return workspace, commits

    def name(self, *outputs: Named) -> None:
        """Remember what to call the objects of outputs."""
        for each in outputs:
            self.names.setdefault(each.oid, each)

    def list_records(self) -> dict[str, set[str]]:
        """Return the objects that each intact run record on this machine names."""
        return {name: set(outs.values()) for name, outs in self._read_records().items() if outs is not None}

    def list_damaged_records(self) -> list[Path]:
        """Return the files of the run records on this machine that are not what their names say."""
        return [self.cache.runs / name for name, outs in self._read_records().items() if outs is None]

    def _read_records(self) -> dict[str, dict[str, str] | None]:
        return {name: read_record(name, (self.cache.runs / name).read_bytes()) for name in list_records(self.cache.runs)}

    def read_folders(self, oids: Iterable[str]) -> tuple[dict[str, set[str]], dict[str, str]]:
        """Return the objects that folder objects of the cache list, and the fault of each that must not be used."""
        contents, faults = {}, {}
        for oid in oids:
            try:
                files = read_folder(self.cache.path(oid))
            except FolderError as error:
                faults[oid] = str(error)
                continue
            contents[oid] = set(files.values())
            if above := self.names.get(oid):
                self.name(*(Named(f"{above.path}/{name}", above.stage, md5) for name, md5 in files.items()))
        return contents, faults

    def files_of(self, outputs: Iterable[Named]) -> dict[str, str]:
        """Return the object of each file of outputs that are complete in the cache, by path relative to the repository."""
        files: dict[str, str] = {}
        for each in outputs:
            if is_folder(each.oid):
                listed = read_folder(self.cache.path(each.oid))
                files |= {f"{each.path}/{name}": md5 for name, md5 in listed.items()}
            else:
                files[each.path] = each.oid
        return files

    def describe(self, oid: str) -> str:
        """Return what to call an object in a message."""
        if named := self.names.get(oid):
            made = f"stage '{named.stage}'" if not named.stage.endswith(".dvc") else named.stage
            return f"{one_line(named.path)} ({made})"
        return f"object {oid}"


@contextmanager
def open_project(root: Path) -> Iterator[Project]:
    """Open the DVC repository in a folder.

    Raises
    ------
    UserError
        The folder is not a DVC repository in git, or a file of DVC is invalid.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo(str(root)) as repo:
            if not hasattr(repo.scm, "gitpython"):
                raise UserError(f"{root.name}/ must be a git repository, but is not. Run `git init`.")
            cache = Cache(repo, root / FOLDER)
            cache.clean()
            yield Project(root, repo, cache)
    except DvcException as error:
        raise UserError(
            f"{root.name}/ must be a valid DVC repository, but is not: {one_line(str(error)).rstrip('.')}."
        ) from error
