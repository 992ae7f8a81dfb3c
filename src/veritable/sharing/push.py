"""`share`: upload everything that a colleague needs so that nothing runs again."""

from dataclasses import dataclass
from pathlib import Path

from veritable.errors import UserError
from veritable.sharing.folders import is_folder
from veritable.sharing.manifest import Signed
from veritable.sharing.project import Project, open_project
from veritable.sharing.steps import Steps
from veritable.sharing.store import Store


@dataclass(frozen=True)
class Shared:
    """What an upload did.

    Attributes
    ----------
    missing
        Outputs of the workspace that are neither here nor in the remote, described.
    """

    remote: str
    objects: int
    total_bytes: int
    present: int
    records: int
    missing: list[str]


def push(root: Path, remote: str | None, manifest: Signed | None, steps: Steps) -> Shared:
    """Upload the outputs of all commits and of the workspace, and the run records with the objects that they name.

    Objects are verified before. Files go first, then the folders that list them, then the records: what a colleague sees of
    an upload that was interrupted is complete.

    Parameters
    ----------
    manifest
        A signed manifest to upload with them.

    Raises
    ------
    UserError
        An object is damaged, or the remote fails.
    """
    with open_project(root) as project:
        cache, store = project.cache, Store(project.repo, remote, steps)
        workspace, commits = project.list_outputs(store.name, steps)
        records = project.list_records()
        tops = {each.oid for each in (*workspace, *commits)}.union(*records.values())
        folders = {oid for oid in tops if is_folder(oid) and cache.has(oid)}
        damaged = cache.find_damaged(folders, steps)
        contents, refused = project.read_folders(folders - damaged.keys())
        wanted = tops.union(*contents.values())
        sizes, known = store.sizes(wanted), store.records()
        here = {oid for oid in wanted if cache.has(oid)}
        new = {oid for oid in here if sizes.get(oid) != cache.size(oid)}
        damaged |= refused | cache.find_damaged(new - folders, steps)
        if damaged:
            raise UserError(_refusal(project, damaged))
        missing = wanted - here - sizes.keys()
        lacking = missing | {oid for oid, files in contents.items() if files & missing}
        new_records = sorted(name for name, outs in records.items() if name not in known and not outs & lacking)
        total_bytes = sum(map(cache.size, new))
        _upload(project, store, new, new_records, total_bytes, steps)
        if manifest:
            store.put_manifest(*manifest)
        lost = sorted({project.describe(each.oid) for each in workspace if each.oid in lacking})
        return Shared(store.name, len(new), total_bytes, len(here) - len(new), len(new_records), lost)


def _upload(project: Project, store: Store, oids: set[str], records: list[str], total_bytes: int, steps: Steps) -> None:
    if not oids and not records:
        return
    store.make_folders(oids, records)
    steps.begin(f"Pushing to {store.name}", total_bytes)
    for group in ([oid for oid in oids if not is_folder(oid)], [oid for oid in oids if is_folder(oid)]):
        store.each(lambda oid: store.put_object(oid, project.cache.path(oid)), sorted(group))
    store.each(lambda name: store.put_record(name, project.cache.runs / name), records)


def _refusal(project: Project, damaged: dict[str, str]) -> str:
    first = min(damaged, key=project.describe)
    others = f" and {len(damaged) - 1} more" if len(damaged) > 1 else ""
    return (
        f"{project.describe(first)}{others} must be intact in DVC's cache to be shared, but the object {first} "
        f"{damaged[first]}. Run `python -m veritable fsck --repair`."
    )
