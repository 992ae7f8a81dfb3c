"""`python -m veritable share`, `fetch` and `fsck`: read the params, and hand over to the room `sharing`."""

from pathlib import Path

from veritable.cli.yaml_file import read_yaml
from veritable.errors import UserError
from veritable.sharing import commands
from veritable.sharing.params import ShareParams


def share(remote: str | None, *, sign: str | None) -> int:
    """Push to a remote from the repository in the working directory. Return the exit code."""
    return commands.share(Path.cwd(), _params(), remote, sign=sign)


def fetch(remote: str | None, *, verify: bool) -> int:
    """Pull from a remote into the repository in the working directory. Return the exit code."""
    return commands.fetch(Path.cwd(), _params(), remote, verify=verify)


def fsck(*, repair: bool) -> int:
    """Check the cache of the repository in the working directory. Return the exit code."""
    return commands.fsck(Path.cwd(), _params(), repair=repair)


def _params() -> ShareParams:
    file = Path("params.yaml")
    if not file.is_file():
        raise UserError("params.yaml does not exist in this folder. Change to the top folder of the repository.")
    params = read_yaml(file)
    return ShareParams.parse("share", params.get("share", {}) if isinstance(params, dict) else {})
