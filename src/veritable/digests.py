"""SHA-256 of files and folders, as the command `sha256sum` computes them."""

import hashlib
from pathlib import Path


def hash_path(path: Path) -> str:
    """Return the SHA-256 of a file or folder in hexadecimal digits.

    That of a folder is the hash of what `find . -type f | LC_ALL=C sort | xargs sha256sum` prints in it, so it covers the names
    and the contents of all files.
    """
    if path.is_dir():
        lines = (f"{hash_path(path / name)}  {name}\n" for name in _names(path))
        return hashlib.sha256("".join(lines).encode()).hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _names(folder: Path) -> list[str]:
    """Return the names of all files below a folder, each beginning with "./", in the order of their bytes."""
    names = (f"./{each.relative_to(folder).as_posix()}" for each in folder.rglob("*") if each.is_file())
    return sorted(names, key=lambda name: name.encode())
