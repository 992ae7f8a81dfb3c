"""The bit patterns of Woodelf, in the package of its authors."""

from collections.abc import Callable

import lightgbm as lgb
import numpy as np
import pandas as pd
from case import Case
from woodelf.explainer import WoodelfExplainer

from veritable.models.trees import Trees


def tree(case: Case) -> Callable[[np.ndarray], np.ndarray]:
    """Interventional, one booster. Splits of categories are refused."""
    (member,), (weight,) = case.classifier.ensemble.members, case.classifier.ensemble.weights
    assert isinstance(member, Trees)
    booster = lgb.Booster(model_str=member.text)
    names = booster.feature_name()
    explainer = WoodelfExplainer(booster, pd.DataFrame(case.background, columns=names))
    return lambda X: weight * explainer.shap_values(pd.DataFrame(X, columns=names), verbose=False)
