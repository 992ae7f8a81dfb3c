"""Boosted trees on encoded rows: LightGBM models of different kinds, on different samples of rows and columns."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

import lightgbm as lgb
import numpy as np

from veritable.models.trees import Trees
from veritable.tables.encoding.parts import Part
from veritable.training.class_weights import row_weights, weigh
from veritable.training.learner import Fitted
from veritable.training.plan import TrainPlan

_MAX_MODELS = 2  # with `auto`
_MAX_WORK = 400_000  # with `auto`: maximum rows times trees per round of all models
_MAX_ONE_HOT_LEVELS = 1_000_000  # one level against the rest: sets of levels were worse, see docs/decisions/0006-networks.md


def count_models(plan: TrainPlan, n_rows: int, n_classes: int) -> int:
    """Return the number of boosted models; with `auto` 2, or 1 for large tables."""
    if plan.trees is None:
        return 0
    if plan.trees.n_models != "auto":
        return plan.trees.n_models
    trees_per_round = 1 if n_classes == 2 else n_classes
    return max(1, min(_MAX_MODELS, _MAX_WORK // (n_rows * trees_per_round)))


class BoostingLearner:
    """One LightGBM model. Boosting stops if the loss on valid has not decreased for `early_stopping_rounds` rounds.

    Parameters
    ----------
    cardinalities
        Number of codes of each encoded column, 0 for a number (`Encoder.cardinalities`). Shape: (width,)
    number
        Number of the model, from 0: the models differ in their settings and seeds.
    threads
        Number of CPU threads; None: one per core. The trees do not depend on it.
    """

    name: ClassVar[str] = "boosted trees"

    def __init__(self, plan: TrainPlan, cardinalities: np.ndarray, n_classes: int, number: int, threads: int | None = None):
        assert plan.trees is not None
        self.plan, self.params, self.n_classes, self.number = plan, plan.trees, n_classes, number
        self.categories = np.flatnonzero(cardinalities).tolist()
        self.threads = threads or 0

    def fit(self, train: Part, valid: Part, number: int) -> Fitted:
        train_set = self._dataset(weigh(train, self.plan.class_weight, self.n_classes))
        weighed = replace(valid, weight=row_weights(valid, self.plan.class_weight, self.n_classes))
        valid_set = self._dataset(weighed, reference=train_set)
        stop = lgb.early_stopping(self.params.early_stopping_rounds, verbose=False)
        settings = self._settings(len(train), number)
        booster = lgb.train(settings, train_set, self.params.n_estimators, valid_sets=[valid_set], callbacks=[stop])
        return Fitted((Trees.from_booster(booster),), booster.best_iteration)

    def refit(self, pool: Part, fits: Sequence[Fitted]) -> Trees:
        rounds = max(1, round(float(np.mean([each.setting for each in fits]))))
        train_set = self._dataset(weigh(pool, self.plan.class_weight, self.n_classes))
        return Trees.from_booster(lgb.train(self._settings(len(pool), len(fits)), train_set, rounds))

    def _settings(self, n_rows: int, fold: int) -> dict[str, Any]:
        params, n_classes = self.params, self.n_classes
        settings = {
            "objective": "binary" if n_classes == 2 else "multiclass",
            "num_class": 1 if n_classes == 2 else n_classes,
            "learning_rate": params.learning_rate,
            "num_leaves": params.num_leaves,
            "min_data_in_leaf": params.min_data_in_leaf,
            "lambda_l2": params.lambda_l2,
            "bagging_fraction": params.bagging_fraction if n_rows * params.bagging_fraction >= 2 else 1.0,  # 0 rows: an error
            "bagging_freq": 1,
            "feature_fraction": params.feature_fraction,
            "max_bin": params.max_bin,
            "max_cat_to_onehot": _MAX_ONE_HOT_LEVELS,
            "num_threads": self.threads,
            "deterministic": True,
            "force_row_wise": True,
            "verbose": -1,
            "seed": (self.plan.seed + self.number + 1000 * fold) % 2**31,
        }
        return settings | self._variation()

    def _variation(self) -> dict[str, Any]:
        """Return the settings in which a model differs: every second one has smaller trees, larger leaves and fewer columns."""
        params = self.params
        if self.number % 2 == 0:
            return {}
        return {
            "num_leaves": max(2, params.num_leaves // 2),
            "min_data_in_leaf": 6 * params.min_data_in_leaf,
            "feature_fraction": params.feature_fraction * 2 / 3,
        }

    def _dataset(self, part: Part, reference: lgb.Dataset | None = None) -> lgb.Dataset:
        settings = {"max_bin": self.params.max_bin, "verbose": -1}
        return lgb.Dataset(part.X, part.y, reference, part.weight, categorical_feature=self.categories, params=settings)
