"""Put the earlier outputs of a failed stage back. DVC deletes the outputs of a stage before it runs the stage."""

import os
from pathlib import Path
from typing import Any

from veritable.stage.seal import report_line


def restore_outputs(root: Path, stage: str) -> None:
    """Check out the absent outputs of a stage, as dvc.lock records them, from DVC's cache, and report it.

    No other process may run the stage. A child process of `dvc repro` may call this, because DVC holds the locks of the stage
    and waits for the child to end.

    Parameters
    ----------
    root
        The DVC repository.
    stage
        Address of the stage in DVC: "train", or "sub/dvc.yaml:train".
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    with Repo(str(root)) as repo:
        try:
            outs = [out for each in repo.stage.collect(stage) for out in each.outs]
            absent = [out for out in outs if out.hash_info and not os.path.lexists(out.fs_path)]
            cached = [out for out in absent if out.use_cache and not out.changed_cache()]
            for out in cached:
                out.checkout(force=True)
        except (DvcException, OSError):  # the message of the failed stage matters more
            return
    if cached:
        report_line(f"Earlier outputs restored: {_join_paths(cached, root)}.")
    if in_git := [out for out in absent if not out.use_cache]:
        paths = _join_paths(in_git, root, " ")
        report_line(f"DVC has deleted outputs that are not in its cache. If git has them: git checkout -- {paths}")


def _join_paths(outs: list[Any], root: Path, separator: str = ", ") -> str:
    return separator.join(os.path.relpath(out.fs_path, root) for out in outs)
