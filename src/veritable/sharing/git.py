"""Ask git about the repository."""

import subprocess
from pathlib import Path

from veritable.errors import UserError, one_line


def ask_git(root: Path, *arguments: str) -> str:
    """Return what a git command prints.

    Raises
    ------
    UserError
        The command fails, for example because the repository has no commit.
    """
    done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True)
    if done.returncode:
        reason = one_line(done.stderr.strip()).rstrip(".")
        raise UserError(f"{root.name}/ must be a git repository with a commit, but git says: {reason}.")
    return done.stdout
