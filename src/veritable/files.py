"""JSON as every output has it: sorted keys, no NaN, a last line feed, so that equal content is equal bytes."""

import json
from pathlib import Path
from typing import Any


def write_json(path: Path, content: Any) -> None:
    """Write `content`; raises ValueError where it holds NaN or an infinity."""
    path.write_text(json.dumps(content, indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False) + "\n", "utf-8")


def read_json(path: Path) -> Any:
    """What `write_json` wrote."""
    return json.loads(path.read_text("utf-8"))
