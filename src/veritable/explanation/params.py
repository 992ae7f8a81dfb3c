"""Params of the stage `explain`."""

from typing import Annotated, Literal

from pydantic import Field

from veritable.params import Section
from veritable.tables.params import Seed

Name = Annotated[str, Field(min_length=1)]


class ExplainParams(Section):
    """Section `explain`."""

    rows: Annotated[int, Field(ge=1, le=1_000_000)]
    output: Literal["log_odds", "probability"]
    error: Annotated[float, Field(gt=0, le=1)]
    fixed: list[Name]
    groups: dict[Name, Annotated[list[Name], Field(min_length=1)]]
    seed: Seed
