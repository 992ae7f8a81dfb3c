"""pytabkit: RealMLP-TD and TabM-D with their defaults, and with settings for the log loss.

Both hold back a fifth of the rows, which they draw themselves, to select the epoch.
"""

from typing import Any

import pandas as pd
import pytorch_lightning  # noqa: F401  (otherwise RealMLP-TD imports it during the fit)
import torch
from frames import Kinds, Limits, Part
from pytabkit import RealMLP_TD_Classifier, TabM_D_Classifier
from pytabkit.models.alg_interfaces import tabm_interface
from sklearn.impute import SimpleImputer
from worker import Predict

_METRICS = tabm_interface.Metrics
BY_LOG_LOSS = {"val_metric_name": "cross_entropy"}  # the default selects the epoch with the highest accuracy


def realmlp(train: Part, kinds: Kinds, limits: Limits) -> Predict:
    """Fit RealMLP-TD with its defaults."""
    return _fit(RealMLP_TD_Classifier, {}, train, kinds, limits)


def realmlp_ce(train: Part, kinds: Kinds, limits: Limits) -> Predict:
    """Fit RealMLP-TD as its authors recommend for log loss and AUC: no label smoothing, the best epoch by log loss."""
    return _fit(RealMLP_TD_Classifier, {"use_ls": False} | BY_LOG_LOSS, train, kinds, limits)


def tabm(train: Part, kinds: Kinds, limits: Limits) -> Predict:
    """Fit TabM-D with its defaults."""
    return _fit(TabM_D_Classifier, {}, train, kinds, limits)


def tabm_ce(train: Part, kinds: Kinds, limits: Limits) -> Predict:
    """Fit TabM-D and select the epoch by log loss. This corrects pytabkit 1.7.3, which takes its probabilities for logits."""
    tabm_interface.Metrics = _MetricsOfProbabilities
    return _fit(TabM_D_Classifier, BY_LOG_LOSS, train, kinds, limits)


class _MetricsOfProbabilities(tabm_interface.Metrics):
    """Metrics that get the logarithms of probabilities, which are valid logits."""

    @staticmethod
    def apply(y_pred: torch.Tensor, y: torch.Tensor, metric_name: str) -> torch.Tensor:
        return _METRICS.apply(y_pred.clamp_min(1e-30).log(), y, metric_name)


def _fit(kind: Any, settings: dict[str, Any], train: Part, kinds: Kinds, limits: Limits) -> Predict:
    imputer = SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)
    if kinds.numbers:
        imputer.set_output(transform="pandas").fit(train.X[kinds.numbers])

    def take(X: pd.DataFrame) -> pd.DataFrame:  # numbers must not be missing: they are imputed, with an indicator column
        numbers = [imputer.transform(X[kinds.numbers])] if kinds.numbers else []
        return pd.concat([*numbers, X[kinds.categories]], axis=1)

    model = kind(device="cpu", random_state=limits.seed, n_threads=limits.threads, **settings)
    model.fit(take(train.X), train.y, cat_col_names=kinds.categories)
    return lambda X: model.predict_proba(take(X))
