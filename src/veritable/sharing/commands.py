"""`python -m veritable share`, `fetch` and `fsck`."""

import time
from pathlib import Path
from typing import Any

from veritable.errors import UserError, one_line
from veritable.sharing.params import ShareParams
from veritable.sharing.steps import Silent
from veritable.sharing.worker import run_limited


def share(root: Path, params: ShareParams, remote: str | None, *, sign: str | None) -> int:
    """Upload everything that a colleague needs so that nothing runs again. Return the exit code.

    Parameters
    ----------
    remote
        Name of a DVC remote; None for the default one.
    sign
        File of the SSH key to sign a manifest of the outputs with; None for no manifest.

    Raises
    ------
    UserError
        An object is damaged, the manifest cannot be signed, or the remote fails or is silent for too long.
    """
    manifest = _sign(root, remote, sign) if sign else None
    started = time.monotonic()
    done = run_limited("push", root, params.time_limit, remote=remote, manifest=manifest)
    print(
        f"Shared with {done['remote']}: {_amount(done, started)}; {done['records']:,} run records; {done['present']:,} objects "
        f"were there already.{' The manifest is signed.' if sign else ''}"
    )
    _print_missing(done)
    return 0


def fetch(root: Path, params: ShareParams, remote: str | None, *, verify: bool) -> int:
    """Download what is missing, verify everything, and check out the outputs of the workspace. Return the exit code.

    Parameters
    ----------
    verify
        Require a manifest that one of the allowed signers has signed.

    Raises
    ------
    UserError
        An object or the manifest does not verify, an output of the workspace was edited, or the remote fails or is silent for
        too long.
    """
    started = time.monotonic()
    done = run_limited("pull", root, params.time_limit, remote=remote, trusted=params.trusted, verify=verify)
    _check_out(root, done["outputs"])
    is_trusted = done["records"] is not None
    records = f"{done['records']:,} run records" if is_trusted else "no run records: share.trusted does not list the remote"
    print(
        f"Fetched from {done['remote']}: {_amount(done, started)}; {records}; {done['present']:,} objects were there already. "
        f"All are verified{', and signed by ' + done['signer'] if verify else ''}."
    )
    if done["set_aside"]:
        print(f"Damaged, set aside and fetched again: {', '.join(done['set_aside'])}.")
    _print_missing(done)
    return 0


def fsck(root: Path, params: ShareParams, *, repair: bool) -> int:
    """Compare every object of DVC's cache with its name. Return the exit code: 0 if all are intact now.

    Parameters
    ----------
    repair
        Replace what is damaged from the workspace or the default remote.

    Raises
    ------
    UserError
        The remote fails or is silent for too long, or an output of the workspace was edited.
    """
    started = time.monotonic()
    done = run_limited("check", root, params.time_limit, repair=repair)
    _check_out(root, done["outputs"])
    for line in done["damaged"]:
        print(f"Damaged   {line}")
    for name in done["writable"]:
        print(f"Writable  {name}")
    for name, source in done["healed"].items():
        print(f"Healed    {name}, from {source}")
    if done["records"]:
        print(f"Damaged   {done['records']:,} run records{', removed' if repair else ''}")
    for stage in done["lost"]:
        way = f"add the data of {stage} again with `dvc add`" if stage.endswith(".dvc") else f"run `dvc repro {stage}`"
        print(f"Lost      Nothing intact was found: {way}.")
    found = len(done["damaged"]) + len(done["writable"]) + done["records"]
    state = f"{found:,} faults" if found else "all intact"
    print(f"Checked   {_amount(done, started)}: {state}.")
    if found and not repair:
        print("Run `python -m veritable fsck --repair`.")
    return int(bool(done["lost"] if repair else found))


def _sign(root: Path, remote: str | None, key: str) -> list[str]:
    from veritable.sharing.manifest import sign_manifest
    from veritable.sharing.project import open_project

    with open_project(root) as project:  # in this process, because ssh-keygen may ask for a passphrase
        return list(sign_manifest(project, remote, key, Silent()))


def _print_missing(done: dict[str, Any]) -> None:
    if done["missing"]:
        print(f"Neither here nor in the remote: {', '.join(done['missing'])}. `dvc repro` makes them.")


def _amount(done: dict[str, Any], started: float) -> str:
    return f"{done['objects']:,} objects, {done['total_bytes']:,} bytes in {time.monotonic() - started:.1f} s"


def _check_out(root: Path, outputs: list[str]) -> None:
    """Write verified outputs into the workspace, as dvc.lock names them."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    if not outputs:
        return
    try:
        with Repo(str(root)) as repo:
            repo.checkout(targets=[str(root / path) for path in outputs])
    except DvcException as error:
        reason = one_line(str(error)).rstrip(".")
        raise UserError(
            f"the outputs must be as a stage or DVC left them to be replaced, but are not: {reason}. Everything is in DVC's "
            "cache: move what you want to keep, and run `dvc checkout --force`."
        ) from error
