"""`python -m veritable share` and `fetch`: read the params, and hand over to the room `sharing`."""

from pathlib import Path

from veritable.cli.yaml_file import read_yaml
from veritable.errors import UserError
from veritable.sharing import commands
from veritable.sharing.params import ShareParams

COMMANDS = {"share": commands.share, "fetch": commands.fetch}


def run(command: str, remote: str | None) -> int:
    """Run a command of the room in the working directory. Return the exit code.

    Raises
    ------
    UserError
        params.yaml is invalid, or the command failed.
    """
    file = Path("params.yaml")
    if not file.is_file():
        raise UserError("params.yaml does not exist in this folder. Change to the top folder of the repository.")
    params = read_yaml(file)
    section = params.get("share", {}) if isinstance(params, dict) else {}
    return COMMANDS[command](Path.cwd(), ShareParams.parse("share", section), remote)
