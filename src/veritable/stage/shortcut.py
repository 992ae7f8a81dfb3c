"""Skip the stage that lists the code if nothing that it reads changed since its last run.

That stage runs in every `dvc repro`, because DVC cannot see which libraries are installed. The comparison takes milliseconds
and does not import DVC, so a `dvc repro` that has nothing to do stays quick. See docs/decisions/0003-code-in-the-key.md.
"""

import hashlib
import json
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from veritable.stage.changes import snapshot
from veritable.stage.meta import hash_variable

RECORD = Path(".dvc/tmp/stages/listed-code.json")


def is_unchanged(root: Path, script: Path) -> bool:
    """Return whether `script` is the stage that lists the code, and a run of it would write what is there already."""
    try:
        record = json.loads((root / RECORD).read_text())
        return bool(record["script"] == str(script) and record["state"] == _state(map(Path, record["paths"]), record["env"]))
    except (OSError, ValueError, KeyError, TypeError):  # no record, or a damaged one: the stage runs
        return False


def record_run(root: Path, script: Path, paths: Iterable[Path], env: Iterable[str]) -> None:
    """Record the state after a run of the stage.

    Parameters
    ----------
    paths
        The files and folders that the stage read and wrote.
    env
        Names of the environment variables whose values it lists.
    """
    listed = sorted({str(path) for path in paths})
    names = sorted(env)
    record = {"script": str(script), "paths": listed, "env": names, "state": _state(map(Path, listed), names)}
    (root / RECORD).write_text(json.dumps(record))


def _state(paths: Iterable[Path], env: Iterable[str]) -> str:
    variables = [(name, hash_variable(name)) for name in env]
    content = [sys.version, sys.prefix, sorted(snapshot(paths).items()), sorted(_distributions()), variables]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _distributions() -> Iterator[tuple[str, int, int]]:
    """Yield path, modification time in nanoseconds and size of the metadata of each installed distribution."""
    for folder in filter(os.path.isdir, sys.path):
        for entry in os.scandir(folder):
            if entry.name.endswith((".dist-info", ".egg-info")):
                metadata = os.path.join(entry.path, "METADATA")
                status = os.stat(metadata if os.path.exists(metadata) else entry.path)
                yield entry.path, status.st_mtime_ns, status.st_size
