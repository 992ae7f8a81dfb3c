"""Read a folder object: the file in DVC's cache that lists the files of a folder with their MD5.

DVC uses it as it is. An object from a remote could list `../../.git/config`, so every path is checked here.
"""

import json
import re
from pathlib import Path

from veritable.errors import one_line

MD5 = re.compile(r"[0-9a-f]{32}")
OBJECT = re.compile(r"[0-9a-f]{32}(\.dir)?")


class FolderError(ValueError):
    """A folder object that must not be used. The message is a clause that continues "the folder object"."""


def is_folder(oid: str) -> bool:
    """Return whether an object lists the files of a folder."""
    return oid.endswith(".dir")


def read_folder(path: Path) -> dict[str, str]:
    """Return the MD5 of each file of a folder by its path, relative to the folder.

    Raises
    ------
    FolderError
        It is not a list of files with their MD5, or a path is not that of a file inside the folder.
    """
    try:
        entries = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        raise FolderError("is not JSON") from None
    if not isinstance(entries, list):
        raise FolderError("is not a list of files")
    files: dict[str, str] = {}
    for entry in entries:
        name, md5 = (entry.get("relpath"), entry.get("md5")) if isinstance(entry, dict) else (None, None)
        if not isinstance(name, str) or not isinstance(md5, str) or not MD5.fullmatch(md5):
            raise FolderError("has an entry that is not a path with an MD5")
        if reason := _refusal(name):
            raise FolderError(f"lists '{one_line(name)[:200]}', which {reason}")
        if name in files:
            raise FolderError(f"lists '{one_line(name)[:200]}' twice")
        files[name] = md5
    for name in files:
        parts = name.split("/")
        for depth in range(1, len(parts)):
            if (above := "/".join(parts[:depth])) in files:
                raise FolderError(f"lists '{one_line(above)[:200]}' as a file and as a folder")
    return files


def _refusal(name: str) -> str:
    """Return why a path must not be used, as the end of a clause; empty if it may be."""
    parts = name.split("/")
    if name.startswith("/") or re.match(r"[A-Za-z]:", name):
        return "is an absolute path"
    if ".." in parts:
        return "leaves the folder"
    if any(part in ("", ".") for part in parts) or "\\" in name or "\0" in name:
        return "is no path of a file"
    if any(part.lower().rstrip(". ") in (".git", ".dvc") for part in parts):
        return "belongs to git or DVC"
    return ""
