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
            raise ValueError(
                "generate.informative + generate.redundant must be at most generate.features, however they are "
                f"{self.informative} + {self.redundant} against {self.features}"
            )
        if self.classes * 2 > 2 ** min(self.informative, 64):
            raise ValueError(
                "2 x generate.classes must be at most 2 to the power of generate.informative, however it is "
                f"{2 * self.classes} against {2**self.informative}"
            )
        return self


class DataParams(Section):
    """Section `data`: the table and how it is split."""

    path: Annotated[str, Field(min_length=1)]
    columns: Annotated[list[str], Field(min_length=1)] | None
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
    def _leaves_something_to_learn(self) -> "DataParams":
        if self.valid + self.test >= 1:
            raise ValueError(
                f"data.valid + data.test must be below 1 to leave rows to train on, however they are {self.valid} + {self.test}"
            )
        if self.target in self.drop:
            raise ValueError(f"data.drop must not name the target, however it names '{self.target}'")
        return self
