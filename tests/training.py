"""Little networks and trees, quick to train, for the tests of training and of what predicts."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from tests.rooms import InMemory
from veritable.models.classifier import Classifier, build_network
from veritable.models.features import find_bins
from veritable.models.members import Members
from veritable.models.trees import Trees
from veritable.tables.encoding.parts import Part
from veritable.training.boosting import fit_trees
from veritable.training.params import FROM_NOTHING, MLPParams, TrainParams

RECIPE = {
    "learning_rate": 0.01, "lr_schedule": "constant", "weight_decay": 0.0, "l1": 0.0, "gradient_clip_val": None,
    "batch_size": 32, "max_epochs": 4, "patience": None,
}  # fmt: skip
BLOCKS = {"n_blocks": 1, "d_block": 8, "dropout": 0.2, "n_bins": 6, "d_embedding": 4}
LITTLE: dict[str, Any] = {  # a section `train` that is quick, whatever the template's holds
    "network": "mlp", "n_networks": 1, "n_splits": 0, "init": FROM_NOTHING, "freeze": [], "calibrate": False,
    "class_weight": "none", "accelerator": "cpu", "precision": "32-true",
    "memory_gib": 1.0, "seed": 42,
    "mlp": {"hidden_layer_sizes": [8], "activation": "relu", "dropout": 0.2, **RECIPE},
    "resnet": {**BLOCKS, **RECIPE},
    "tabm": {"k": 3, **BLOCKS, **RECIPE},
    "trees": {
        "n_models": 0, "n_estimators": 20, "early_stopping_rounds": 5, "learning_rate": 0.2, "num_leaves": 4,
        "min_data_in_leaf": 5, "bagging_fraction": 0.8, "feature_fraction": 0.8, "max_bin": 255, "lambda_l2": 0.0,
    },
}  # fmt: skip
NETWORKS = ("mlp", "resnet", "tabm")
MLP_SPEC = {"name": "mlp", "hidden_layer_sizes": [6], "activation": "gelu", "dropout": 0.3}


def train_params(network: str = "mlp", *, trees: Mapping[str, Any] | None = None, **changes: Any) -> TrainParams:
    """Section `train` for one network, little and quick; what its own section holds goes there. Trees only if asked for."""
    own = {key: value for key, value in changes.items() if key in LITTLE[network]}
    rest = {key: value for key, value in changes.items() if key not in own}
    sections = {network: LITTLE[network] | own, "trees": LITTLE["trees"] | dict(trees or {})}
    return TrainParams.parse("train", LITTLE | {"network": network} | sections | rest)


def spec_of(params: TrainParams, cardinalities: np.ndarray, train: Part) -> dict[str, Any]:
    """What the params' network is built from on such a part."""
    recipe = params.recipe
    if isinstance(recipe, MLPParams):
        return recipe.spec
    return recipe.spec | {"bins": find_bins(train.X, cardinalities.tolist(), recipe.n_bins, params.seed)}


def trees_of(done: InMemory, **knobs: Any) -> Trees:
    """Trees that are fitted on a table; of one model, unless `n_models` says otherwise."""
    params, parts = train_params(trees={"n_models": 1, **knobs}), (done.parts["train"], done.parts["valid"])
    trees = fit_trees(params, done.encoder.cardinalities, *parts, n_classes=len(done.classes))
    assert trees is not None
    return trees


def mean_of(trees: Trees, X: np.ndarray) -> np.ndarray:
    """Of all models' probabilities. Shape: (n, width) -> (n, classes)"""
    return np.asarray(np.mean(list(trees.each(X)), axis=0))


def untrained(
    done: InMemory,
    spec: dict[str, Any] = MLP_SPEC,
    threshold: float | None = 0.5,
    *,
    networks: int = 1,
    trees: Trees | None = None,
) -> Classifier:
    """A classifier whose networks have their initial weights; with trees it is a blend."""
    torch.manual_seed(0)
    classes = len(done.classes)
    built = tuple(build_network(done.encoder, classes, spec) for _ in range(networks))
    members = Members(built)
    if trees is not None:
        models = len(trees.texts)
        members = Members(built, trees, (0.3, *[0.7 / models] * models), temperature=1.2)
    return Classifier(members, spec, done.encoder, done.contract, threshold if classes == 2 else None)
