"""Can a model tell the new rows from train rows? It finds what no single column shows, such as a broken relation between two.

Lopez-Paz & Oquab 2017, "Revisiting classifier two-sample tests".
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch  # noqa: F401  loads the OpenMP library that LightGBM needs if the system has none
from lightgbm import LGBMClassifier
from sklearn.model_selection import StratifiedKFold

from veritable.metrics.intervals import Interval, percentile_interval, resample_weights
from veritable.metrics.outcomes import CONFIDENCE
from veritable.metrics.ranking import Ranking
from veritable.tables.encoding.encoder import Encoder

MAX_AUC = 0.65  # about what a shift of one column by half a standard deviation gives
MIN_ROWS = 50
_MAX_ROWS, _MAX_CELLS = 2_000, 2**20
_FOLDS, _RESAMPLES, _SEED, _NAMED = 5, 1_000, 0, 3


@dataclass(frozen=True)
class ToldApart:
    """How well a model tells the new rows from train rows that it was not fitted on.

    Attributes
    ----------
    auc
        Cross-validated ROC AUC with its interval; 0.5 if the rows cannot be told apart.
    columns
        Columns that the model uses most, with their shares of its gain.
    """

    auc: Interval
    columns: Sequence[tuple[str, float]]

    @property
    def differ(self) -> bool:
        """Whether the rows differ much, and not by chance."""
        value, low = self.auc.value, self.auc.low
        return value is not None and low is not None and value > MAX_AUC and low > 0.5


def tell_apart(train: np.ndarray, new: np.ndarray, encoder: Encoder) -> ToldApart | None:
    """Fit boosted trees that tell new rows from train rows; None if there are too few rows or only dates.

    Dates are left out, because time moves on.

    Shape: (m, width), (n, width) float32
    """
    dated = [column.kind == "date" for column in encoder.columns]
    owner = np.repeat(np.arange(len(dated)), [len(column.names) for column in encoder.columns])
    used = np.flatnonzero(~np.array(dated)[owner])
    max_rows = min(_MAX_ROWS, max(MIN_ROWS, _MAX_CELLS // max(1, len(used))))
    train, new = train[:max_rows, used], new[:max_rows, used]
    if min(len(train), len(new)) < MIN_ROWS or not len(used):
        return None
    X, is_new = np.concatenate([train, new]), np.repeat([0, 1], [len(train), len(new)])
    score, gains = np.empty(len(X)), np.zeros(len(encoder.columns))
    for fold, (fitted, held_out) in enumerate(StratifiedKFold(_FOLDS, shuffle=True, random_state=_SEED).split(X, is_new)):
        model = LGBMClassifier(
            n_estimators=60, num_leaves=8, learning_rate=0.1, min_child_samples=10, colsample_bytree=0.8, random_state=fold,
            importance_type="gain", n_jobs=1, deterministic=True, force_row_wise=True, verbose=-1,
        )  # fmt: skip
        model.fit(X[fitted], is_new[fitted])
        score[held_out] = model.booster_.predict(X[held_out])
        np.add.at(gains, owner[used], model.feature_importances_)
    ranking = Ranking(is_new == 1, score)
    value = float(ranking.measure(np.ones((len(X), 1)))[0][0])
    resampled = np.concatenate([ranking.measure(times.T)[0] for times in resample_weights(len(X), _RESAMPLES, _SEED)])
    auc = percentile_interval(value, resampled, n=len(new), confidence_level=CONFIDENCE)
    strongest = np.argsort(-gains, kind="stable")[:_NAMED]
    named = [(encoder.columns[i].name, float(gains[i] / gains.sum())) for i in strongest if gains[i] > 0]
    return ToldApart(auc, named)
