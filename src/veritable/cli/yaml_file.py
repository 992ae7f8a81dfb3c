"""Read params.yaml and dvc.yaml as DVC does (YAML 1.2), and change values in place.

Values are replaced in the text, at the positions that ruamel.yaml reports. Its round trip would change other lines too: it
deletes the comments below a replaced block list (the form in which `dvc exp run -S` writes lists), joins lists that span
several lines, and mixes LF into files with CRLF.
"""

import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import CollectionNode, MappingNode

from veritable.errors import UserError, one_line
from veritable.files import whole


def read_yaml(path: Path, remedy: str = "Correct it, or restore it with git.") -> Any:
    """Return the content of a YAML file; {} if it is empty.

    Parameters
    ----------
    remedy
        What to do if it is not valid.

    Raises
    ------
    UserError
        The file is not YAML in UTF-8, or has conflict markers, a duplicate key or a tag.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        if marker := re.search(r"^<{7} .*", text, re.MULTILINE):
            line = text.count("\n", 0, marker.start()) + 1
            raise UserError(f"{path} must be valid YAML, but line {line:,} is a conflict marker of git. {remedy}")
        return YAML(typ="safe").load(text) or {}
    except (YAMLError, ValueError, RecursionError) as error:  # ValueError: not UTF-8, or a date such as the 30th of February
        raise UserError(f"{path} must be valid YAML, but {_reason(error)}. {remedy}") from None


def change_values(path: Path, changes: Mapping[str, Any]) -> None:
    """Change values, given by dotted key. Nothing else in the file changes, except spaces before a comment on the same line.

    Raises
    ------
    UserError
        A key does not exist, or another key shares its value by an alias. The file stays as it is.
    """
    text, wanted = path.read_bytes().decode(), _without_aliases(read_yaml(path))
    top, edits = YAML(typ="safe", pure=True).compose(text), []
    unchangeable = UserError(
        f"{path} must have a separate value for {' and '.join(changes)}, but does not. Change it by hand, without aliases."
    )
    for key, value in changes.items():
        *above, last = key.split(".")
        inner = wanted
        for name in above:
            inner = inner.get(name) if isinstance(inner, dict) else None
        edit = _find_edit(text, top, [*above, last], value)
        if not isinstance(inner, dict) or edit is None:
            raise unchangeable
        inner[last] = value
        edits.append(edit)
    for start, end, new in sorted(edits, reverse=True):
        text = text[:start] + new + text[end:]
    if not _is_yaml_of(text, wanted):
        raise unchangeable
    with whole(path) as partial:
        partial.write_bytes(text.encode())


def _without_aliases(value: Any) -> Any:
    """Return a deep copy in which no object appears twice, as it does behind an alias."""
    if isinstance(value, dict):
        return {key: _without_aliases(each) for key, each in value.items()}
    return [_without_aliases(each) for each in value] if isinstance(value, list) else value


def _is_yaml_of(text: str, content: Any) -> bool:
    try:
        return bool(YAML(typ="safe").load(text) == content)
    except YAMLError:  # the replaced text defined an alias
        return False


def _find_edit(text: str, top: Any, keys: list[str], value: Any) -> tuple[int, int, str] | None:
    """Return the start and the end of the text to replace, and the new text; None if there is no such key."""
    name, node = None, top
    for key in keys:
        pairs = node.value if isinstance(node, MappingNode) else []
        name, node = next(((name, each) for name, each in pairs if name.value == key), (None, None))
    if name is None or node is None:
        return None
    start, end, new, comment = node.start_mark.index, _end(node), _format(value), None
    if end <= start or _is_block(node):  # an empty value, or one that starts below its key: replace all that follows the colon
        start = text.index(":", name.end_mark.index) + 1
        end = end if _is_block(node) else start
        comment, new = re.match(r"( *)#[^\r\n]*", text[start:end]), f" {new}"
    old = text[start:end]
    if comment:  # beside the key: it stays there
        width = len(comment[1]) - len(new)
        return start, end, new + " " * max(2, width) + comment[0].lstrip()
    if spaces := re.match(r" +(?=#)", text[end:]):  # a comment beside the value keeps its column if there is room
        width = len(spaces[0]) + (0 if "\n" in old else len(old) - len(new))
        return start, end + len(spaces[0]), new + " " * max(2, width)
    return start, end, new


def _is_block(node: Any) -> bool:
    return isinstance(node, CollectionNode) and not node.flow_style


def _end(node: Any) -> int:
    """Return where a node ends. The end mark of a block would include the comments below it."""
    while _is_block(node) and node.value:
        node = node.value[-1][1] if isinstance(node, MappingNode) else node.value[-1]
    return int(node.end_mark.index)


def _format(value: Any) -> str:
    """Format a value as YAML on one line."""
    yaml, stream = YAML(typ="safe", pure=True), io.StringIO()
    yaml.default_flow_style, yaml.width = True, 10**6
    is_collection = isinstance(value, (list, dict))
    yaml.dump(value if is_collection else [value], stream)  # a text in a list is quoted if it holds a comma or a bracket
    text = stream.getvalue().strip()
    return text if is_collection else text[1:-1]


def _reason(error: Exception) -> str:
    """Return the parser's message as a part of a sentence."""
    if isinstance(error, RecursionError):
        return "is nested too deeply"
    if isinstance(error, UnicodeDecodeError):
        return f"is not in UTF-8: byte {error.start + 1:,} is {error.object[error.start : error.start + 1].hex()}"
    if isinstance(error, MarkedYAMLError) and error.problem and error.problem_mark:
        context = f"{error.context} " if error.context and error.problem.startswith("but ") else ""
        return f"line {error.problem_mark.line + 1:,} is not: {_first_line(context + error.problem)}"
    return f"is not: {_first_line(str(error))}"


def _first_line(text: str) -> str:
    return one_line((text.strip().splitlines() or ["it cannot be read"])[0].rstrip("."))[:300]
