"""The approximators of shapiq for Shapley values, with as many coalitions as shap's explainers of the same kind use."""

from collections.abc import Callable

import numpy as np
import shapiq
from case import Case
from peer_shap import ROUNDS

Explain = Callable[[np.ndarray], np.ndarray]


def _explain(case: Case, approximator: str, budget: int) -> Explain:
    options = {"index": "SV", "max_order": 1, "imputer": "marginal", "sample_size": len(case.background), "random_state": 0}
    explainer = shapiq.TabularExplainer(case.log_odds, case.background, approximator=approximator, **options)

    def explain(X: np.ndarray) -> np.ndarray:
        found = (explainer.explain(row[None], budget=budget, random_state=0) for row in X)
        return np.stack([each.get_n_order_values(1) for each in found])

    return explain


def kernel(case: Case) -> Explain:
    columns = case.X.shape[1]
    return _explain(case, "auto", min(2**columns, 2 * columns + 2048))


def permutation(case: Case) -> Explain:
    return _explain(case, "permutation", ROUNDS * (2 * case.X.shape[1] + 1))
