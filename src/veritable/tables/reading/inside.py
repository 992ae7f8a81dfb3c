"""A table must lie in the repository, unless params.yaml says otherwise."""

import os
from pathlib import Path

from veritable.tables.errors import TableError


def check_inside(path: Path, top: Path) -> None:
    """That a table lies below `top`, links followed; all files of a folder too.

    Raises
    ------
    TableError
        It does not.
    """
    for each in [path, *(path.iterdir() if os.path.isdir(path) else ())]:  # noqa: PTH112  a name too long is no error
        try:
            inside = each.resolve().is_relative_to(top.resolve())
        except (OSError, RuntimeError, ValueError):  # a loop of links, or no name that a file can have
            inside = False
        if not inside:
            raise TableError(
                f"table '{each}' must lie in the repository, however it leads out of it. "
                "Copy the file into data/, or set data.allow_outside: true in params.yaml."
            )
