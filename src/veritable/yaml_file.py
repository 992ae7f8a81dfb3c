"""params.yaml and dvc.yaml as DVC reads them (YAML 1.2), but for what unfolds into more than anyone wrote."""

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode

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
