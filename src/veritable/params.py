"""Read a section of params.yaml into a frozen model; a mistake in it becomes one sentence.

Models have no defaults: every knob stands in params.yaml, where DVC sees it change.
"""

import difflib
from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from veritable.errors import UserError


class ParamsError(UserError):
    """A knob in params.yaml that cannot be what it is."""


class Section(BaseModel):
    """One section of params.yaml."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    @classmethod
    def parse(cls, name: str, values: Mapping[str, Any]) -> Self:
        """Check a section's values.

        Raises
        ------
        ParamsError
            Names the key, the rule, the value and, for an unknown key, the nearest known one.
        """
        try:
            return cls.model_validate(values if isinstance(values, Mapping) else {})
        except ValidationError as error:
            raise ParamsError(_sentence(name, cls, error)) from None


def _sentence(section: str, model: type[Section], error: ValidationError) -> str:
    """The first mistake, in words; a misspelt key makes another one missing, so unknown keys come first."""
    mistakes = sorted(error.errors(include_url=False), key=lambda each: each["type"] != "extra_forbidden")
    mistake = mistakes[0]
    path = [str(part) for part in mistake["loc"] if not _is_tag(part)]
    key = ".".join([section, *path])
    if mistake["type"] == "extra_forbidden":
        known = list(model.model_fields)
        near = difflib.get_close_matches(path[-1], known, n=1)
        hint = f"Did you mean '{section}.{near[0]}'?" if near else f"Known are: {', '.join(known)}."
        return f"params.yaml has no key '{key}'. {hint}"
    if mistake["type"] == "missing":
        return f"params.yaml lacks the key '{key}'. Add it, or take the section over from the template's params.yaml."
    rules = {
        each["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
        for each in mistakes
        if each["loc"][0] == mistake["loc"][0]
    }
    rule = " or ".join(sorted(rules))
    return f"'{key}' in params.yaml must be {rule}, however it is {mistake['input']!r}."


def _is_tag(part: Any) -> bool:
    """Whether a step of pydantic's path names a branch of a union, which stands in no file."""
    return isinstance(part, str) and (part in {"int", "float", "bool", "str", "none"} or "[" in part)
