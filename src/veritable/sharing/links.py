"""Check that no link leads a checkout out of its place: git can bring links, and DVC follows them."""

from collections.abc import Iterable
from pathlib import Path

from veritable.errors import UserError
from veritable.sharing.git import ask_git


def check_links(root: Path, outputs: Iterable[str], files: Iterable[str]) -> None:
    """Check the paths that are going to be written.

    A link above an output may lead out of the repository if it is the user's own, that is, if git does not track it: the folder
    `data` on another disk, for example. Below an output there must be none between folders.

    Parameters
    ----------
    outputs, files
        Outputs, and all files in them, relative to the repository.

    Raises
    ------
    UserError
        A link leads out.
    """
    tops = sorted(outputs)
    above = {parent for each in tops for parent in (Path(each), *Path(each).parents)}
    for path in sorted(above):
        place = root / path
        is_leading_out = place.is_symlink() and place.is_dir() and not place.resolve().is_relative_to(root.resolve())
        if is_leading_out and ask_git(root, "ls-files", "--", str(path)):
            raise UserError(_sentence(path, "git tracks it as a link that leads out of the repository"))
    for path in sorted({parent for each in files for parent in Path(each).parents} - above):
        if (root / path).is_symlink():
            raise UserError(_sentence(path, "it is a link"))


def _sentence(path: Path, reason: str) -> str:
    return f"{path} must be a folder to be written to, but {reason}. Nothing was checked out. Remove the link."
