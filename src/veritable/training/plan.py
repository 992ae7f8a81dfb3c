"""Plan the training: resolve `auto`, drop the parameters without effect, and choose the parts to stream from disk.

A stage that depends on the plan runs again only if a parameter that it uses changes. Nothing here imports torch.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import Field

from veritable.params import ParamsError, Section
from veritable.training.params import (
    SEARCHABLE,
    CommonParams,
    Domain,
    ForestParams,
    MLPParams,
    Network,
    PrivacyParams,
    Range,
    ResNetParams,
    Splits,
    TabMParams,
    TrainParams,
    TreesParams,
    TuneParams,
)

_MANY_CLASSES = 10  # from which on `auto` chooses the faster network
_MAX_CLASSES = 100  # with `auto`, the network is blended with nothing above it: the others grow with the number of classes
_FEW_ROWS, _SPLITS, _MIN_SPLITS = 10_000, 4, 3  # folds with `auto`, below and from the number of rows: docs/decisions/0015
_TRAIN_SHARE, _VALID_SHARE = 0.75, 0.25  # of the memory if the two parts do not fit together
_CLASS_BYTES = 88  # per row and class: scores of up to eight members, and what is computed from their sum

PRIVATE_NETWORKS: tuple[Network, ...] = ("mlp",)  # the first one with `auto`; tests/test_privacy.py checks their gradients

Streamed = Literal["train", "valid"]


@dataclass(frozen=True)
class TableFacts:
    """What the plan depends on in the prepared table.

    Attributes
    ----------
    n_classes
        Number of classes.
    n_rows
        Number of rows of the parts "train" and "valid".
    width
        Number of encoded columns.
    weighted
        Whether the rows have weights.
    timed
        Whether the table is split by time.
    """

    n_classes: int
    n_rows: Mapping[str, int]
    width: int
    weighted: bool
    timed: bool = False

    @classmethod
    def from_json(cls, contract: Mapping[str, Any], table: Mapping[str, Any]) -> Self:
        """Make it from the contract and the facts of a prepared table."""
        roles = {column["role"] for column in contract["columns"]}
        return cls(len(contract["classes"]), table["parts"], table["width"], "weight" in roles, "time" in roles)


class TrainPlan(CommonParams):
    """What is trained: the parameters of `train` that have an effect, with `auto` resolved.

    Attributes
    ----------
    mlp, resnet, tabm
        Section of the chosen network; the others are None.
    n_splits
        Number of folds; 0: the parts train and valid.
    fewer_splits
        Whether there may be fewer folds, if there are fewer distinct rows or groups.
    trees, forest
        Sections of the members of the blend; None if the blend lacks them.
    linear
        Whether the blend has a linear model.
    background_rows
        Number of train rows that are saved with the classifier.
    privacy
        Guarantee of differential privacy; None without.
    init, member
        Folders of the earlier classifier and of the pretrained model; None if there is none.
    streamed
        Parts that do not fit in memory.
    memory_gib
        Memory for both parts; None if no part is streamed.
    """

    network: Network
    n_splits: Splits
    fewer_splits: bool = False
    background_rows: int = 0
    privacy: PrivacyParams | None = None
    init: str | None = None
    member: str | None = None
    mlp: MLPParams | None = None
    resnet: ResNetParams | None = None
    tabm: TabMParams | None = None
    trees: TreesParams | None = None
    forest: ForestParams | None = None
    linear: bool = False
    streamed: Annotated[tuple[Streamed, ...], Field(strict=False)] = ()  # a list in JSON
    memory_gib: float | None = None

    @property
    def recipe(self) -> MLPParams | ResNetParams | TabMParams:
        """Section of the chosen network."""
        recipe: MLPParams | ResNetParams | TabMParams = getattr(self, self.network)
        return recipe

    @property
    def part_bytes(self) -> dict[str, int]:
        """Memory in bytes for each part, if parts are streamed."""
        memory = int((self.memory_gib or 0) * 2**30)
        return {"train": int(_TRAIN_SHARE * memory), "valid": int(_VALID_SHARE * memory)}

    def with_seed(self, offset: int) -> Self:
        """Return a copy with the seed increased by an offset."""
        return self.model_copy(update={"seed": (self.seed + offset) % 2**32})

    def to_json(self) -> dict[str, Any]:
        """Return the values, without what is None."""
        return {key: value for key, value in self.model_dump().items() if value is not None}


def plan_training(params: TrainParams, facts: TableFacts, *, has_init: bool, has_member: bool = False) -> TrainPlan:
    """Resolve `auto` and drop the parameters without effect.

    Parameters
    ----------
    has_init
        Whether `init` is an earlier classifier.
    has_member
        Whether `member` is a pretrained model.

    Raises
    ------
    ParamsError
        With `privacy`, another parameter would undo the guarantee.
    """
    if params.privacy:
        _check_private(params, has_member=has_member)
    auto: Network = PRIVATE_NETWORKS[0] if params.privacy else "tabm" if facts.n_classes < _MANY_CLASSES else "resnet"
    network = auto if params.network == "auto" else params.network
    recipe = getattr(params, network)
    if params.privacy:
        recipe = recipe.model_copy(update={"gradient_clip_val": None})  # each row has its own
    blend = params.blend
    if blend == "auto":
        blend = ["trees", "forest"] if facts.n_classes <= _MAX_CLASSES and not params.privacy else []
    is_auto, n_splits = params.n_splits == "auto", 0
    if params.n_splits != "auto":
        n_splits = params.n_splits
    elif not facts.timed and not params.privacy:
        n_splits = _SPLITS if facts.n_rows["train"] + facts.n_rows["valid"] < _FEW_ROWS else _MIN_SPLITS
    common = params.model_dump(include=set(CommonParams.model_fields))
    plan = TrainPlan(
        **common | ({} if has_init else {"freeze": []}) | ({} if blend or has_member else {"refit": False}),
        network=network,
        n_splits=n_splits,
        fewer_splits=is_auto and n_splits > 0,
        background_rows=params.background_rows,
        privacy=params.privacy,
        init=params.init if has_init else None,
        member=params.member if has_member else None,
        trees=params.trees if "trees" in blend else None,
        forest=params.forest if "forest" in blend else None,
        linear="linear" in blend,
        **{network: recipe},
    )
    planned = plan.model_copy(update={"memory_gib": params.memory_gib})
    if streamed := _streamed(planned, facts):
        if params.privacy:
            raise ParamsError(
                "'train.memory_gib' in params.yaml must be enough for all rows with train.privacy, which draws them at random, "
                f"but {params.memory_gib:g} is not. Increase it."
            )
        no_folds: dict[str, Any] = {"n_splits": 0, "fewer_splits": False} if is_auto else {}
        return planned.model_copy(update={"streamed": streamed, "refit": False} | no_folds)
    return plan


def _check_private(params: TrainParams, *, has_member: bool) -> None:
    """Refuse what would undo differential privacy, or what its training cannot do."""
    network = PRIVATE_NETWORKS[0] if params.network == "auto" else params.network
    recipe = getattr(params, network)
    rules: list[tuple[str, bool, object, str]] = [  # parameter, whether it is right, its value, and the rule with its reason
        ("network", network in PRIVATE_NETWORKS, network,
         f"auto or {' or '.join(PRIVATE_NETWORKS)}: the gradients of single rows are verified for its layers only"),
        ("blend", params.blend in ("auto", []), params.blend,
         "auto or []: trees, forest and linear model are fitted to the rows without noise"),
        ("member", not has_member, params.member, "models/nothing: its part of the blend is fitted to the rows without noise"),
        ("n_splits", params.n_splits in ("auto", 0), params.n_splits, "auto or 0: each fold would spend the epsilon again"),
        ("n_networks", params.n_networks == 1, params.n_networks, "1: each network would spend the epsilon again"),
        ("background_rows", params.background_rows == 0, params.background_rows,
         "0: the classifier would be saved with rows of train as they are"),
        (f"{network}.l1", recipe.l1 == 0, recipe.l1, "0: a penalty has no gradient of single rows"),
        ("precision", params.precision == "32-true", params.precision, "32-true: the noise is added at this precision"),
    ]  # fmt: skip
    for name, right, value, rule in rules:
        if not right:
            raise ParamsError(
                f"with train.privacy, 'train.{name}' in params.yaml must be {rule}; but it is {value}. Change it."
            )


def row_bytes(plan: TrainPlan, *, width: int, weighted: bool, n_classes: int) -> int:
    """Return the bytes that a row needs in memory: X, its number, class, weight and order, and what is computed from it."""
    weights = weighted * (8 + 4 * width)  # rows with weight 0 are dropped from a second copy
    double = 8 * width * (plan.precision == "64-true")
    bins = 2 * width * (plan.trees is not None)  # LightGBM's copy of X
    bins += 4 * width * (plan.n_splits > 0 or plan.refit)  # the rows of a fold, or of both parts, are copied
    return 4 * width + 24 + weights + double + bins + _CLASS_BYTES * n_classes


def max_rows(held_bytes: int, bytes_per_row: int) -> int:
    """Return the number of rows that fit in memory, at least 1."""
    return max(1, held_bytes // bytes_per_row)


def _streamed(plan: TrainPlan, facts: TableFacts) -> tuple[Streamed, ...]:
    each = row_bytes(plan, width=facts.width, weighted=facts.weighted, n_classes=facts.n_classes)
    if sum(facts.n_rows[name] for name in ("train", "valid")) * each <= int((plan.memory_gib or 0) * 2**30):
        return ()
    parts: tuple[Streamed, ...] = ("train", "valid")
    return tuple(name for name in parts if facts.n_rows[name] > max_rows(plan.part_bytes[name], each))


class TunePlan(Section):
    """What is searched.

    Attributes
    ----------
    space
        Domains of the parameters that have an effect, by dotted key below train.
    unsearched
        Keys of `tune.space` without an effect.
    base
        Values that the search starts from, by dotted key, before `auto` is resolved.
    train
        Plan of the first trial.
    """

    n_trials: int
    pruning: bool
    seed: int
    space: dict[str, Any]
    unsearched: list[str]
    base: dict[str, Any]
    train: TrainPlan

    @property
    def domains(self) -> dict[str, Domain]:
        """What each searched parameter is sampled from."""
        return {key: given if isinstance(given, list) else Range(**given) for key, given in self.space.items()}

    def to_json(self) -> dict[str, Any]:
        """Return the values."""
        return self.model_dump() | {"train": self.train.to_json()}


def plan_tuning(tune: TuneParams, params: TrainParams, train: TrainPlan, path: str) -> TunePlan:
    """Drop what a search does not depend on. With `auto`, the trials have no folds, which would take several times as long.

    Parameters
    ----------
    path
        Value of `data.path`.

    Raises
    ------
    ParamsError
        The space has no parameter with an effect, or `train` has `privacy`.
    """
    if params.privacy:
        raise ParamsError(
            "'tune.n_trials' in params.yaml must be 0 with train.privacy, because each trial would spend the epsilon again, "
            f"but is {tune.n_trials}. Set it to 0."
        )
    sections = {name for name in SEARCHABLE if getattr(train, name) is not None}
    space = {key: given for key, given in tune.space.items() if key.split(".")[0] in sections}
    if not space:
        raise ParamsError(
            f"'tune.space' must have a parameter of {' or '.join(sorted(sections))}, but has none. Add one, for "
            f"example {train.network}.learning_rate."
        )
    single = train.model_copy(update={"n_splits": 0, "fewer_splits": False}) if params.n_splits == "auto" else train
    return TunePlan(
        **tune.model_dump(include={"n_trials", "pruning", "seed"}),
        space=space,
        unsearched=[key for key in tune.space if key not in space],
        base={"data.path": path, "train.blend": params.blend} | _effective(params, train),
        train=single,
    )


def _effective(params: TrainParams, plan: TrainPlan) -> dict[str, Any]:
    """Return the values of the parameters of `train` that have an effect, by dotted key."""
    values, used = params.model_dump(), plan.to_json()
    flat: dict[str, Any] = {}
    for key in (each for each in used if each in values):
        inner = (
            {f".{name}": value for name, value in values[key].items()} if isinstance(values[key], dict) else {"": values[key]}
        )
        flat |= {f"train.{key}{name}": value for name, value in inner.items()}
    return flat
