"""A forest of completely random trees, the member that remembers single rows."""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from sklearn.ensemble import ExtraTreesClassifier

from veritable.models.forest import Forest
from veritable.tables.encoding.parts import Part
from veritable.training.class_weights import weigh
from veritable.training.learner import Fitted
from veritable.training.plan import TrainPlan

_MAX_LEAF_CELLS = 5_000_000  # rows times classes times trees: at 4 bytes, 20 MB if every row has a leaf
_MIN_TREES = 10


class ForestLearner:
    """Extremely randomized trees (Geurts et al. 2006), grown until the leaves are pure.

    Categories are split by their codes, which are in the order of their frequency. Nothing is chosen on the rows held out.
    """

    name: ClassVar[str] = "a forest"

    def __init__(self, plan: TrainPlan, n_classes: int):
        assert plan.forest is not None
        self.plan, self.params, self.n_classes = plan, plan.forest, n_classes

    def fit(self, train: Part, valid: Part, number: int) -> Fitted:
        return Fitted((self._grow(train, number),))

    def refit(self, pool: Part, fits: Sequence[Fitted]) -> Forest:
        return self._grow(pool, len(fits))

    def _grow(self, part: Part, number: int) -> Forest:
        part = weigh(part, self.plan.class_weight, self.n_classes)
        fitting = max(_MIN_TREES, _MAX_LEAF_CELLS // (len(part) * self.n_classes))
        model = ExtraTreesClassifier(
            min(self.params.n_estimators, fitting),
            min_samples_leaf=self.params.min_samples_leaf,
            n_jobs=1,  # the trees do not depend on it, but threads of joblib wait for each other on a busy machine
            random_state=self.plan.with_seed(number).seed,
        )
        model.fit(np.ascontiguousarray(part.X), part.y, part.weight)
        return Forest.from_trees([each.tree_ for each in model.estimators_])
