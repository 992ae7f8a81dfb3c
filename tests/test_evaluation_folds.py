"""The mean and the spread over the folds agree with scikit-learn's metrics of each fold."""

import numpy as np
import pytest
from sklearn import metrics

from veritable.evaluation.folds import compute_fold_metrics
from veritable.evaluation.predictions import PartPredictions
from veritable.metrics.metrics import METRICS


def fold(seed: int, n: int = 40, *, weighted: bool = False) -> PartPredictions:
    draw = np.random.default_rng(seed)
    y, scores = draw.integers(0, 2, n), draw.random(n)
    weight = draw.exponential(size=n) if weighted else None
    return PartPredictions(np.arange(n), y, (scores > 0.5).astype(int), np.stack([1 - scores, scores], axis=1), weight)


@pytest.mark.parametrize("weighted", [False, True])
def test_mean_and_spread(weighted: bool) -> None:
    """Each metric has one value per fold, their mean and their standard deviation."""
    folds = [fold(seed, weighted=weighted) for seed in range(4)]
    found = compute_fold_metrics(folds)
    assert set(METRICS) == set(found)
    values = [metrics.roc_auc_score(each.y_true, each.y_prob[:, 1], sample_weight=each.weight) for each in folds]
    assert values == pytest.approx(found["roc_auc"]["values"])
    assert (np.mean(values), np.std(values, ddof=1)) == pytest.approx((found["roc_auc"]["mean"], found["roc_auc"]["spread"]))
    losses = [metrics.log_loss(each.y_true, each.y_prob, sample_weight=each.weight) for each in folds]
    assert losses == pytest.approx(found["log_loss"]["values"])


def test_undefined() -> None:
    """A fold on which a metric is undefined does not count; if it is undefined on all folds, its mean is None."""
    one = fold(0)
    alone = PartPredictions(one.row, np.zeros(40, dtype=int), one.y_pred, one.y_prob)
    found = compute_fold_metrics([one, alone])["roc_auc"]
    assert found["values"][1] is None
    assert (found["values"][0], None) == (found["mean"], found["spread"])
    assert {"mean": None, "spread": None, "values": [None]} == compute_fold_metrics([alone])["roc_auc"]
