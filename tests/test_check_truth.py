"""Metrics of new rows are compared with those of the rows held out."""

import numpy as np
import pytest

from tests.checking import GOAL
from tests.test_outcomes import predictions
from veritable.metrics.intervals import Interval
from veritable.metrics.outcomes import compute_outcomes
from veritable.serving.checking.truth import Truth, difference, judge_truth, threshold_gain


def judge(y_prob: np.ndarray, y: np.ndarray, threshold: float = 0.5, classes: int = 2) -> Truth:
    """Judge predictions against those of 5,000 calibrated ones of the same distribution."""
    held_prob, held_y = predictions(5000, classes, seed=99)
    held_out = compute_outcomes(held_prob, held_prob.argmax(axis=1), held_y, seed=0)
    y_pred = (y_prob[:, 1] >= threshold).astype(int) if classes == 2 else y_prob.argmax(axis=1)
    outcomes = compute_outcomes(y_prob, y_pred, y, bins=held_out.bins, seed=0)
    return judge_truth(outcomes, held_out, threshold_gain(y, y_prob, y_pred, GOAL, None), GOAL, 0)


@pytest.mark.parametrize("classes", [2, 5])
def test_as_good_as_before(classes: int) -> None:
    """Calibrated predictions of the same distribution have no fault; only many rows show that nothing is worse."""
    found = judge(*predictions(8000, classes, seed=1), classes=classes)
    assert [] == found.faults
    assert found.held
    assert not judge(*predictions(150, classes, seed=1), classes=classes).held


def test_swapped_classes() -> None:
    """With swapped classes, log loss and ROC AUC are worse, and the shares of the classes predict better."""
    y_prob, y = predictions(500, seed=1)
    text = " ".join(judge(y_prob, 1 - y).faults)
    for words in ("The log loss is", "ROC AUC is", "Predicting the shares of the classes"):
        assert words in text


def test_rarer_positives() -> None:
    """With rarer positives the log loss may fall, and yet be above that of the shares of the classes: a fault."""
    draw = np.random.default_rng(0)
    y = (draw.random(4000) < 0.02).astype(int)
    positive = np.where(draw.random(4000) < 0.9, 0.12, 0.2)
    found = judge(np.column_stack([1 - positive, positive]), y)
    assert found.differences["log_loss"].value < 0
    assert any("Predicting the shares of the classes" in fault for fault in found.faults)


def test_threshold_no_longer_fits() -> None:
    """A threshold far from the best one is a fault by itself; the best one is none."""
    y_prob, y = predictions(3000, seed=1)
    faults = judge(y_prob, y, threshold=0.95).faults
    assert 1 == len(faults)
    assert "The threshold no longer fits" in faults[0]
    assert [] == judge(y_prob, y, threshold=0.45).faults


def test_few_rows() -> None:
    """With fewer than a hundred rows, or ten of the second class, nothing is judged."""
    y_prob, y = predictions(99, seed=1)
    assert judge(y_prob, 1 - y).few
    assert [] == judge(y_prob, 1 - y).faults
    y_prob, y = predictions(500, seed=1)
    assert judge(y_prob, (np.arange(500) < 9).astype(int)).few


def test_absent_classes() -> None:
    """If a class is absent from the new rows, means over the classes are not compared."""
    y_prob, y = predictions(2000, 3, seed=1)
    found = judge(y_prob[y < 2], y[y < 2], classes=3)
    assert found.differences["roc_auc"].value is None
    assert found.differences["log_loss"].value is not None


def test_interval_of_a_difference() -> None:
    """The interval of a difference of two normal means is that of the textbook."""
    new, old = Interval(0.5, 0.4, 0.6, 100), Interval(0.3, 0.1, 0.5, 50)
    reach = np.hypot(0.1, 0.2)
    found = difference(new, old)
    assert (0.2, 0.2 - reach, 0.2 + reach) == pytest.approx((found.value, found.low, found.high))
    assert difference(new, Interval(None, None, None, 3)).value is None
