"""Metrics of each class against the rest."""

import numpy as np
import pytest
from hypothesis import given, settings
from scipy import stats
from sklearn import metrics as sk

from tests.quick import examples
from tests.test_metrics import weighted_predictions
from veritable.metrics.per_class import auc_limits, compute_class_metrics


@settings(max_examples=examples(100), deadline=None)
@given(weighted_predictions())
def test_every_metric_is_that_of_scikit_learn(rows):
    """Precision, recall, F1 and ROC AUC of each class, with weights and absent classes, equal those of scikit-learn."""
    y_true, y_prob, y_pred, weight = rows
    found = compute_class_metrics(y_true, y_prob, y_pred, weight=weight)
    labels, kept = range(y_prob.shape[1]), weight > 0
    options = {"labels": labels, "sample_weight": weight, "zero_division": np.nan}
    precision, recall, f1, _ = sk.precision_recall_fscore_support(y_true, y_pred, **options)
    for name, expected in (("precision", precision), ("recall", recall), ("f1", f1)):
        value = [np.nan if each.value is None else each.value for each in found[name]]
        assert expected.tolist() == pytest.approx(value, abs=1e-9, nan_ok=True), name
    for code in labels:
        one = y_true[kept] == code
        value = found["roc_auc"][code].value
        if one.all() or not one.any():
            assert value is None
        else:
            assert sk.roc_auc_score(one, y_prob[kept, code], sample_weight=weight[kept]) == pytest.approx(value, abs=1e-9)


@settings(max_examples=examples(50), deadline=None)
@given(weighted_predictions())
def test_every_value_lies_in_its_interval(rows):
    """Each value lies between its ends, which lie between 0 and 1."""
    for each in (each for metric in compute_class_metrics(*rows[:3], weight=rows[3]).values() for each in metric):
        assert each.value is None or -1e-12 <= each.low - 1e-12 <= each.value <= each.high + 1e-12 <= 1 + 2e-12


def test_few_rows_that_are_right_are_no_certainty():
    """A class with three rows, all ranked first and predicted right, has metrics of 1 with ends far below 1."""
    y_true = np.repeat([0, 1], [97, 3])
    y_prob = np.where(y_true[:, None] == [0, 1], 0.9, 0.1)
    found = compute_class_metrics(y_true, y_prob, y_true)
    assert {1.0} == {found[name][1].value for name in ("precision", "recall", "f1", "roc_auc")}
    assert all(found[name][1].low < 0.8 for name in ("precision", "recall", "f1", "roc_auc"))
    assert stats.binomtest(3, 3).proportion_ci(method="wilson").low == pytest.approx(found["recall"][1].low)


def test_each_metric_says_how_many_rows_it_is_from():
    """Recall counts the rows of the class, precision those predicted as it, F1 both."""
    y_true, y_pred = np.array([0, 0, 0, 1, 1]), np.array([0, 1, 1, 1, 0])
    found = compute_class_metrics(y_true, np.full((5, 2), 0.5), y_pred)
    assert (2, 3, 4, 5) == tuple(found[name][1].n for name in ("recall", "precision", "f1", "roc_auc"))


@pytest.mark.parametrize(("positives", "negatives"), [(5, 500), (40, 200)])
def test_the_interval_of_the_auc_holds_the_true_value(positives, negatives):
    """Of 500 samples from two normal distributions, at least 93 % have an interval that contains the true ROC AUC."""
    draw = np.random.default_rng(0)
    below = np.sort(draw.normal(size=(500, negatives)), axis=1)
    above = draw.normal(1.5, 1, size=(500, positives))
    auc = np.array([np.searchsorted(low, high).mean() / negatives for low, high in zip(below, above, strict=True)])
    low, high = auc_limits(auc, np.full(500, float(positives)), np.full(500, float(negatives)), 1.96)
    true = stats.norm.cdf(1.5 / np.sqrt(2))
    assert np.mean((low <= true) & (true <= high)) >= 0.93


def test_the_interval_of_the_auc_is_a_score_interval():
    """At both ends, the observed value is z standard errors away, by the formula of Hanley & McNeil."""

    def error(auc, positives, negatives):
        first, second = auc / (2 - auc), 2 * auc**2 / (1 + auc)
        numerator = auc * (1 - auc) + (positives - 1) * (first - auc**2) + (negatives - 1) * (second - auc**2)
        return np.sqrt(numerator / (positives * negatives))

    for end in auc_limits(np.array([0.8]), np.array([30.0]), np.array([50.0]), 1.5):
        assert 1.5 == pytest.approx(abs(end[0] - 0.8) / error(end[0], 30, 50))
