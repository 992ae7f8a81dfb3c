"""The explainers of shap, as their documentation uses them."""

from collections.abc import Callable

import lightgbm as lgb
import numpy as np
import shap
from case import Case

from veritable.models.trees import Trees

Explain = Callable[[np.ndarray], np.ndarray]
ROUNDS = 10  # orders and their reverses, as with max_evals="auto", which loses one round to rounding


def _masker(case: Case) -> shap.maskers.Independent:
    return shap.maskers.Independent(case.background, max_samples=len(case.background))


def exact(case: Case) -> Explain:
    explainer = shap.ExactExplainer(case.log_odds, _masker(case))
    return lambda X: explainer(X, silent=True).values


def permutation(case: Case) -> Explain:
    explainer = shap.PermutationExplainer(case.log_odds, _masker(case), seed=0)
    evaluations = ROUNDS * (2 * case.X.shape[1] + 1)
    return lambda X: explainer(X, max_evals=evaluations, silent=True).values


def kernel(case: Case) -> Explain:
    """Without the selection of 10 columns that is the default, because it makes the values of more columns worse."""
    np.random.seed(0)  # noqa: NPY002 - where KernelExplainer draws from
    explainer = shap.KernelExplainer(case.log_odds, case.background)
    return lambda X: explainer.shap_values(X, nsamples="auto", l1_reg=False, silent=True)


def tree(case: Case) -> Explain:
    """Interventional, against the whole background; an array would be reduced to 100 rows.

    Trees that split categories are unsupported: https://github.com/shap/shap/issues/5132. The check of the sums is off, because
    it also fails where one row is rounded to the other side of a threshold, and the error is measured anyway.
    """
    if any(case.classifier.encoder.cardinalities):
        raise NotImplementedError("shap.TreeExplainer does not support splits of categories")
    members = zip(case.classifier.ensemble.members, case.classifier.ensemble.weights, strict=True)
    explainers = []
    for member, weight in members:
        assert isinstance(member, Trees)
        options = {"feature_perturbation": "interventional", "model_output": "raw"}
        explainers.append((shap.TreeExplainer(lgb.Booster(model_str=member.text), _masker(case), **options), weight))
    return lambda X: sum(weight * each.shap_values(X, check_additivity=False) for each, weight in explainers)
