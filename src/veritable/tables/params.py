"""Parameters of the stages generate and preprocess."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from veritable.params import Section

DECLARABLE = ("number", "category", "boolean", "date", "identifier", "text", "constant")
Name = Annotated[str, Field(min_length=1)]
Code = int | float | str
Share = Annotated[float, Field(gt=0, lt=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]


class GenerateParams(Section):
    """Section `generate`: the parameters of scikit-learn's make_classification."""

    n_samples: Annotated[int, Field(ge=10, le=100_000_000)]
    n_features: Annotated[int, Field(ge=1, le=100_000)]
    n_informative: Annotated[int, Field(ge=1)]
    n_redundant: Annotated[int, Field(ge=0)]
    n_classes: Annotated[int, Field(ge=2, le=1000)]
    seed: Seed

    @model_validator(mode="after")
    def _check_feature_counts(self) -> "GenerateParams":
        if self.n_informative + self.n_redundant > self.n_features:
            raise ValueError(
                "generate.n_informative + generate.n_redundant must be at most generate.n_features, but are "
                f"{self.n_informative} + {self.n_redundant} against {self.n_features}"
            )
        if self.n_classes * 2 > 2 ** min(self.n_informative, 64):
            raise ValueError(
                "2 x generate.n_classes must be at most 2 to the power of generate.n_informative, but is "
                f"{2 * self.n_classes} against {2**self.n_informative}"
            )
        return self


class DataParams(Section):
    """Section `data`: the table, the meaning of its columns, and the split."""

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
    min_count: Annotated[int, Field(ge=1, le=1_000_000)]
    max_categories: Annotated[int, Field(ge=1)]
    target: Name
    positive: str | int | float | bool
    labels: dict[str, str]
    drop: list[Name]
    id: Name | None
    group: Name | None
    time: Name | None
    weight: Name | None
    sensitive: list[Name]
    withhold: list[Name]
    pseudonymise: list[Name]
    pseudonym_key: Annotated[str, Field(pattern="^[0-9a-f]{16}$")] | None
    part: Name | None
    valid: Share
    test: Share
    duplicates: Literal["together", "drop"]
    strict: bool
    shard_rows: Annotated[int, Field(ge=1)]
    seed: Seed

    @model_validator(mode="after")
    def _check_shares(self) -> "DataParams":
        if self.valid + self.test >= 1:
            raise ValueError(
                f"data.valid + data.test must be below 1 to leave rows for train, but are {self.valid} + {self.test}"
            )
        return self

    @model_validator(mode="after")
    def _check_roles(self) -> "DataParams":
        """Refuse a column with two roles."""
        named = [(f"data.{key}", getattr(self, key)) for key in ("target", "id", "group", "time", "weight", "part")]
        named += [(f"data.{key}", name) for key in ("drop", "sensitive") for name in getattr(self, key)]
        roles: dict[str, str] = {}
        for key, name in named:
            if name in roles:
                raise ValueError(f"{key} must not name the column of {roles[name]}, but both name '{name}'")
            if name is not None:
                roles[name] = key
        return self

    @model_validator(mode="after")
    def _check_private(self) -> "DataParams":
        """Refuse to withhold or pseudonymise what the pipeline needs as it is, or never reads."""
        refused = {self.target: "target", self.time: "time", self.weight: "weight", self.part: "part"}
        refused |= dict.fromkeys(self.drop, "drop")
        for key in ("withhold", "pseudonymise"):
            for name in getattr(self, key):
                if name in refused:
                    raise ValueError(f"data.{key} must not name the column of data.{refused[name]}, but both name '{name}'")
        for name in self.pseudonymise:
            if name in self.missing_codes:
                raise ValueError(
                    f"data.missing_codes must not name a column of data.pseudonymise, but both name '{name}'; data.missing "
                    "says which of its texts mean missing"
                )
            if self.types.get(name, "category") not in ("category", "identifier"):
                raise ValueError(
                    f"data.types must be category or identifier for a column of data.pseudonymise, but is {self.types[name]} "
                    f"for '{name}'"
                )
        return self

    @model_validator(mode="after")
    def _check_split(self) -> "DataParams":
        given = [f"data.{key}" for key in ("part", "test_file", "time", "group") if getattr(self, key) is not None]
        if len(given) > 1:
            raise ValueError(f"only one parameter must decide the split, but {' and '.join(given)} are set")
        return self

    @model_validator(mode="after")
    def _check_types(self) -> "DataParams":
        for name, kind in self.types.items():
            if kind not in DECLARABLE and "%" not in kind:
                raise ValueError(
                    f"data.types must give each column one of {', '.join(DECLARABLE)}, or a date format such as '%d.%m.%Y', "
                    f"but '{name}' has '{kind}'"
                )
        return self
