"""Small members of a blend that train quickly, for the tests of training and prediction."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tests.rooms import InMemory
from veritable.models.build import build_network
from veritable.models.classifier import Classifier
from veritable.models.ensemble import Ensemble, Member, blend_scores
from veritable.models.features import find_bins
from veritable.models.network import Network
from veritable.models.trees import Trees
from veritable.tables.encoding.parts import Part, Shards
from veritable.training.boosting import BoostingLearner
from veritable.training.forest import ForestLearner
from veritable.training.inputs import TrainingInputs
from veritable.training.linear import LinearLearner
from veritable.training.params import MLPParams, TrainParams
from veritable.training.plan import TableFacts, TrainPlan, plan_training

RECIPE = {
    "learning_rate": 0.01, "lr_schedule": "constant", "weight_decay": 0.0, "l1": 0.0, "gradient_clip_val": None,
    "batch_size": 32, "max_epochs": 4, "patience": None,
}  # fmt: skip
BLOCKS = {"n_blocks": 1, "d_block": 8, "dropout": 0.2, "n_bins": 6, "d_embedding": 4}
SMALL: dict[str, Any] = {  # a section `train` that trains quickly
    "network": "mlp", "blend": [], "n_networks": 1, "background_rows": 50, "n_splits": 0, "refit": False, "init": "models/v1",
    "privacy": None,
    "member": "models/nothing", "freeze": [],
    "class_weight": "none", "accelerator": "cpu", "precision": "32-true",
    "memory_gib": 1.0, "seed": 42,
    "mlp": {"hidden_layer_sizes": [8], "activation": "relu", "dropout": 0.2, **RECIPE},
    "resnet": {**BLOCKS, **RECIPE},
    "tabm": {"k": 3, **BLOCKS, **RECIPE},
    "trees": {
        "n_models": 1, "n_estimators": 20, "early_stopping_rounds": 5, "learning_rate": 0.2, "num_leaves": 4,
        "min_data_in_leaf": 5, "bagging_fraction": 0.8, "feature_fraction": 0.8, "max_bin": 255, "lambda_l2": 0.0,
    },
    "forest": {"n_estimators": 5, "min_samples_leaf": 1},
}  # fmt: skip
NETWORKS = ("mlp", "resnet", "tabm")
FACTS = TableFacts(n_classes=2, n_rows={"train": 200, "valid": 60}, width=8, weighted=False)
MLP_SPEC = {"name": "mlp", "hidden_layer_sizes": [6], "activation": "gelu", "dropout": 0.3}


def train_params(
    network: str = "mlp",
    *,
    trees: Mapping[str, Any] | None = None,
    forest: Mapping[str, Any] | None = None,
    **changes: Any,
) -> TrainParams:
    """Section `train` for a small network; changes of its own section go there. It is blended with nothing by default."""
    own = {key: value for key, value in changes.items() if key in SMALL[network]}
    rest = {key: value for key, value in changes.items() if key not in own}
    sections = {
        network: SMALL[network] | own,
        "trees": SMALL["trees"] | dict(trees or {}),
        "forest": SMALL["forest"] | dict(forest or {}),
    }
    return TrainParams.parse("train", SMALL | {"network": network} | sections | rest)


def train_plan(network: str = "mlp", *, facts: TableFacts = FACTS, **changes: Any) -> TrainPlan:
    """The plan of `train_params`, with an earlier classifier, so that `freeze` is kept."""
    return plan_training(train_params(network, **changes), facts, has_init=True)


def inputs_of(
    done: InMemory,
    plan: TrainPlan,
    scratch: Path,
    *,
    train: Part | Shards | None = None,
    valid: Part | Shards | None = None,
    earlier: Classifier | None = None,
) -> TrainingInputs:
    """Return a prepared table as training inputs, with other parts if they are given."""
    train, valid = train or done.parts["train"], valid or done.parts["valid"]
    return TrainingInputs(plan, done.encoder, done.contract, train, valid, scratch, earlier)


def spec_of(plan: TrainPlan, cardinalities: np.ndarray, train: Part) -> dict[str, Any]:
    """Return the spec of the network that is trained on a part."""
    recipe = plan.recipe
    if isinstance(recipe, MLPParams):
        return recipe.spec
    return recipe.spec | {"bins": find_bins(train.X, cardinalities.tolist(), recipe.n_bins, plan.seed)}


def trees_of(done: InMemory, models: int = 1, **knobs: Any) -> list[Trees]:
    """Fit boosted models on a table, with parameters of `train.trees`."""
    plan, (train, valid) = train_plan(blend=["trees"], trees=knobs), (done.parts["train"], done.parts["valid"])
    learners = [BoostingLearner(plan, done.encoder.cardinalities, len(done.classes), i) for i in range(models)]
    return [member for each in learners for member in each.fit(train, valid, 0).members if isinstance(member, Trees)]


def others_of(done: InMemory) -> list[Member]:
    """Fit what a network is blended with on a table: two boosted models, a forest and a linear model."""
    plan, classes = train_plan(blend=["forest", "linear"]), len(done.classes)
    learners = ForestLearner(plan, classes), LinearLearner(plan, done.encoder.cardinalities, classes)
    fits = [each.fit(done.parts["train"], done.parts["valid"], 0) for each in learners]
    return [*trees_of(done, 2), *(member for fit in fits for member in fit.members)]


def mean_of(members: Sequence[Member], X: np.ndarray) -> np.ndarray:
    """Return the probabilities of the mean of the scores of all members. Shape: (n, width) -> (n, classes)"""
    return blend_scores([member.scores(X) for member in members], [1 / len(members)] * len(members))


def untrained(
    done: InMemory,
    spec: dict[str, Any] = MLP_SPEC,
    threshold: float | None = 0.5,
    *,
    networks: int = 1,
    others: Sequence[Member] = (),
) -> Classifier:
    """Return a classifier whose networks have their initial weights; in a blend with others, all weights add up to 1.25."""
    torch.manual_seed(0)
    classes = len(done.classes)
    built = [Network(build_network(done.encoder, classes, spec)) for _ in range(networks)]
    weights = [1 / networks] * networks
    if others:
        weights = [0.25 / networks] * networks + [1 / len(others)] * len(others)
    ensemble = Ensemble((*built, *others), tuple(weights))
    return Classifier(ensemble, spec, done.encoder, done.contract, threshold if classes == 2 else None)
