"""Write JSON so that equal content gives equal bytes (sorted keys, no NaN, a line feed at the end), texts safe for CSV, and
files that appear whole or not at all.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def write_json(path: Path, content: Any) -> None:
    """Write `content` to a JSON file.

    Raises
    ------
    ValueError
        It holds NaN or an infinity.
    """
    path.write_text(json.dumps(content, indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False) + "\n", "utf-8")


def read_json(path: Path) -> Any:
    """Return the content of a JSON file."""
    return json.loads(path.read_text("utf-8"))


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Yield another path to write to, which replaces the file once it is written; after an error, the file is as it was.

    The content is on the disk before the name leads to it, so that the same holds after a power cut.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield partial
        sync(partial)
        partial.replace(path)
        sync(path.parent)
    finally:
        partial.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Wait until the content of a file, or the names in a folder, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def escape_formula(text: str | None) -> str | None:
    """Prefix a text that a spreadsheet would run as a formula with an apostrophe; numbers such as "-1" stay.

    >>> escape_formula("=1+1"), escape_formula("-1")
    ("'=1+1", '-1')
    """
    if text is None or not text.startswith(("=", "+", "-", "@", "\t", "\r")):
        return text
    try:
        float(text)
    except ValueError:
        return f"'{text}"
    return text
