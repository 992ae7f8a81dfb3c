"""A signed manifest: the SHA-256 of every output, of dvc.lock, params.yaml and code/, signed with a person's SSH key.

DVC names objects by MD5, for which different contents with the same hash can be made, and dvc.lock says what whoever could push
to git wrote into it. A signature says that a certain person vouches for exactly these files.
"""

import json
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

from veritable.digests import hash_path
from veritable.errors import UserError, one_line
from veritable.sharing.git import ask_git
from veritable.sharing.named import list_workspace
from veritable.sharing.project import Project
from veritable.sharing.steps import Steps
from veritable.sharing.store import Store

SIGNERS = Path(".dvc/allowed_signers")  # in git; the format is that of `ssh-keygen`
_NAMESPACE = "veritable"  # a signature for another purpose, such as that of a commit, does not count
_IN_GIT = ("dvc.lock", "params.yaml", "code")


class Signed(NamedTuple):
    """A manifest and its signature.

    Attributes
    ----------
    name
        SHA-256 of dvc.lock: what the manifest is found by.
    """

    name: str
    manifest: str
    signature: str


def sign_manifest(project: Project, remote: str | None, key: str, steps: Steps) -> Signed:
    """Write the manifest of what the workspace shares through a remote, and sign it.

    Parameters
    ----------
    remote
        Name of the remote; None for the default one.
    key
        File of a private key, or of a public one whose private key the SSH agent has.

    Raises
    ------
    UserError
        An object is missing or damaged, dvc.lock, params.yaml or code/ is not committed, or ssh-keygen fails.
    """
    if changed := ask_git(project.root, "status", "--porcelain", "--", *_IN_GIT, ":(glob)**/*.dvc").splitlines():
        raise UserError(f"{changed[0][3:]} must be committed to be signed, but is not. Commit it, then run the command again.")
    outputs = list_workspace(project.repo, remote or project.repo.config["core"].get("remote") or "")
    project.name(*outputs)
    damaged = _find_damaged(project, {each.oid for each in outputs}, steps)
    files = {} if damaged else project.files_of(outputs)
    damaged = damaged or _find_damaged(project, set(files.values()), steps)
    if damaged:
        oid, fault = next(iter(damaged.items()))
        raise UserError(
            f"{project.describe(oid)} must be intact in DVC's cache to be signed, but the object {oid} {fault}. Run `python -m "
            "veritable fsck --repair`, or `dvc repro`."
        )
    digests = _hash_all(project, files)
    text = json.dumps({"files": digests}, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "manifest.json")
        file.write_text(text, "utf-8")
        _ssh(
            "-Y",
            "sign",
            "-q",
            "-n",
            _NAMESPACE,
            "-f",
            key,
            str(file),
            failure=f"{key} must be an SSH key that signs, but is not",
        )
        return Signed(digests["dvc.lock"], text, Path(f"{file}.sig").read_text())


def _find_damaged(project: Project, oids: set[str], steps: Steps) -> dict[str, str]:
    absent = {oid: "does not exist" for oid in oids if not project.cache.has(oid)}
    return absent or project.cache.find_damaged(oids, steps)


def verify_manifest(project: Project, store: Store, files: dict[str, str], steps: Steps) -> str:
    """Check the manifest of the remote against the files. Return who signed it.

    Raises
    ------
    UserError
        The manifest is missing, somebody unknown has signed it, or a file is not what was signed.
    """
    signers = project.root / SIGNERS
    if not signers.is_file():
        raise UserError(f"{SIGNERS} must list the keys that may sign, but does not exist. docs/share.md says how to write it.")
    steps.begin("Verifying the signature")
    actual = _hash_all(project, files)
    found = store.get_manifest(actual["dvc.lock"])
    if found is None:
        raise UserError(
            f"remote '{store.name}' must have a signed manifest of this dvc.lock, but has none. Ask for `python -m veritable "
            "share --sign KEY`, or go back to a commit that was signed."
        )
    manifest, signature = found
    signer = _signer(signers, manifest, signature)
    try:
        signed = json.loads(manifest)["files"]
    except (ValueError, KeyError, TypeError):
        raise UserError("the signed manifest must be JSON with files, but is not. Ask for a new one.") from None
    if different := sorted(path for path in signed.keys() | actual.keys() if signed.get(path) != actual.get(path)):
        others = f" and {len(different) - 1} more" if len(different) > 1 else ""
        raise UserError(
            f"{one_line(different[0])}{others} must be what {signer} signed, but differs. Nothing was checked out. Ask "
            f"{signer} which version is right."
        )
    return signer


def _signer(signers: Path, manifest: bytes, signature: bytes) -> str:
    """Return the name of the allowed signer whose signature it is."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "signature")
        file.write_bytes(signature)
        given = ("-f", str(signers), "-n", _NAMESPACE, "-s", str(file))
        unknown = f"the manifest must be signed by somebody whom {SIGNERS} lists, but is not"
        principals = _ssh("-Y", "find-principals", *given, failure=unknown).splitlines()
        signer = principals[0] if principals else ""
        changed = f"the manifest must be as {signer} signed it, but was changed or signed for another purpose"
        _ssh("-Y", "verify", "-I", signer, *given, content=manifest, failure=changed)
        return one_line(signer)


def _ssh(*arguments: str, failure: str, content: bytes = b"") -> str:
    try:
        done = subprocess.run(["ssh-keygen", *arguments], input=content, capture_output=True)
    except FileNotFoundError:
        raise UserError("ssh-keygen must be installed to sign and verify, but is not. Install OpenSSH.") from None
    if done.returncode:
        reason = one_line((done.stderr or done.stdout).decode(errors="replace").strip())
        raise UserError(f"{failure} ({reason}). Nothing was shared or checked out.")
    return done.stdout.decode(errors="replace")


def _hash_all(project: Project, files: dict[str, str]) -> dict[str, str]:
    """Return the SHA-256 of the object of each file, and of the files in git, outputs among them."""
    uncached = [each.def_path for each in project.repo.index.outs if not each.use_cache and each.is_in_repo]
    in_git = [path for path in ask_git(project.root, "ls-files", "-z", "--", *_IN_GIT, *uncached).split("\0") if path]
    return {path: hash_path(project.cache.path(oid)) for path, oid in files.items()} | {
        path: hash_path(project.root / path) for path in in_git
    }
