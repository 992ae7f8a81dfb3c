"""Parameters of `train`, and of `tune`, which searches some of them."""

import difflib
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import Field, create_model
from pydantic.fields import FieldInfo

from veritable.models.specs import BlockLayers, MLPLayers, TabMLayers
from veritable.params import ParamsError, Section
from veritable.tables.params import Seed

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Splits = Annotated[int, Field(ge=2, le=1000)] | Literal[0]
Network = Literal["mlp", "resnet", "tabm"]
Blended = Literal["trees", "forest", "linear"]


class Recipe(Section):
    """Training parameters that all networks share."""

    learning_rate: Positive
    lr_schedule: Literal["constant", "cosine"]
    weight_decay: NotNegative
    l1: NotNegative
    gradient_clip_val: Positive | None
    batch_size: Annotated[int, Field(ge=1, le=10_000_000)]
    max_epochs: Annotated[int, Field(ge=1, le=100_000)]
    patience: Annotated[int, Field(ge=1)] | None


class MLPParams(Recipe, MLPLayers):
    """Section `train.mlp`."""

    @property
    def spec(self) -> dict[str, Any]:
        """What `build_network` needs to build the network."""
        return {"name": "mlp", **self.model_dump(include=set(MLPLayers.model_fields))}


class BlockParams(Recipe, BlockLayers):
    """Parameters that networks of equal blocks on embedded numbers share."""

    n_bins: Annotated[int, Field(ge=2, le=4096)]


class ResNetParams(BlockParams):
    """Section `train.resnet`."""

    @property
    def spec(self) -> dict[str, Any]:
        """What `build_network` needs to build the network, without the bins."""
        return {"name": "resnet", **self.model_dump(include=set(BlockLayers.model_fields))}


class TabMParams(BlockParams, TabMLayers):
    """Section `train.tabm`."""

    @property
    def spec(self) -> dict[str, Any]:
        """What `build_network` needs to build the network, without the bins."""
        return {"name": "tabm", **self.model_dump(include=set(TabMLayers.model_fields))}


class TreesParams(Section):
    """Section `train.trees`."""

    n_models: Annotated[int, Field(ge=1, le=1000)] | Literal["auto"]
    n_estimators: Annotated[int, Field(ge=1, le=100_000)]
    learning_rate: Positive
    num_leaves: Annotated[int, Field(ge=2, le=131_072)]
    min_data_in_leaf: Annotated[int, Field(ge=1)]
    bagging_fraction: Annotated[float, Field(gt=0, le=1)]
    feature_fraction: Annotated[float, Field(gt=0, le=1)]
    lambda_l2: NotNegative
    max_bin: Annotated[int, Field(ge=2, le=65_535)]
    early_stopping_rounds: Annotated[int, Field(ge=1)]


class ForestParams(Section):
    """Section `train.forest`."""

    n_estimators: Annotated[int, Field(ge=1, le=100_000)]
    min_samples_leaf: Annotated[int, Field(ge=1)]


class PrivacyParams(Section):
    """Section `train.privacy`: the guarantee, and the norm to which the gradient of each row is clipped."""

    epsilon: Positive
    delta: Annotated[float, Field(gt=0, lt=1)]
    max_grad_norm: Positive


class CommonParams(Section):
    """Parameters of `train` that a plan takes over unchanged."""

    n_networks: Annotated[int, Field(ge=1, le=1000)]
    refit: bool
    freeze: Annotated[list[Annotated[str, Field(min_length=1)]], Field(max_length=100)]
    class_weight: Literal["none", "balanced"]
    accelerator: Literal["auto", "cpu", "gpu"]
    precision: Literal["32-true", "bf16-mixed", "64-true"]
    seed: Seed


class TrainParams(CommonParams):
    """Section `train`."""

    network: Literal["auto", "mlp", "resnet", "tabm"]
    blend: list[Blended] | Literal["auto"]
    n_splits: Splits | Literal["auto"]
    background_rows: Annotated[int, Field(ge=0, le=1_000_000)]
    privacy: PrivacyParams | None
    init: Annotated[str, Field(min_length=1)]
    member: Annotated[str, Field(min_length=1)]
    memory_gib: Positive
    mlp: MLPParams
    resnet: ResNetParams
    tabm: TabMParams
    trees: TreesParams
    forest: ForestParams

    def check_splits(self, time: str | None) -> None:
        """Refuse cross-validation if the table is split by time.

        Parameters
        ----------
        time
            Value of `data.time`.

        Raises
        ------
        ParamsError
            Both are set.
        """
        if self.n_splits not in ("auto", 0) and time:
            raise ParamsError(
                f"'train.n_splits' in params.yaml must be 0 or auto if data.time is set, but is {self.n_splits}: folds would "
                "mix past and future. Unset one of them."
            )


NETWORKS: tuple[Network, ...] = get_args(Network)
SEARCHABLE: dict[str, type[Section]] = {
    "mlp": MLPParams, "resnet": ResNetParams, "tabm": TabMParams, "trees": TreesParams, "forest": ForestParams
}  # fmt: skip


class Range(Section):
    """Range of a number to search; with `log`, its logarithm is sampled uniformly."""

    low: int | float
    high: int | float
    log: bool


Domain = Range | list[Any]


class TuneParams(Section):
    """Section `tune`."""

    n_trials: Annotated[int, Field(ge=0, le=100_000)]
    pruning: bool
    seed: Seed
    space: dict[str, Any]  # by dotted key below train; `parse` checks the values

    @classmethod
    def parse(cls, name: str, values: Mapping[str, Any]) -> Self:
        """Check the values of the section; those of the space by the rules of the parameters of `train` that it names.

        Raises
        ------
        ParamsError
            As for any section.
        """
        parsed = super().parse(name, values)
        for key, given in parsed.space.items():
            _check_domain(f"{name}.space", key, given)
        return parsed

    @property
    def domains(self) -> dict[str, Domain]:
        """What each parameter in the space is sampled from."""
        return {
            key: given if isinstance(given, list) else Range.parse(f"tune.space.{key}", given)
            for key, given in self.space.items()
        }


def searchable_field(key: str) -> FieldInfo | None:
    """Return the field of a parameter that can be searched, by its dotted key below train ("tabm.dropout"), or None."""
    section, _, name = key.partition(".")
    return SEARCHABLE[section].model_fields.get(name) if section in SEARCHABLE else None


def allows_type(annotation: Any, kind: type) -> bool:
    """Return whether an annotation allows values of a type: `float | None` allows floats."""
    return annotation is kind or any(allows_type(each, kind) for each in get_args(annotation))


def _check_domain(space: str, key: str, given: Any) -> None:
    if (field := searchable_field(key)) is None:
        known = [f"{section}.{name}" for section, model in SEARCHABLE.items() for name in model.model_fields]
        near = difflib.get_close_matches(key, known, n=1)
        hint = f"Did you mean '{near[0]}'?" if near else f"Known are parameters of {', '.join(SEARCHABLE)}, as tabm.dropout."
        raise ParamsError(
            f"'{space}.{key}' in params.yaml must name a parameter of train, but there is no 'train.{key}'. {hint}"
        )
    rule: Any = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
    if isinstance(given, list):
        choices: Any = {key: (Annotated[list[rule], Field(min_length=1)], ...)}
        create_model("Choices", __base__=Section, **choices).parse(space, {key: given})
        return
    where = f"'{space}.{key}' in params.yaml"
    if not isinstance(given, dict):
        raise ParamsError(f"{where} must be a range {{low, high, log}} or a list of choices, but is {given!r:.99}.")
    searched = Range.parse(f"{space}.{key}", given)
    ends = create_model("Ends", __base__=Section, low=(rule, ...), high=(rule, ...))
    ends.parse(f"{space}.{key}", {"low": searched.low, "high": searched.high})
    if searched.low >= searched.high:
        raise ParamsError(f"{where} must have a low below its high, but they are {searched.low} and {searched.high}.")
    if searched.log and searched.low <= 0:
        raise ParamsError(f"{where} must have a low above 0 if log is true, but it is {searched.low}.")
