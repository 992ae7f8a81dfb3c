"""Read JSON files that may be damaged, or written by somebody else, into dataclasses whose annotations are the rules.

Files are refused by one sentence: "'models/classifier/classifier.json' must hold a finite number at 'weights.0', but has nan.
Train it again, or fetch it again."
"""

import reprlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from veritable.errors import UserError, one_line

STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, frozen=True)  # a dataclass's `__pydantic_config__`
_T = TypeVar("_T")
_MAX_LENGTH = 400
_REPR = reprlib.Repr()
_REPR.maxstring = _REPR.maxother = _REPR.maxlong = 60
_UNKNOWN = ("extra_forbidden", "unexpected_keyword_argument")


def parse_json(kind: type[_T], data: bytes) -> _T:
    """Return the object that a JSON text describes.

    Parameters
    ----------
    kind
        Class with annotated fields: a dataclass or a pydantic model.

    Raises
    ------
    ValueError
        The text is not JSON, or a value breaks a rule. The message continues a sentence that begins with the name of the file.
    """
    try:
        found: _T = _adapter(kind).validate_json(data)  # type: ignore[arg-type]  # a metaclass need not be hashable
        return found
    except ValidationError as error:
        raise ValueError(_rule(error)) from None


def read_stored(kind: type[_T], path: Path, remedy: str) -> _T:
    """Return the object that a JSON file describes. See `refuse` for the remedy.

    Raises
    ------
    UserError
        The file does not exist, or is not what it must be.
    """
    return refuse(path, remedy, lambda: parse_json(kind, path.read_bytes()))


def refuse(path: Path, remedy: str, make: Callable[[], _T]) -> _T:
    """Return what `make` makes of a file; a ValueError that it raises becomes the error of the file.

    Parameters
    ----------
    remedy
        What to do, as a sentence: "Train it again, or fetch it again."

    Raises
    ------
    UserError
        The file does not exist, or `make` refuses it.
    """
    if not path.is_file():  # opening a pipe would wait forever
        raise UserError(f"the file '{path}' must exist, but does not. {remedy}")
    try:
        return make()
    except ValueError as error:
        reason = one_line(str(error))
        reason = reason if len(reason) <= _MAX_LENGTH else f"{reason[:_MAX_LENGTH]}..."
        raise UserError(f"'{path}' {reason}. {remedy}") from None


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _rule(error: ValidationError) -> str:
    """Describe the first mistake, unknown keys first: a misspelled key makes the right one missing."""
    mistakes = sorted(error.errors(include_url=False), key=lambda each: each["type"] not in _UNKNOWN)
    mistake: Any = mistakes[0]
    kind, message = mistake["type"], mistake["msg"]
    key = ".".join(str(part) for part in mistake["loc"])
    where = f" at '{key}'" if key else ""
    if kind == "json_invalid":
        return f"must hold JSON, but is damaged: {message.removeprefix('Invalid JSON: ')}"
    if kind in _UNKNOWN:
        return f"must not have the key '{key}', but has it"
    if kind == "missing":
        return f"must have the key '{key}', but lacks it"
    if kind == "value_error":
        return f"{mistake['ctx']['error']}{where}"
    rule = message.removeprefix("Input should be ").removeprefix("Value should have ")
    return f"must hold {rule[0].lower()}{rule[1:]}{where}, but has {_REPR.repr(mistake['input'])}"
