"""Veritable's explainer."""

import numpy as np
from case import Case

from veritable.explanation.explainer import Explainer


def fit(case: Case) -> Explainer:
    return Explainer.fit(case.classifier)


def explain(explainer: Explainer, case: Case, rows: slice) -> tuple[np.ndarray, np.ndarray]:
    """Return values and their standard errors. Shape: (n, columns) each"""
    found = explainer.explain(case.X[rows], case.numbers[rows])
    return found.values[..., 0], found.error_std[..., 0]
