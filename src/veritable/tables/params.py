"""The knobs of `generate` and `preprocess`."""

from typing import Annotated

from pydantic import Field, model_validator

from veritable.params import Section

Share = Annotated[float, Field(gt=0, lt=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]


class GenerateParams(Section):
    """Section `generate`: scikit-learn's make_classification."""

    rows: Annotated[int, Field(ge=10)]
    features: Annotated[int, Field(ge=1)]
    informative: Annotated[int, Field(ge=1)]
    redundant: Annotated[int, Field(ge=0)]
    classes: Annotated[int, Field(ge=2)]
    seed: Seed

    @model_validator(mode="after")
    def _fits(self) -> "GenerateParams":
        if self.informative + self.redundant > self.features:
            raise ValueError("such that informative + redundant is at most features")
        if self.classes * 2 > 2**self.informative:
            raise ValueError("such that 2 x classes is at most 2 to the power of informative")
        return self


class DataParams(Section):
    """Section `data`: the table and how it is split."""

    path: Annotated[str, Field(min_length=1)]
    columns: list[str] | None
    missing: list[str]
    target: Annotated[str, Field(min_length=1)]
    positive: str | int | float | bool | None
    drop: list[str]
    max_categories: Annotated[int, Field(ge=1)]
    valid: Share
    test: Share
    shard_rows: Annotated[int, Field(ge=1)]
    seed: Seed

    @model_validator(mode="after")
    def _leaves_rows_to_train(self) -> "DataParams":
        if self.valid + self.test >= 1:
            raise ValueError("such that valid + test is below 1, or nothing is left to train on")
        return self
