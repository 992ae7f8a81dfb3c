"""Differences of all metrics between two classifiers."""

import json
from dataclasses import asdict

import numpy as np
import pytest
from sklearn import metrics as sk

from veritable.metrics.intervals import paired_difference, resample_weights
from veritable.metrics.losses import log_losses
from veritable.metrics.metrics import METRICS
from veritable.metrics.paired import paired_metrics


def two_classifiers(n=200, k=2, seed=0):
    """Make y_true, and y_prob and y_pred of two classifiers of which the first is better."""
    draw = np.random.default_rng(seed)
    y_true = draw.integers(0, k, n)
    made = []
    for noise in (1.0, 2.0):
        score = np.exp(2 * np.eye(k)[y_true] + noise * draw.normal(size=(n, k)))
        y_prob = score / score.sum(axis=1, keepdims=True)
        made += [y_prob, y_prob.argmax(axis=1)]
    return y_true, *made


def test_a_difference_is_the_first_metric_minus_the_other():
    """The value of each difference is scikit-learn's metric of the first classifier minus that of the other."""
    y_true, y_prob, y_pred, other_prob, other_pred = two_classifiers()
    weight = np.random.default_rng(1).exponential(size=len(y_true))
    found = paired_metrics(y_true, y_prob, y_pred, other_prob, other_pred, weight=weight, n_resamples=50, seed=0)

    def minus(metric, own, other):
        return metric(y_true, own, sample_weight=weight) - metric(y_true, other, sample_weight=weight)

    expected = {
        "accuracy": minus(sk.accuracy_score, y_pred, other_pred),
        "f1": minus(sk.f1_score, y_pred, other_pred),
        "mcc": minus(sk.matthews_corrcoef, y_pred, other_pred),
        "log_loss": minus(sk.log_loss, y_prob, other_prob),
        "roc_auc": minus(sk.roc_auc_score, y_prob[:, 1], other_prob[:, 1]),
    }
    assert set(METRICS) == set(found)
    assert expected == pytest.approx({name: found[name].value for name in expected}, abs=1e-9)
    assert {len(y_true)} == {each.n for each in found.values()}


def test_both_classifiers_have_the_same_resamples():
    """The ends are quantiles of the differences on common resamples, for ROC AUC those of scikit-learn."""
    y_true, y_prob, y_pred, other_prob, other_pred = two_classifiers(n=60)
    found = paired_metrics(y_true, y_prob, y_pred, other_prob, other_pred, n_resamples=100, seed=4, confidence_level=0.8)
    drawn = np.concatenate(list(resample_weights(60, 100, 4)))
    differences = [
        sk.roc_auc_score(y_true, y_prob[:, 1], sample_weight=times)
        - sk.roc_auc_score(y_true, other_prob[:, 1], sample_weight=times)
        for times in drawn
    ]
    assert np.quantile(differences, [0.1, 0.9]) == pytest.approx([found["roc_auc"].low, found["roc_auc"].high], abs=1e-9)


def test_the_difference_of_the_log_loss_is_that_of_the_losses():
    """The difference of the log loss is the paired difference of the losses of the rows, with the opposite sign."""
    y_true, y_prob, y_pred, other_prob, other_pred = two_classifiers(k=3)
    own = paired_metrics(y_true, y_prob, y_pred, other_prob, other_pred, n_resamples=200, seed=2)["log_loss"]
    gain = paired_difference(log_losses(y_true, y_prob), log_losses(y_true, other_prob), n_resamples=200, seed=2)
    assert (-gain.value, -gain.high, -gain.low) == pytest.approx((own.value, own.low, own.high))


def test_a_classifier_does_not_differ_from_itself():
    """All differences between equal predictions, and their ends, are 0."""
    y_true, y_prob, y_pred, *_ = two_classifiers(k=3)
    found = paired_metrics(y_true, y_prob, y_pred, y_prob, y_pred, n_resamples=50, seed=0)
    assert {(0.0, 0.0, 0.0)} == {(each.value, each.low, each.high) for each in found.values()}


def test_an_undefined_metric_has_no_difference():
    """On rows of one class, the difference of ROC AUC is None, and the result can be written as JSON."""
    _, y_prob, y_pred, other_prob, other_pred = two_classifiers(n=40)
    found = paired_metrics(np.zeros(40, dtype=int), y_prob, y_pred, other_prob, other_pred, n_resamples=50, seed=0)
    assert (None, None, None) == (found["roc_auc"].value, found["roc_auc"].low, found["roc_auc"].high)
    assert found["accuracy"].value is not None
    json.dumps({name: asdict(each) for name, each in found.items()}, allow_nan=False)


def test_other_classes_are_refused():
    """Probabilities of another number of classes raise an error."""
    y_true, y_prob, y_pred, *_ = two_classifiers(n=20)
    with pytest.raises(ValueError, match=r"both y_prob must have the same Shape, but have \(20, 2\) and \(20, 3\)"):
        paired_metrics(y_true, y_prob, y_pred, np.full((20, 3), 1 / 3), y_pred, seed=0)
