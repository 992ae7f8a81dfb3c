"""Params of the stage `explain`."""

from typing import Annotated

from pydantic import Field

from veritable.params import Section
from veritable.tables.params import Seed


class ExplainParams(Section):
    """Section `explain`."""

    rows: Annotated[int, Field(ge=1, le=1_000_000)]
    background_rows: Annotated[int, Field(ge=2, le=1_000_000)]  # the standard error needs two
    n_permutations: Annotated[int, Field(ge=1, le=100_000)]
    seed: Seed
