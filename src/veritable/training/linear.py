"""A regularized logistic regression, whose penalty is chosen on the rows held out."""

import warnings
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from veritable.metrics.losses import log_losses
from veritable.models.ensemble import blend_scores
from veritable.models.linear import MAX_DEVIATIONS, Linear
from veritable.tables.encoding.parts import Part
from veritable.training.class_weights import row_weights, weigh
from veritable.training.learner import Fitted
from veritable.training.plan import TrainPlan

_STRENGTHS = (0.003, 0.03, 0.3, 3.0)  # inverse penalties, tried in this order until the loss increases
_MAX_ITERATIONS = 200  # the rest of the fit changes the predictions little


class LinearLearner:
    """A logistic regression on numbers, clipped at 5 standard deviations, and one-hot categories."""

    name: ClassVar[str] = "a linear model"

    def __init__(self, plan: TrainPlan, cardinalities: np.ndarray, n_classes: int):
        self.plan, self.cardinalities, self.n_classes = plan, cardinalities.astype(np.int64), n_classes

    def fit(self, train: Part, valid: Part, number: int) -> Fitted:
        best, least = Fitted(()), np.inf
        weight = row_weights(valid, self.plan.class_weight, self.n_classes)
        model = self._model(_STRENGTHS[0])
        for strength in _STRENGTHS:
            member = self._fit(model.set_params(C=strength), train)
            loss = float(np.average(log_losses(valid.y, blend_scores([member.scores(valid.X)], [1.0])), weights=weight))
            if loss >= least:
                break
            best, least = Fitted((member,), float(np.log(strength))), loss
        return best

    def refit(self, pool: Part, fits: Sequence[Fitted]) -> Linear:
        return self._fit(self._model(float(np.exp(np.mean([each.setting for each in fits])))), pool)

    def _model(self, strength: float) -> LogisticRegression:
        return LogisticRegression(C=strength, max_iter=_MAX_ITERATIONS, tol=1e-3, warm_start=True)

    def _fit(self, model: LogisticRegression, part: Part) -> Linear:
        part = weigh(part, self.plan.class_weight, self.n_classes)
        with warnings.catch_warnings(), threadpool_limits(1):  # more threads add in another order
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(self._inputs(part.X), part.y, part.weight)
        coefficients, intercept = model.coef_.T.astype(np.float64), model.intercept_.astype(np.float64)
        if self.n_classes == 2:  # scikit-learn keeps the log-odds of the second class
            coefficients, intercept = coefficients * [-0.5, 0.5], intercept * [-0.5, 0.5]
        return Linear(self.cardinalities, np.ascontiguousarray(coefficients), intercept)

    def _inputs(self, X: np.ndarray) -> sparse.csr_matrix:
        """Return the inputs of the regression. Shape: (n, width) -> (n, inputs)"""
        blocks = []
        for column, codes in enumerate(self.cardinalities):
            if codes:
                places = (np.arange(len(X)), X[:, column].astype(np.int64))
                blocks.append(sparse.coo_matrix((np.ones(len(X)), places), shape=(len(X), codes)))
            else:
                clipped = np.clip(X[:, [column]], -MAX_DEVIATIONS, MAX_DEVIATIONS).astype(np.float64)
                blocks.append(sparse.coo_matrix(clipped))
        return sparse.hstack(blocks, format="csr")
