"""`fetch`: download what is missing into DVC's cache, verify it, and only then check it out.

Nothing that a remote sends is used before its hash was computed and the paths that it lists were checked.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from veritable.errors import UserError
from veritable.files import whole
from veritable.sharing.cache import Cache
from veritable.sharing.folders import is_folder
from veritable.sharing.links import check_links
from veritable.sharing.manifest import verify_manifest
from veritable.sharing.project import FOLDER, Project, open_project
from veritable.sharing.records import is_record, list_records, read_record
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
    signer
        Who signed the manifest, as the allowed signers name them; empty if that was not asked for.
    """

    remote: str
    objects: int = 0
    total_bytes: int = 0
    present: int = 0
    records: int | None = None
    outputs: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    set_aside: list[str] = field(default_factory=list)
    signer: str = ""


def pull(root: Path, remote: str | None, trusted: Collection[str], verify: bool, steps: Steps) -> Fetched:
    """Download the outputs of all commits and of the workspace into DVC's cache, and run records if the remote is trusted.

    Nothing is checked out.

    Parameters
    ----------
    trusted
        Names of the remotes whose run records may be used.
    verify
        Require a signed manifest of the outputs of the workspace.

    Raises
    ------
    UserError
        An object does not verify even if it is downloaded a second time, a link leads an output out of the repository, the
        manifest is missing or does not fit, or the remote fails.
    """
    with open_project(root) as project:
        store = Store(project.repo, remote, steps)
        workspace, commits = project.list_outputs(store.name, steps)
        done = Fetched(store.name)
        lacking = _obtain(project, store, {each.oid for each in (*workspace, *commits)}, done, steps)
        if store.name in trusted:
            done.records = _obtain_records(project, store, done, steps)
        complete = [each for each in workspace if each.oid not in lacking]
        done.outputs = sorted(each.path for each in complete)
        done.missing = sorted({project.describe(each.oid) for each in workspace if each.oid in lacking})
        files = project.files_of(complete)
        check_links(root, done.outputs, files)
        if verify:
            if done.missing:
                raise UserError(f"every output must be there to be verified, but these are missing: {', '.join(done.missing)}.")
            done.signer = verify_manifest(project, store, files, steps)
        return done


def _obtain(project: Project, store: Store, oids: set[str], done: Fetched, steps: Steps) -> set[str]:
    """Make objects, and the files of the folders among them, intact in the cache. Return those that are not to be had."""
    cache = project.cache
    _download(project, store, {oid for oid in oids if is_folder(oid)}, done, steps)
    folders = {oid for oid in oids if is_folder(oid) and cache.has(oid)}
    contents, faults = project.read_folders(folders)
    if faults:
        for oid in faults:
            cache.set_aside(oid)
        raise UserError(_refusal(project, store, faults))
    everything = oids.union(*contents.values())
    _download(project, store, everything - folders, done, steps)
    absent = {oid for oid in everything if not cache.has(oid)}
    return {oid for oid in oids if oid in absent or absent & contents.get(oid, set())}


def _download(project: Project, store: Store, oids: set[str], done: Fetched, steps: Steps) -> None:
    """Set aside what is damaged, and download what is absent, if the remote has it."""
    cache = project.cache
    damaged = cache.find_damaged([oid for oid in oids if cache.has(oid)], steps)
    for oid in damaged:
        cache.set_aside(oid)
    wanted = {oid for oid in oids if not cache.has(oid)}
    done.present += len(oids) - len(wanted)
    sizes, repeated, wrong = download(cache, store, wanted, steps)
    done.objects += len(sizes)
    done.total_bytes += sum(sizes.values())
    done.set_aside += sorted(map(project.describe, (damaged.keys() & sizes.keys()) | repeated))
    if wrong:
        raise UserError(_refusal(project, store, dict.fromkeys(wrong, "has other bytes than its name says")))


def download(cache: Cache, store: Store, oids: set[str], steps: Steps) -> tuple[dict[str, int], set[str], set[str]]:
    """Download those objects that the remote has into the cache, each a second time if it does not verify.

    Returns
    -------
    sizes : dict
        Size in bytes of each object that the remote has.
    repeated, wrong : set
        Objects that did not verify the first time, and those among them that did not verify the second time either.
    """
    if not oids:
        return {}, set(), set()
    sizes = store.sizes(oids)
    steps.begin(f"Fetching from {store.name}", 2 * sum(sizes.values()))  # each byte is downloaded, then hashed

    def get(oid: str) -> tuple[str, bool]:
        partial = cache.partial(oid)
        try:
            store.get_object(oid, partial)
            return oid, cache.accept(oid, partial, steps)
        finally:
            partial.unlink(missing_ok=True)

    repeated = {oid for oid, intact in store.each(get, sorted(sizes)) if not intact}
    wrong = {oid for oid, intact in store.each(get, sorted(repeated)) if not intact}
    cache.save()
    return sizes, repeated, wrong


def _obtain_records(project: Project, store: Store, done: Fetched, steps: Steps) -> int:
    """Download the run records that are new, with the objects that they name. Return their number."""
    new = sorted(filter(is_record, store.records() - set(list_records(project.cache.runs))))
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
        f"{project.describe(first)}{others} in remote '{store.name}' must verify, but the object {first} {faults[first]}. "
        f"Nothing was checked out, and the object was set aside in {FOLDER / 'quarantine'}. Ask who shares it to run `python "
        "-m veritable fsck --repair` and `python -m veritable share`."
    )
