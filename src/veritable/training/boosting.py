"""Boosted trees on encoded rows: several models, each of another kind and on its own draw of rows and columns."""

from typing import Any

import lightgbm as lgb
import numpy as np
import torch

from veritable.models.trees import Trees
from veritable.progress import progress
from veritable.tables.encoding.parts import Part
from veritable.training.module import balanced_weights
from veritable.training.params import TrainParams, TreesParams

_MOST_CLASSES = 100  # a round is a tree for each class
_MODELS, _OF_A_FOLD = 4, 2  # with `auto`
_WORK = 400_000  # with `auto` rows x trees of all models' rounds at most
_TREES = 4000  # with `auto` no further model beyond so many in all: each is asked for every row that is explained
_LEVELS = 1_000_000  # up to so many, a split takes one against the rest; sets did worse: docs/decisions/0006-networks.md


def count_models(params: TrainParams, rows: int, n_classes: int) -> int:
    """How many models `train.trees.n_models` means: with `auto` 4, of each fold 2, fewer for a large table, none for more than
    100 classes.
    """
    if params.trees.n_models != "auto":
        return params.trees.n_models
    trees = 1 if n_classes == 2 else n_classes
    most = _OF_A_FOLD if params.n_splits else _MODELS
    return 0 if n_classes > _MOST_CLASSES else max(1, min(most, _WORK // (rows * trees)))


def fit_trees(
    params: TrainParams, cardinalities: np.ndarray, train: Part, valid: Part, *, n_classes: int, threads: int | None = None
) -> Trees | None:
    """Fit as many as `train.trees.n_models` says, maybe none; each stops when its loss on valid has not fallen for
    `train.trees.early_stopping_rounds` rounds, and keeps its best.

    Parameters
    ----------
    cardinalities
        Of each encoded column the number of its codes, 0 for a number (`Encoder.cardinalities`).
    threads
        Number of CPU threads; None: one per core.
    """
    knobs, models = params.trees, count_models(params, len(train), n_classes)
    if not models:
        return None
    settings: dict[str, Any] = {
        "objective": "binary" if n_classes == 2 else "multiclass",
        "num_class": 1 if n_classes == 2 else n_classes,
        "learning_rate": knobs.learning_rate,
        "num_leaves": knobs.num_leaves,
        "min_data_in_leaf": knobs.min_data_in_leaf,
        "lambda_l2": knobs.lambda_l2,
        "bagging_fraction": knobs.bagging_fraction
        if len(train) * knobs.bagging_fraction >= 2
        else 1.0,  # LightGBM fails where none is drawn
        "bagging_freq": 1,
        "feature_fraction": knobs.feature_fraction,
        "max_bin": knobs.max_bin,
        "max_cat_to_onehot": _LEVELS,
        "num_threads": threads or 0,
        "deterministic": True,
        "force_row_wise": True,
        "verbose": -1,
    }
    fitted, judged = (_dataset(params, part, cardinalities, n_classes) for part in (train, valid))
    judged.reference = fitted
    boosters = []
    with progress() as bar:
        task = bar.add_task("boosting trees", total=models)
        for i in range(models):
            stop = lgb.early_stopping(knobs.early_stopping_rounds, verbose=False)
            own = settings | _kind(i, knobs) | {"seed": (params.seed + i) % 2**31}
            boosters.append(lgb.train(own, fitted, knobs.n_estimators, valid_sets=[judged], callbacks=[stop]))
            bar.advance(task)
            trees = sum(booster.best_iteration * booster.num_model_per_iteration() for booster in boosters)
            if knobs.n_models == "auto" and trees >= _TREES:
                break
    return Trees.of(boosters)


def _kind(number: int, knobs: TreesParams) -> dict[str, Any]:
    """What is different in that model, of four in turn: nothing; all columns for each tree; splits at random (Geurts et al.
    2006, "Extremely randomized trees"), which learn slower; small trees of fewer columns. Their mean is better than any.
    """
    kinds: tuple[dict[str, Any], ...] = (
        {},
        {"feature_fraction": 1.0},
        {"extra_trees": True, "learning_rate": 2 * knobs.learning_rate},
        {
            "num_leaves": max(2, knobs.num_leaves // 4),
            "feature_fraction": knobs.feature_fraction * 2 / 3,
            "lambda_l2": knobs.lambda_l2 + 3,
        },
    )
    return kinds[number % len(kinds)]


def _dataset(params: TrainParams, part: Part, cardinalities: np.ndarray, n_classes: int) -> lgb.Dataset:
    weight = part.weight
    if params.class_weight == "balanced":
        known = None if weight is None else torch.from_numpy(weight)
        by_class = balanced_weights(torch.from_numpy(part.y), known, n_classes).numpy()
        weight = by_class[part.y] * (1 if weight is None else weight)
    categories = np.flatnonzero(cardinalities).tolist()
    settings = {"max_bin": params.trees.max_bin, "verbose": -1}
    return lgb.Dataset(part.X, part.y, weight=weight, categorical_feature=categories, params=settings, free_raw_data=False)
