"""`fsck`: read every object of DVC's cache and compare it with its name.

DVC itself does not read an object again that is read-only.
"""

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from veritable.sharing.cache import hash_file
from veritable.sharing.folders import is_folder
from veritable.sharing.project import Project, open_project
from veritable.sharing.pull import download
from veritable.sharing.steps import Silent, Steps
from veritable.sharing.store import Store


@dataclass
class Checked:
    """What a check of the cache found.

    Attributes
    ----------
    damaged
        A clause for each object that is not what its name says.
    writable
        Objects that somebody may write to, described.
    records
        Number of run records that are not what their names say.
    healed
        Where each damaged object came from again.
    outputs
        Outputs of the workspace that held a damaged object and were removed, to be checked out again.
    lost
        How to get back each object that is nowhere intact: a stage, or the .dvc file of what was added.
    """

    objects: int
    total_bytes: int
    damaged: list[str] = field(default_factory=list)
    writable: list[str] = field(default_factory=list)
    records: int = 0
    healed: dict[str, str] = field(default_factory=dict)
    outputs: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)


def check(root: Path, repair: bool, steps: Steps) -> Checked:
    """Read all objects and run records of the cache.

    Parameters
    ----------
    repair
        Set aside what is damaged, and take it from the workspace or the default remote again.

    Raises
    ------
    UserError
        The remote fails.
    """
    with open_project(root) as project:
        cache = project.cache
        store = Store(project.repo, None, steps) if repair and project.repo.config["core"].get("remote") else None
        project.list_outputs(project.repo.config["core"].get("remote") or "", steps)
        oids = list(cache.oids())
        done = Checked(len(oids), sum(map(cache.size, oids)))
        faults = cache.find_damaged(oids, steps, again=True)
        faults |= project.read_folders([oid for oid in oids if is_folder(oid) and oid not in faults])[1]
        writable = [oid for oid in oids if oid not in faults and not cache.is_protected(oid)]
        records = project.list_damaged_records()
        done.damaged = sorted(f"{project.describe(oid)}: the object {oid} {fault}" for oid, fault in faults.items())
        done.writable, done.records = sorted(map(project.describe, writable)), len(records)
        if repair:
            for oid in writable:
                cache.protect(oid)
            for record in records:
                record.unlink()
            _repair(project, store, set(faults), done, steps)
        return done


def _repair(project: Project, store: Store | None, oids: set[str], done: Checked, steps: Steps) -> None:
    cache = project.cache
    for oid in oids:
        cache.set_aside(oid)
    removed = {oid: path for oid in oids if not is_folder(oid) and (path := _remove_copy(project, oid))}
    for oid in sorted(oids):
        if _take_from_workspace(project, oid):
            done.healed[project.describe(oid)] = "the workspace"
    left = {oid for oid in oids if not cache.has(oid)}
    if store:
        download(cache, store, left, steps)
        done.healed |= {project.describe(oid): f"remote '{store.name}'" for oid in left if cache.has(oid)}
    done.outputs = sorted(path for oid, path in removed.items() if cache.has(oid))
    named = (project.names[oid] for oid in left if not cache.has(oid) and oid in project.names)
    done.lost = sorted({each.stage for each in named})


def _remove_copy(project: Project, oid: str) -> str:
    """Remove the file of the workspace that is a copy of a damaged object. Return its path; empty if there is none."""
    named = project.names.get(oid)
    if named is None or not (file := project.root / named.path).is_file():
        return ""
    damaged = hash_file(project.cache.quarantine / oid, Silent())
    if hash_file(file, Silent()) != damaged:
        return ""
    file.unlink()
    return named.path


def _take_from_workspace(project: Project, oid: str) -> bool:
    """Make an object from the output in the workspace, if that is intact. Return whether it was."""
    named = project.names.get(oid)
    place = project.root / named.path if named else None
    if place is None or not place.exists():
        return False
    partial = project.cache.partial(oid)
    if is_folder(oid):
        files = sorted(path for path in place.rglob("*") if path.is_file())
        listed = [{"md5": hash_file(path, Silent()), "relpath": path.relative_to(place).as_posix()} for path in files]
        listed.sort(key=lambda each: each["relpath"])
        partial.write_text(json.dumps(listed, sort_keys=True))  # as DVC writes it
    else:
        shutil.copyfile(place, partial)
    if hash_file(partial, Silent()) == oid[:32]:
        return project.cache.accept(oid, partial, Silent())
    partial.unlink()
    return False
