"""Boosted trees on encoded rows: several LightGBM models of different kinds, on different samples of rows and columns."""

from typing import Any

import lightgbm as lgb
import numpy as np
import torch

from veritable.models.trees import Trees
from veritable.progress import progress
from veritable.tables.encoding.parts import Part
from veritable.training.class_weights import balanced_weights
from veritable.training.params import TreesParams
from veritable.training.plan import TrainPlan

_MAX_MODELS, _MAX_FOLD_MODELS = 4, 2  # with `auto`
_MAX_WORK = 400_000  # with `auto`: maximum rows times trees per round of all models
_MAX_TREES = 4000  # with `auto`: no further model once there are as many trees, since an explained row evaluates them all
_MAX_ONE_HOT_LEVELS = 1_000_000  # one level against the rest: sets of levels were worse, see docs/decisions/0006-networks.md


def count_models(plan: TrainPlan, n_rows: int, n_classes: int) -> int:
    """Return the number of boosted models; with `auto` 4, or 2 per fold, or fewer for large tables."""
    if plan.trees is None:
        return 0
    if plan.trees.n_models != "auto":
        return plan.trees.n_models
    trees_per_round = 1 if n_classes == 2 else n_classes
    limit = _MAX_FOLD_MODELS if plan.n_splits else _MAX_MODELS
    return max(1, min(limit, _MAX_WORK // (n_rows * trees_per_round)))


def fit_trees(
    plan: TrainPlan,
    cardinalities: np.ndarray,
    train: Part,
    valid: Part,
    *,
    n_classes: int,
    threads: int | None = None,
) -> Trees | None:
    """Fit the boosted models; None if the plan has none.

    Each model stops if its loss on valid has not decreased for `early_stopping_rounds` rounds, and keeps its best round.

    Parameters
    ----------
    cardinalities
        Number of codes of each encoded column, 0 for a number (`Encoder.cardinalities`). Shape: (width,)
    threads
        Number of CPU threads; None: one per core. The trees do not depend on it.
    """
    params, n_models = plan.trees, count_models(plan, len(train), n_classes)
    if params is None or not n_models:
        return None
    settings: dict[str, Any] = {
        "objective": "binary" if n_classes == 2 else "multiclass",
        "num_class": 1 if n_classes == 2 else n_classes,
        "learning_rate": params.learning_rate,
        "num_leaves": params.num_leaves,
        "min_data_in_leaf": params.min_data_in_leaf,
        "lambda_l2": params.lambda_l2,
        "bagging_fraction": params.bagging_fraction if len(train) * params.bagging_fraction >= 2 else 1.0,  # 0 rows: an error
        "bagging_freq": 1,
        "feature_fraction": params.feature_fraction,
        "max_bin": params.max_bin,
        "max_cat_to_onehot": _MAX_ONE_HOT_LEVELS,
        "num_threads": threads or 0,
        "deterministic": True,
        "force_row_wise": True,
        "verbose": -1,
    }
    train_set, valid_set = (_dataset(plan, params, part, cardinalities, n_classes) for part in (train, valid))
    valid_set.reference = train_set
    boosters = []
    with progress() as bar:
        task = bar.add_task("boosting trees", total=n_models)
        for i in range(n_models):
            stop = lgb.early_stopping(params.early_stopping_rounds, verbose=False)
            varied = settings | _variation(i, params) | {"seed": (plan.seed + i) % 2**31}
            boosters.append(lgb.train(varied, train_set, params.n_estimators, valid_sets=[valid_set], callbacks=[stop]))
            bar.advance(task)
            n_trees = sum(booster.best_iteration * booster.num_model_per_iteration() for booster in boosters)
            if params.n_models == "auto" and n_trees >= _MAX_TREES:
                break
    return Trees.from_boosters(boosters)


def _variation(number: int, params: TreesParams) -> dict[str, Any]:
    """Return the settings in which a model differs, one of four in turn; the mean of the models is better than each of them.

    The four are: no difference; all columns for each tree; random splits (Geurts et al. 2006, "Extremely randomized trees"),
    which learn more slowly; and small trees with fewer columns.
    """
    variations: tuple[dict[str, Any], ...] = (
        {},
        {"feature_fraction": 1.0},
        {"extra_trees": True, "learning_rate": 2 * params.learning_rate},
        {
            "num_leaves": max(2, params.num_leaves // 4),
            "feature_fraction": params.feature_fraction * 2 / 3,
            "lambda_l2": params.lambda_l2 + 3,
        },
    )
    return variations[number % len(variations)]


def _dataset(plan: TrainPlan, params: TreesParams, part: Part, cardinalities: np.ndarray, n_classes: int) -> lgb.Dataset:
    weight = part.weight
    if plan.class_weight == "balanced":
        row_weight = None if weight is None else torch.from_numpy(weight)
        class_weights = balanced_weights(torch.from_numpy(part.y), row_weight, n_classes).numpy()
        weight = class_weights[part.y] * (1 if weight is None else weight)
    categories = np.flatnonzero(cardinalities).tolist()
    settings = {"max_bin": params.max_bin, "verbose": -1}
    return lgb.Dataset(part.X, part.y, weight=weight, categorical_feature=categories, params=settings, free_raw_data=False)
