"""`fetch`: download what is missing into DVC's cache, verify it, and only then check it out.

Nothing that a remote sends is used before its hash was computed and the paths that it lists were checked.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from veritable.errors import UserError
from veritable.files import whole
from veritable.sharing.folders import is_folder
from veritable.sharing.project import FOLDER, Project, open_project
from veritable.sharing.records import list_records, read_record
from veritable.sharing.steps import Steps
from veritable.sharing.store import Store


@dataclass
class Fetched:
    """What a download did.

    Attributes
    ----------
    outputs
        Outputs of the workspace that are complete and verified, as paths relative to the repository.
    missing
        Outputs of the workspace that are neither here nor in the remote, described.
    set_aside
        Objects that were damaged, described; they are intact now.
    records
        Number of new run records; None if the remote is not trusted.
    """

    remote: str
    objects: int = 0
    total_bytes: int = 0
    present: int = 0
    records: int | None = None
    outputs: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    set_aside: list[str] = field(default_factory=list)


def pull(root: Path, remote: str | None, trusted: Collection[str], steps: Steps) -> Fetched:
    """Download the outputs of all commits and of the workspace into DVC's cache, and run records if the remote is trusted.

    Nothing is checked out.

    Parameters
    ----------
    trusted
        Names of the remotes whose run records may be used.

    Raises
    ------
    UserError
        An object does not verify even if it is downloaded a second time, or the remote fails.
    """
    with open_project(root) as project:
        store = Store(project.repo, remote, steps)
        workspace, commits = project.list_outputs(store.name, steps)
        done = Fetched(store.name)
        lacking = _obtain(project, store, {each.oid for each in (*workspace, *commits)}, done, steps)
        if store.name in trusted:
            done.records = _obtain_records(project, store, done, steps)
        done.outputs = sorted(each.path for each in workspace if each.oid not in lacking)
        done.missing = sorted({project.describe(each.oid) for each in workspace if each.oid in lacking})
        return done


def _obtain(project: Project, store: Store, oids: set[str], done: Fetched, steps: Steps) -> set[str]:
    """Make objects, and the files of the folders among them, intact in the cache. Return those that are not to be had."""
    _download(project, store, {oid for oid in oids if is_folder(oid)}, done, steps)
    folders = {oid for oid in oids if is_folder(oid) and project.cache.has(oid)}
    contents, faults = project.read_folders(folders)
    if faults:
        for oid in faults:
            project.cache.set_aside(oid)
        raise UserError(_refusal(project, store, faults))
    _download(project, store, oids.union(*contents.values()) - folders, done, steps)
    absent = {oid for oid in oids.union(*contents.values()) if not project.cache.has(oid)}
    return {oid for oid in oids if oid in absent or absent & contents.get(oid, set())}


def _download(project: Project, store: Store, oids: set[str], done: Fetched, steps: Steps) -> None:
    """Download the objects that are absent or damaged, each a second time if it does not verify."""
    cache = project.cache
    damaged = cache.find_damaged({oid for oid in oids if cache.has(oid)}, steps)
    for oid in damaged:
        cache.set_aside(oid)
    wanted = {oid for oid in oids if not cache.has(oid)}
    done.present += len(oids) - len(wanted)
    if not wanted:
        return
    sizes = store.sizes(wanted)
    steps.begin(f"Fetching from {store.name}", 2 * sum(sizes.values()))  # each byte is downloaded, then hashed

    def get(oid: str) -> tuple[str, bool]:
        partial = cache.partial(oid)
        try:
            store.get_object(oid, partial)
            return oid, cache.accept(oid, partial, steps)
        finally:
            partial.unlink(missing_ok=True)

    wrong = [oid for oid, intact in store.each(get, sorted(sizes)) if not intact]
    wrong_again = [oid for oid, intact in store.each(get, wrong) if not intact]
    cache.save()
    done.objects += len(sizes)
    done.total_bytes += sum(sizes.values())
    done.set_aside += sorted(map(project.describe, (damaged.keys() & sizes.keys()) | set(wrong)))
    if wrong_again:
        raise UserError(_refusal(project, store, dict.fromkeys(wrong_again, "has other bytes than its name says")))


def _obtain_records(project: Project, store: Store, done: Fetched, steps: Steps) -> int:
    """Download the run records that are new, with the objects that they name. Return their number."""
    new = sorted(store.records() - set(list_records(project.cache.runs)))
    steps.begin("Fetching run records", len(new))
    contents = dict(store.each(lambda name: (name, store.get_record(name)), new, count=True))
    read = {name: read_record(name, content) for name, content in contents.items()}
    records = {name: set(outs.values()) for name, outs in read.items() if outs is not None}
    lacking = _obtain(project, store, set().union(*records.values()), done, steps)
    complete = [name for name, outs in records.items() if not outs & lacking]
    for name in complete:
        path = project.cache.runs / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole(path) as partial:
            partial.write_bytes(contents[name])
    return len(complete)


def _refusal(project: Project, store: Store, faults: dict[str, str]) -> str:
    first = min(faults, key=project.describe)
    others = f" and {len(faults) - 1} more" if len(faults) > 1 else ""
    return (
        f"{project.describe(first)}{others} in remote '{store.name}' must verify, but the object {first} {faults[first]}. Nothing "
        f"was checked out, and the object was set aside in {FOLDER / 'quarantine'}. Ask who shares it to run `python -m "
        "veritable fsck --repair` and `python -m veritable share`."
    )
