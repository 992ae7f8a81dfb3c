"""Read and write JSON so that equal content gives equal bytes: with sorted keys, without NaN, ending in a line feed."""

import json
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
