"""The knobs of `train`, and of `tune`, which searches some of them."""

import difflib
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import Field, create_model
from pydantic.fields import FieldInfo

from veritable.params import ParamsError, Section
from veritable.tables.params import Seed

FROM_NOTHING = "models/nothing"  # as train.init: an empty file, for DVC wants a dependency to be there

_MANY_CLASSES = 10

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Dropout = Annotated[float, Field(ge=0, lt=1)]
Width = Annotated[int, Field(ge=1, le=65_536)]


class Recipe(Section):
    """How a network is trained, whatever it looks like."""

    learning_rate: Positive
    lr_schedule: Literal["constant", "cosine"]
    weight_decay: NotNegative
    l1: NotNegative
    gradient_clip_val: Positive | None
    batch_size: Annotated[int, Field(ge=1, le=10_000_000)]
    max_epochs: Annotated[int, Field(ge=1, le=100_000)]
    patience: Annotated[int, Field(ge=1)] | None


class MLPParams(Recipe):
    """Section `train.mlp`."""

    hidden_layer_sizes: Annotated[list[Width], Field(max_length=32)]
    activation: Literal["relu", "gelu", "silu", "tanh"]
    dropout: Dropout

    @property
    def spec(self) -> dict[str, Any]:
        """What the network is built from."""
        return {
            "name": "mlp",
            "hidden_layer_sizes": self.hidden_layer_sizes,
            "activation": self.activation,
            "dropout": self.dropout,
        }


class BlockParams(Recipe):
    """What networks of equal blocks behind embedded numbers have in common."""

    n_blocks: Annotated[int, Field(ge=1, le=64)]
    d_block: Annotated[int, Field(ge=8, le=65_536, multiple_of=8)]  # as processors add: else a row's bits hang on its place
    dropout: Dropout
    n_bins: Annotated[int, Field(ge=2, le=4096)]
    d_embedding: Annotated[int, Field(ge=1, le=4096)]


class ResNetParams(BlockParams):
    """Section `train.resnet`."""

    @property
    def spec(self) -> dict[str, Any]:
        """What the network is built from, save for the bins."""
        return {"name": "resnet", **self.model_dump(include={"n_blocks", "d_block", "dropout", "d_embedding"})}


class TabMParams(BlockParams):
    """Section `train.tabm`."""

    k: Annotated[int, Field(ge=1, le=1024)]

    @property
    def spec(self) -> dict[str, Any]:
        """What the network is built from, save for the bins."""
        return {"name": "tabm", **self.model_dump(include={"k", "n_blocks", "d_block", "dropout", "d_embedding"})}


class TreesParams(Section):
    """Section `train.trees`."""

    n_models: Annotated[int, Field(ge=0, le=1000)] | Literal["auto"]
    n_estimators: Annotated[int, Field(ge=1, le=100_000)]
    learning_rate: Positive
    num_leaves: Annotated[int, Field(ge=2, le=131_072)]
    min_data_in_leaf: Annotated[int, Field(ge=1)]
    bagging_fraction: Annotated[float, Field(gt=0, le=1)]
    feature_fraction: Annotated[float, Field(gt=0, le=1)]
    lambda_l2: NotNegative
    max_bin: Annotated[int, Field(ge=2, le=65_535)]
    early_stopping_rounds: Annotated[int, Field(ge=1)]


class TrainParams(Section):
    """Section `train`."""

    network: Literal["auto", "mlp", "resnet", "tabm"]
    n_networks: Annotated[int, Field(ge=1, le=1000)]
    n_splits: Annotated[int, Field(ge=3, le=1000)] | Literal[0]
    init: Annotated[str, Field(min_length=1)]
    freeze: Annotated[list[Annotated[str, Field(min_length=1)]], Field(max_length=100)]
    calibrate: bool
    class_weight: Literal["none", "balanced"]
    accelerator: Literal["auto", "cpu", "gpu"]
    precision: Literal["32-true", "bf16-mixed", "64-true"]
    memory_gib: Positive
    seed: Seed
    mlp: MLPParams
    resnet: ResNetParams
    tabm: TabMParams
    trees: TreesParams

    def resolve(self, *, demo: bool, n_classes: int) -> Self:
        """With what `auto` means for the network and the trees: for the demo's table the demo's network alone, else `tabm`, of
        many classes the quicker `resnet`, and trees.
        """
        auto: Literal["mlp", "resnet", "tabm"] = "mlp" if demo else "tabm" if n_classes < _MANY_CLASSES else "resnet"
        network = auto if self.network == "auto" else self.network
        trees = self.trees.model_copy(update={"n_models": 0}) if demo and self.trees.n_models == "auto" else self.trees
        return self.model_copy(update={"network": network, "trees": trees})

    def check_folds(self, time: str | None) -> None:
        """That no past and future are mixed.

        Parameters
        ----------
        time
            The column by which the table is split, if it is.

        Raises
        ------
        ParamsError
            There are folds then.
        """
        if self.n_splits and time:
            raise ParamsError(
                f"'train.n_splits' in params.yaml must be 0 where data.time splits the table, however it is {self.n_splits}: "
                "folds would mix past and future."
            )

    @property
    def recipe(self) -> MLPParams | ResNetParams | TabMParams:
        """The section of the network that is chosen; `auto` is to be resolved before."""
        recipe: MLPParams | ResNetParams | TabMParams = getattr(self, self.network)
        return recipe


NETWORKS = ("mlp", "resnet", "tabm")
SEARCHABLE: dict[str, type[Section]] = {"mlp": MLPParams, "resnet": ResNetParams, "tabm": TabMParams, "trees": TreesParams}


class Range(Section):
    """Of a number, where it is searched; `log`: as many tries from 0.001 to 0.01 as from 0.01 to 0.1."""

    low: int | float
    high: int | float
    log: bool


class TuneParams(Section):
    """Section `tune`."""

    n_trials: Annotated[int, Field(ge=0, le=100_000)]
    pruning: bool
    seed: Seed
    space: dict[str, Any]  # by dotted key below train; what each may be, its knob says: see `parse`

    @classmethod
    def parse(cls, name: str, values: Mapping[str, Any]) -> Self:
        """Check a section's values; what the space holds, by the rules of the knobs of `train` that it names.

        Raises
        ------
        ParamsError
            As of any section.
        """
        parsed = super().parse(name, values)
        for key, given in parsed.space.items():
            _check_searched(f"{name}.space", key, given)
        return parsed

    @property
    def domains(self) -> dict[str, Range | list[Any]]:
        """What may be tried of each knob in the space."""
        return {
            key: given if isinstance(given, list) else Range.parse(f"tune.space.{key}", given)
            for key, given in self.space.items()
        }


def knob_of(key: str) -> FieldInfo | None:
    """The field of a knob that can be searched, by its dotted key below train ("tabm.dropout"); None if there is none."""
    section, _, knob = key.partition(".")
    return SEARCHABLE[section].model_fields.get(knob) if section in SEARCHABLE else None


def takes(annotation: Any, kind: type) -> bool:
    """Whether a knob's values may be of a type: `float | None` takes floats."""
    return annotation is kind or any(takes(each, kind) for each in get_args(annotation))


def _check_searched(space: str, key: str, given: Any) -> None:
    if (field := knob_of(key)) is None:
        known = [f"{section}.{knob}" for section, model in SEARCHABLE.items() for knob in model.model_fields]
        near = difflib.get_close_matches(key, known, n=1)
        hint = f"Did you mean '{near[0]}'?" if near else f"Known are knobs of {', '.join(SEARCHABLE)}, as tabm.dropout."
        raise ParamsError(
            f"'{space}.{key}' in params.yaml must name a knob of train, however there is no 'train.{key}'. {hint}"
        )
    rule: Any = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
    if isinstance(given, list):
        choices: Any = {key: (Annotated[list[rule], Field(min_length=1)], ...)}
        create_model("Choices", __base__=Section, **choices).parse(space, {key: given})
        return
    where = f"'{space}.{key}' in params.yaml"
    if not isinstance(given, dict):
        raise ParamsError(f"{where} must be a range {{low, high, log}} or a list of choices, however it is {given!r:.99}.")
    searched = Range.parse(f"{space}.{key}", given)
    ends = create_model("Ends", __base__=Section, low=(rule, ...), high=(rule, ...))
    ends.parse(f"{space}.{key}", {"low": searched.low, "high": searched.high})
    if searched.low >= searched.high:
        raise ParamsError(f"{where} must have a low below its high, however they are {searched.low} and {searched.high}.")
    if searched.log and searched.low <= 0:
        raise ParamsError(f"{where} must have a low above 0 where log is true, however it is {searched.low}.")
