"""Read params.yaml and dvc.yaml as DVC does (YAML 1.2), and change values in place."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from veritable.errors import UserError, one_line


def read_yaml(path: Path) -> Any:
    """Return the content of a YAML file; {} if it is empty.

    Raises
    ------
    UserError
        The file is not YAML in UTF-8, or has a duplicate key or a tag.
    """
    try:
        return YAML(typ="safe").load(path.read_text(encoding="utf-8-sig")) or {}
    except (YAMLError, ValueError, RecursionError) as error:  # ValueError: not UTF-8, or a date such as the 30th of February
        raise UserError(f"{path} must be YAML, but {_reason(error)}. Correct it, or restore it from git.") from None


def change_values(path: Path, changes: Mapping[str, Any]) -> None:
    """Change values, given by dotted key, and keep comments and layout.

    Raises
    ------
    UserError
        A key does not exist, or another key shares its value by an alias. The file stays as it is.
    """
    wanted, yaml = _without_aliases(read_yaml(path)), _round_trip()
    with path.open(encoding="utf-8-sig", newline="") as file:
        content = yaml.load(file)
    for key, value in changes.items():
        *above, last = key.split(".")
        for top in (wanted, content):
            inner = top
            for name in above:
                inner = inner.get(name) if isinstance(inner, dict) else None
            if not isinstance(inner, dict) or last not in inner:
                raise _unchangeable(path, key)
            if top is wanted:
                inner[last] = value
            else:
                _replace(inner, last, value)
    partial = path.with_name(f".{path.name}.partial")
    try:
        text = io.StringIO()
        yaml.dump(content, text)
        partial.write_text(text.getvalue(), encoding="utf-8")
        if read_yaml(partial) != wanted:  # an alias shares the value with another key
            raise _unchangeable(path, ", ".join(changes))
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _round_trip() -> YAML:
    """Return a parser that writes params.yaml as it is."""
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 10**6
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.representer.add_representer(
        type(None), lambda representer, _: representer.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    return yaml


def _replace(section: dict[str, Any], key: str, value: Any) -> None:
    """Change a value. A list keeps its layout, and the comment after its last item, which belongs to the next key."""
    old = section[key]
    if not (isinstance(old, CommentedSeq) and isinstance(value, list) and old and value):
        section[key] = _in_one_line(value)
        return
    trailing = old.ca.items.pop(len(old) - 1, None)
    while old:
        del old[-1]
    old.extend(_in_one_line(each) for each in value)
    if trailing:
        old.ca.items[len(old) - 1] = trailing


def _in_one_line(value: Any) -> Any:
    if not isinstance(value, list):
        return value
    items = CommentedSeq([_in_one_line(each) for each in value])
    items.fa.set_flow_style()
    return items


def _without_aliases(value: Any) -> Any:
    """Return a deep copy in which no object appears twice, as it does behind an alias."""
    if isinstance(value, dict):
        return {key: _without_aliases(each) for key, each in value.items()}
    return [_without_aliases(each) for each in value] if isinstance(value, list) else value


def _unchangeable(path: Path, key: str) -> UserError:
    return UserError(f"{path} must hold a separate value for {key}, but does not. Change it by hand, without aliases.")


def _reason(error: Exception) -> str:
    """Return the parser's message as a part of a sentence."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, UnicodeDecodeError):
        return f"it is not in UTF-8: byte {error.start + 1:,} is {error.object[error.start : error.start + 1].hex()}"
    if isinstance(error, MarkedYAMLError) and error.problem and error.problem_mark:
        return f"line {error.problem_mark.line + 1:,} is invalid: {_first_line(error.problem)}"
    return f"it is invalid: {_first_line(str(error))}"


def _first_line(text: str) -> str:
    return one_line((text.strip().splitlines() or ["it cannot be read"])[0].rstrip("."))[:300]
