"""The knobs of `generate` and `preprocess`."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from veritable.params import Section

DECLARABLE = ("number", "category", "boolean", "date", "identifier", "text", "constant")
Share = Annotated[float, Field(gt=0, lt=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]


class GenerateParams(Section):
    """Section `generate`: scikit-learn's make_classification."""

    n_samples: Annotated[int, Field(ge=10, le=100_000_000)]
    n_features: Annotated[int, Field(ge=1, le=100_000)]
    n_informative: Annotated[int, Field(ge=1)]
    n_redundant: Annotated[int, Field(ge=0)]
    n_classes: Annotated[int, Field(ge=2, le=1000)]
    seed: Seed

    @model_validator(mode="after")
    def _fits(self) -> "GenerateParams":
        if self.n_informative + self.n_redundant > self.n_features:
            raise ValueError(
                "generate.n_informative + generate.n_redundant must be at most generate.n_features, however they are "
                f"{self.n_informative} + {self.n_redundant} against {self.n_features}"
            )
        if self.n_classes * 2 > 2 ** min(self.n_informative, 64):
            raise ValueError(
                "2 x generate.n_classes must be at most 2 to the power of generate.n_informative, however it is "
                f"{2 * self.n_classes} against {2**self.n_informative}"
            )
        return self


Name = Annotated[str, Field(min_length=1)]
Code = int | float | str
_FORMATS = "number, category, boolean, date, identifier, text, constant, or a date's format such as '%d.%m.%Y'"


class DataParams(Section):
    """Section `data`: the table, what its columns are, and how it is split."""

    path: Name
    test_file: Name | None
    allow_outside: bool
    columns: Annotated[list[Name], Field(min_length=1)] | None
    header: bool | None
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] | None
    encoding: Name
    database: Name | None
    query: Name | None
    missing: list[str]
    missing_codes: dict[Name, list[Code]]
    types: dict[Name, Name]
    max_categories: Annotated[int, Field(ge=1)]
    target: Name
    positive: str | int | float | bool | None
    labels: dict[str, str]
    drop: list[Name]
    id: Name | None
    group: Name | None
    time: Name | None
    weight: Name | None
    sensitive: list[Name]
    withhold_sensitive: bool
    part: Name | None
    valid: Share
    test: Share
    duplicates: Literal["together", "drop"]
    strict: bool
    shard_rows: Annotated[int, Field(ge=1)]
    seed: Seed

    @model_validator(mode="after")
    def _leaves_something_to_learn(self) -> "DataParams":
        if self.valid + self.test >= 1:
            raise ValueError(
                f"data.valid + data.test must be below 1 to leave rows to train on, however they are {self.valid} + {self.test}"
            )
        return self

    @model_validator(mode="after")
    def _roles_do_not_clash(self) -> "DataParams":
        roles: dict[str, str] = {self.target: "data.target"}
        single = {key: getattr(self, key) for key in ("id", "group", "time", "weight", "part")}
        named = [(f"data.{key}", name) for key, name in single.items() if name is not None]
        for key, name in [
            *named,
            *(("data.drop", name) for name in self.drop),
            *(("data.sensitive", n) for n in self.sensitive),
        ]:
            if name in roles:
                what = "the target" if roles[name] == "data.target" else f"what {roles[name]} names"
                raise ValueError(f"{key} must not name {what}, however it names '{name}'")
            roles[name] = key
        return self

    @model_validator(mode="after")
    def _one_way_to_split(self) -> "DataParams":
        given = [f"data.{key}" for key in ("part", "test_file", "time", "group") if getattr(self, key) is not None]
        if len(given) > 1:
            raise ValueError(f"only one of {' and '.join(given)} may decide the split, however all of them are set")
        return self

    @model_validator(mode="after")
    def _types_are_known(self) -> "DataParams":
        for name, kind in self.types.items():
            if kind not in DECLARABLE and "%" not in kind:
                raise ValueError(f"data.types must give each column one of {_FORMATS}, however '{name}' has '{kind}'")
        return self
