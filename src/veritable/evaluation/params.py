"""Params of the stages `baselines` and `evaluate`."""

from typing import Annotated

from pydantic import Field

from veritable.params import Section
from veritable.tables.params import Seed, Share


class BaselineParams(Section):
    """Section `baselines`."""

    max_rows: Annotated[int, Field(ge=10)] | None
    learning_curve: list[Annotated[float, Field(gt=0, le=1)]]
    seed: Seed


class EvaluateParams(Section):
    """Section `evaluate`."""

    n_resamples: Annotated[int, Field(ge=100, le=1_000_000)]
    confidence_level: Share
    seed: Seed
