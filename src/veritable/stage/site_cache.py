"""Keep DVC's site cache in a private folder of the repository.

DVC loads pickles from it, and its default, /var/tmp/dvc, may be written to by every user of the machine.
"""

import os
from pathlib import Path

from veritable.errors import UserError

FOLDER, VARIABLE = Path(".dvc/tmp/site"), "DVC_SITE_CACHE_DIR"


def use_private_site_cache(root: Path) -> None:
    """Make the folder, and let DVC use it in this process and in those that it starts, unless the user has named another one.

    Nothing happens in a folder that is not the top of a DVC repository.

    Raises
    ------
    UserError
        Others can write to the folder.
    """
    if not (root / ".dvc").is_dir() or os.environ.get(VARIABLE):
        return
    folder = root / FOLDER
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
    except OSError as error:
        raise UserError(
            f"{FOLDER} must be a folder that belongs to you, but is not ({error.strerror}). Remove it; it holds nothing that "
            "cannot be made again."
        ) from None
    os.environ[VARIABLE] = str(folder)
