"""params.yaml and dvc.yaml as DVC reads them (YAML 1.2), but for what unfolds into more than anyone wrote.

A value is changed where it stands: YAML libraries write the whole file anew, other quotes and `null` left out.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import CollectionNode, MappingNode, Node, ScalarNode

from veritable.errors import UserError, one_line

_MOST_BYTES = 2**20
_MOST_VALUES = 100_000
_MOST_DIGITS = 25
_NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")


def read_yaml(path: Path) -> Any:
    """What the file holds; {} if it is empty.

    Raises
    ------
    UserError
        It is too large or no YAML in UTF-8, has a key twice, a tag or an absurdly long number, or its aliases multiply.
    """
    if (size := path.stat().st_size) > _MOST_BYTES:
        raise UserError(f"{path} must have at most {_MOST_BYTES:,} bytes, however it has {size:,}. Take it over from git.")
    try:
        text = path.read_text(encoding="utf-8-sig")
        if (node := YAML(typ="safe").compose(text)) is not None:
            _check(path, node)
        return YAML(typ="safe").load(text) or {}
    except (YAMLError, ValueError, RecursionError) as error:  # ValueError: no UTF-8, or the 30th of February
        raise UserError(f"{path} must be YAML, however {_said(error)}. Mend it, or take it over from git.") from None


def change_values(path: Path, changes: Mapping[str, Any]) -> None:
    """Give values, by dotted key, other ones; every other character stays, save for the spaces in front of a comment.

    Raises
    ------
    UserError
        A value cannot be changed by itself: there is none, or it is shared by an alias. The file stays as it is.
    """
    wanted, text = _unshared(read_yaml(path)), path.read_bytes().decode()
    top, spots = YAML(typ="safe").compose(text), []
    for key, value in changes.items():
        *above, last = key.split(".")
        inner = wanted
        for name in above:
            inner = inner.get(name) if isinstance(inner, dict) else None
        if not isinstance(inner, dict) or (spot := _spot(top, key.split("."), text)) is None:
            raise _unchangeable(path, key)
        inner[last] = value
        spots.append((spot, value))
    for (start, end), value in sorted(spots, key=lambda spot: spot[0], reverse=True):
        text = text[:start] + _in_place(value, text[start:end], text[end:])
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_bytes(text.encode())
        if not _holds(partial, wanted):
            raise _unchangeable(path, ", ".join(changes))
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _unshared(value: Any) -> Any:
    """A copy in which no part stands in two places, as it does behind an alias."""
    if isinstance(value, dict):
        return {key: _unshared(each) for key, each in value.items()}
    return [_unshared(each) for each in value] if isinstance(value, list) else value


def _holds(path: Path, wanted: Any) -> bool:
    try:
        return bool(read_yaml(path) == wanted)
    except UserError:  # the value had a name, which an alias goes by
        return False


def _unchangeable(path: Path, key: str) -> UserError:
    return UserError(f"{path} must hold {key} as a value of its own, however it does not. Change it by hand, without aliases.")


def _spot(node: Node | None, keys: list[str], text: str) -> tuple[int, int] | None:
    """Where a value's text begins and ends; None if there is no such key."""
    spot = None
    for key in keys:
        pairs = node.value if isinstance(node, MappingNode) else []
        named, node = next(((name, value) for name, value in pairs if name.value == key), (None, None))
        if named is None or node is None:
            return None
        behind = text.index(":", named.end_mark.index) + 1
        start, end = node.start_mark.index, _end(node)
        if end <= start:  # of no value the mark stands somewhere behind
            start = end = behind
        if isinstance(node, CollectionNode) and not node.flow_style:  # in lines of its own, as DVC writes lists
            start = behind
        spot = (start, end)
    return spot


def _end(node: Node) -> int:
    """A block's own mark stands behind the comments that follow it."""
    if isinstance(node, CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return _end(last[1] if isinstance(node, MappingNode) else last)
    return int(node.end_mark.index)


def _in_place(value: Any, before: str, rest: str) -> str:
    """A value and the text that follows: a comment in the same line keeps its column where there is room."""
    text = _written(value)
    if not before or before[0].isspace():  # from the colon on: a comment behind it stays there
        found = re.match(r" *(#[^\n]*)", before)
        text = f" {text}  {found[1]}" if found else f" {text}"
    if (found := re.match(r"( +)#", rest)) and "\n" not in before:
        spaces = len(found[1]) + len(before) - len(text)
        rest = " " * max(2, spaces) + rest[len(found[1]) :]
    return text + rest


def _written(value: Any) -> str:
    """As YAML in one line."""
    if isinstance(value, list):
        return f"[{', '.join(map(_written, value))}]"
    if isinstance(value, str) and re.fullmatch(r"[\w-]+", value) and YAML(typ="safe").load(value) == value:
        return value
    return json.dumps(value, ensure_ascii=False)


def _check(path: Path, top: Node) -> None:
    """Refuse an alias bomb before anything walks it ("billion laughs"): values are counted, each place of an alias anew."""
    counts: dict[int, int] = {}

    def count(node: Node) -> int:
        if id(node) not in counts:
            counts[id(node)] = _MOST_VALUES + 1  # as long as it is being counted: an alias within itself has no end
            if isinstance(node, ScalarNode):
                if node.tag in _NUMBERS and len(node.value) > _MOST_DIGITS:
                    raise UserError(
                        f"numbers in {path} must have at most {_MOST_DIGITS} digits, however line {node.start_mark.line + 1:,} "
                        f"has one of {len(node.value):,}. Write a smaller one, or put it in quotes if it is a text."
                    )
                counts[id(node)] = 1
            else:
                pairs = isinstance(node, MappingNode)
                inner = [each for pair in node.value for each in pair] if pairs else node.value
                counts[id(node)] = 1 + sum(map(count, inner))
        return counts[id(node)]

    if count(top) > _MOST_VALUES:
        raise UserError(
            f"{path} must hold at most {_MOST_VALUES:,} values, however it unfolds into more: an alias (*) stands within "
            "itself, aliases of aliases multiply, or it is just too long. Write less, without aliases."
        )


def _said(error: Exception) -> str:
    """The parser's own words, as a part of a sentence."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, UnicodeDecodeError):
        return f"it is not in UTF-8: byte {error.start + 1:,} is {error.object[error.start : error.start + 1].hex()}"
    if isinstance(error, MarkedYAMLError) and error.problem and error.problem_mark:
        return f"line {error.problem_mark.line + 1:,} is none: {_first_line(error.problem)}"
    return f"it is none: {_first_line(str(error))}"


def _first_line(text: str) -> str:
    return one_line((text.strip().splitlines() or ["it cannot be read"])[0].rstrip("."))[:300]
