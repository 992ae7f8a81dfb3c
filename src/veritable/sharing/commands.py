"""`python -m veritable share` and `fetch`."""

import time
from pathlib import Path
from typing import Any

from veritable.errors import UserError, one_line
from veritable.sharing.params import ShareParams
from veritable.sharing.worker import run_limited


def share(root: Path, params: ShareParams, remote: str | None) -> int:
    """Upload everything that a colleague needs so that nothing runs again. Return the exit code.

    Parameters
    ----------
    remote
        Name of a DVC remote; None for the default one.

    Raises
    ------
    UserError
        An object is damaged, or the remote fails or is silent for too long.
    """
    started = time.monotonic()
    done = run_limited("push", root, params.time_limit, remote=remote)
    print(
        f"Shared with {done['remote']}: {_amount(done, started)}; {done['records']:,} run records pushed; {done['present']:,} "
        "objects were there already."
    )
    if done["missing"]:
        print(f"Neither here nor in the remote: {', '.join(done['missing'])}. `dvc repro` makes them.")
    return 0


def fetch(root: Path, params: ShareParams, remote: str | None) -> int:
    """Download what is missing, verify everything, and check out the outputs of the workspace. Return the exit code.

    Raises
    ------
    UserError
        An object does not verify, an output of the workspace was edited, or the remote fails or is silent for too long.
    """
    started = time.monotonic()
    done = run_limited("pull", root, params.time_limit, remote=remote, trusted=params.trusted)
    _check_out(root, done["outputs"])
    records = "no run records, because the remote is not among share.trusted"
    if done["records"] is not None:
        records = f"{done['records']:,} run records"
    print(
        f"Fetched from {done['remote']}: {_amount(done, started)}; {records}; {done['present']:,} objects were there already. "
        "All are verified."
    )
    if done["set_aside"]:
        print(f"Damaged, set aside and fetched again: {', '.join(done['set_aside'])}.")
    if done["missing"]:
        print(f"Neither here nor in the remote: {', '.join(done['missing'])}. `dvc repro` makes them.")
    return 0


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
        raise UserError(
            f"the outputs must be as a stage or DVC left them to be replaced, but are not: {one_line(str(error)).rstrip('.')}. Move "
            "what you want to keep, and run `dvc checkout --force`."
        ) from error
