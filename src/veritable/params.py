"""Parse a section of params.yaml into a frozen model, and describe a mistake in one sentence.

Models have no defaults: all values are in params.yaml, where DVC sees them change.
"""

import difflib
import reprlib
from collections.abc import Mapping
from types import NoneType
from typing import Annotated, Any, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from veritable.errors import UserError, one_line

_RULES = {  # pydantic's messages repeat the value
    "too_long": "a list of at most {max_length} items",
    "too_short": "a non-empty list",
    "string_too_short": "a non-empty text",
    "string_too_long": "a text of length at most {max_length}",
    "string_pattern_mismatch": "a text of the form {pattern}",
    "model_type": "a section with keys",
}

_MAX_LENGTH = 300


class _Repr(reprlib.Repr):
    """Shorten nested and long values."""

    def repr_int(self, x: int, level: int) -> str:
        """Represent an integer; Python refuses to write one with more than 4,300 digits."""
        return super().repr_int(x, level) if x.bit_length() < 10_000 else "an integer of more than 3,000 digits"


_REPR = _Repr()
_REPR.maxlevel, _REPR.maxstring, _REPR.maxlong, _REPR.maxother = 3, 120, 40, 120


class ParamsError(UserError):
    """Invalid param in params.yaml. The message is one line, whatever the keys contain."""

    def __init__(self, sentence: str):
        super().__init__(one_line(sentence))


class Section(BaseModel):
    """Section of params.yaml."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    @classmethod
    def parse(cls, name: str, values: Mapping[str, Any]) -> Self:
        """Validate the values of a section.

        Raises
        ------
        ParamsError
            A value is invalid, missing or unknown. The message names the key, the rule, the value and, for an unknown key, the
            most similar known key.
        """
        try:
            return cls.model_validate(_with_text_keys(values) if isinstance(values, Mapping) else {})
        except ValidationError as error:
            raise ParamsError(_sentence(name, cls, error)) from None


class MachineParams(Section):
    """Section `machine`: how much of this machine a run may use.

    These params change no result, so no stage is run again for them.
    """

    threads: Annotated[int, Field(ge=1, le=4096)] | None
    max_rows: Annotated[int, Field(ge=1)]
    max_bytes: Annotated[int, Field(ge=1)]


def _with_text_keys(values: Any) -> Any:
    """Convert keys to texts, because YAML reads the key 64 as a number."""
    if not isinstance(values, Mapping):
        return values
    return {str(key): _with_text_keys(value) for key, value in values.items()}


def _sentence(section: str, model: type[Section], error: ValidationError) -> str:
    """Describe the first mistake. Unknown keys come first, because a misspelled key makes the right one missing."""
    mistakes = sorted(error.errors(include_url=False), key=lambda each: each["type"] != "extra_forbidden")
    mistake = mistakes[0]
    path = [str(part) for part in mistake["loc"] if not _is_tag(part)]
    if mistake["type"] == "extra_forbidden" and _is_tag(mistake["loc"][-1]):
        path.append(str(mistake["loc"][-1]))  # a key with the name "int"
    key = ".".join([section, *path])
    if mistake["type"] == "extra_forbidden":
        known, above = list(_model_at(model, path[:-1]).model_fields), ".".join([section, *path[:-1]])
        near = difflib.get_close_matches(path[-1], known, n=1)
        hint = f"Did you mean '{above}.{near[0]}'?" if near else f"The keys are: {', '.join(known)}."
        return f"params.yaml has no key '{key}'. {hint}"
    if mistake["type"] == "missing":
        return f"params.yaml lacks the key '{key}'. Add it, or copy the section from the template's params.yaml."
    if not path:  # a validator of several keys, whose message is a whole sentence
        return f"In params.yaml, {mistake['msg'].removeprefix('Value error, ')}."
    rules = {_rule(each) for each in mistakes if [str(part) for part in each["loc"] if not _is_tag(part)] == path}
    field = _model_at(model, path[:-1]).model_fields.get(path[-1])
    if field is not None and NoneType in get_args(field.annotation):
        rules.add("null")
    return f"'{key}' in params.yaml must be {' or '.join(sorted(rules))}, but is {_preview(mistake['input'])}."


def _model_at(model: type[Section], path: list[str]) -> type[Section]:
    """Return the model of a nested section, or the last model on a path that continues into a list."""
    for name in path:
        inner = model.model_fields[name].annotation if name in model.model_fields else None
        if not (isinstance(inner, type) and issubclass(inner, Section)):
            break
        model = inner
    return model


def _preview(value: object) -> str:
    """Return the beginning of a value's text."""
    text = _REPR.repr(value)
    return text if len(text) <= _MAX_LENGTH else f"{text[:_MAX_LENGTH]}..."


def _rule(mistake: Any) -> str:
    """Describe valid values, as the end of a sentence with "must be"."""
    if rule := _RULES.get(mistake["type"]):
        return rule.format(**mistake["ctx"])
    return str(mistake["msg"].removeprefix("Input should be "))


def _is_tag(part: Any) -> bool:
    """Return whether a step of pydantic's path names a branch of a union, which is not in the file."""
    return isinstance(part, str) and (part in {"int", "float", "bool", "str", "none", "constrained-int"} or "[" in part)
