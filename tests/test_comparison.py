"""Comparing two versions of a classifier by their predictions."""

import json
from dataclasses import replace

import numpy as np
import pytest
from sklearn import metrics as sk

from veritable.evaluation.comparison import (
    Change,
    Comparison,
    Judged,
    compare_predictions,
    describe_caution,
    describe_flips,
    write_headline,
)
from veritable.evaluation.params import EvaluateParams
from veritable.evaluation.predictions import PartPredictions
from veritable.metrics.intervals import Interval

PARAMS = EvaluateParams(n_resamples=200, confidence_level=0.95, seed=0)


def version(seed: int, noise: float, threshold: float = 0.5, n: int = 400, classes: int = 2) -> Judged:
    """Make a version whose scores are the actual class with noise; the actual classes are the same for all seeds."""
    y_true = np.random.default_rng(99).integers(0, classes, n)
    odds = np.exp(2 * np.eye(classes)[y_true] + noise * np.random.default_rng(seed).normal(size=(n, classes)))
    y_prob = odds / odds.sum(axis=1, keepdims=True)
    binary = classes == 2
    y_pred = (y_prob[:, 1] >= threshold).astype(np.int64) if binary else y_prob.argmax(axis=1)
    rows = PartPredictions(np.arange(n) * 3, y_true, y_pred, y_prob)
    return Judged(rows, [f"c{code}" for code in range(classes)], threshold if binary else None)


def changed(judged: Judged, **fields: object) -> Judged:
    """Return a version with other predictions."""
    return replace(judged, predictions=replace(judged.predictions, **fields))


def test_a_better_version_is_called_better() -> None:
    """The differences are scikit-learn's metrics of the new version minus those of the old; the signs give the outcome."""
    old, new = version(1, noise=2.5), version(2, noise=1.0)
    found = compare_predictions(old, new, PARAMS)
    y_true = old.predictions.y_true
    gained = {
        "roc_auc": sk.roc_auc_score(y_true, new.predictions.y_prob[:, 1])
        - sk.roc_auc_score(y_true, old.predictions.y_prob[:, 1]),
        "log_loss": sk.log_loss(y_true, new.predictions.y_prob) - sk.log_loss(y_true, old.predictions.y_prob),
        "mcc": sk.matthews_corrcoef(y_true, new.predictions.y_pred) - sk.matthews_corrcoef(y_true, old.predictions.y_pred),
    }
    assert gained == pytest.approx({name: found.changes[name].difference.value for name in gained})
    assert {"better"} == {each.outcome for each in found.changes.values()}
    assert {"worse"} == {each.outcome for each in compare_predictions(new, old, PARAMS).changes.values()}
    assert write_headline(found, "v1").startswith("Better ranked than v1, with better probabilities, ")


def test_a_paired_interval_is_narrower() -> None:
    """On the same rows, the interval of the difference is narrower than on rows that are taken to be others."""
    old = version(1, noise=1.5)
    jitter = np.random.default_rng(0).normal(scale=0.02, size=400)
    positive = np.clip(old.predictions.y_prob[:, 1] + jitter, 0.001, 0.999)
    new = changed(old, y_prob=np.column_stack([1 - positive, positive]))
    other_rows = changed(new, row=new.predictions.row + 1)
    paired, unpaired = (compare_predictions(old, each, PARAMS) for each in (new, other_rows))

    def width(comparison: Comparison) -> float:
        interval = comparison.changes["log_loss"].difference
        return interval.high - interval.low

    assert 3 * width(paired) < width(unpaired)


def test_the_order_of_the_rows_does_not_matter() -> None:
    """Versions that hold the same test rows in a different order are compared row by row."""
    old, new = version(1, noise=2.0), version(2, noise=1.5)
    order = np.random.default_rng(5).permutation(400)
    names = ("row", "y_true", "y_pred", "y_prob")
    shuffled = changed(new, **{name: getattr(new.predictions, name)[order] for name in names})
    assert compare_predictions(old, new, PARAMS) == compare_predictions(old, shuffled, PARAMS)


def test_equal_predictions() -> None:
    """A version compared with itself has no difference and no flipped row."""
    found = compare_predictions(version(1, 1.0), version(1, 1.0), PARAMS)
    assert (True, "") == (found.identical, found.unpaired)
    assert {(0.0, "tied")} == {(each.difference.value, each.outcome) for each in found.changes.values()}
    assert "All predictions equal those of v1." == write_headline(found, "v1")
    assert "None of 400 test rows changed class." == describe_flips(found)


def test_rows_that_flip_because_of_the_threshold() -> None:
    """With equal probabilities, every flipped row is due to the threshold, and the directions are counted."""
    old, new = version(1, 1.5, threshold=0.5), version(1, 1.5, threshold=0.3)
    y_true, score = old.predictions.y_true, old.predictions.y_prob[:, 1]
    between = (score >= 0.3) & (score < 0.5)
    found = compare_predictions(old, new, PARAMS)
    expected = (int((between & (y_true == 0)).sum()), int((between & (y_true == 1)).sum()), 0, int(between.sum()))
    flips = found.flips
    assert expected == (flips.became_wrong, flips.became_right, flips.stayed_wrong, flips.by_threshold)
    assert "The threshold moved from 0.500 to 0.300; with the earlier threshold, " in describe_flips(found)
    assert (0.0, "tied") == (found.changes["roc_auc"].difference.value, found.changes["roc_auc"].outcome)


def test_flips_between_wrong_classes() -> None:
    """With three classes, a row can change from one wrong class to another; there is no threshold to blame."""
    old = version(1, 1.0, classes=3)
    before = old.predictions.y_pred
    wrong = np.flatnonzero(before != old.predictions.y_true)
    after = before.copy()
    after[wrong] = 3 - before[wrong] - old.predictions.y_true[wrong]
    found = compare_predictions(old, changed(old, y_pred=after), PARAMS)
    assert (0, 0, len(wrong), None) == (
        found.flips.became_wrong, found.flips.became_right, found.flips.stayed_wrong, found.flips.by_threshold,
    )  # fmt: skip
    assert not found.identical


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda new: changed(new, row=new.predictions.row + 3), "The test rows differ: 399 of 400 and 400 rows are the same."),
        (lambda new: changed(new, y_true=1 - new.predictions.y_true), "The actual classes of 400 of 400 test rows differ."),
        (lambda new: changed(new, weight=np.arange(400) + 1.0), "The weights of the test rows differ."),
        (lambda new: replace(new, classes=["c1", "c0"]), "The order of the classes differs, and with it the positive class."),
        (lambda new: replace(new, classes=["c0", "x"]), "The classes differ: c0, c1 against c0, x."),
    ],
)
def test_why_versions_are_not_paired(change, reason: str) -> None:
    """Versions that differ in rows, actual classes, weights or classes are not paired, and the comparison says why."""
    found = compare_predictions(version(1, 1.0), change(version(2, 1.0)), PARAMS)
    assert (reason, None, {}) == (found.unpaired, found.flips, found.groups)
    assert describe_caution(found).startswith(reason)
    assert not found.identical
    if "classes differ" in reason or "order" in reason:
        assert {None} == {each.outcome for each in found.changes.values()}
        assert write_headline(found, "v1").startswith("No metric can be compared with v1: ")
    else:
        assert write_headline(found, "v1").endswith("(intervals are not paired).")


def test_equal_versions_on_other_rows_are_not_told_apart() -> None:
    """Resamples of unpaired versions are independent: equal predictions on other rows do not give a difference of exactly 0."""
    old = version(1, 1.0)
    found = compare_predictions(old, changed(old, row=old.predictions.row + 1), PARAMS)
    interval = found.changes["log_loss"].difference
    assert interval.low < 0 < interval.high
    assert "Not told apart from v1 in ranking, probabilities and accuracy (intervals are not paired)." == write_headline(
        found, "v1"
    )


def test_groups_are_compared() -> None:
    """A sensitive column has the changes of each group with at least 30 rows; the rest is listed without."""
    sensitive = {"sex": np.array(["f"] * 300 + ["m"] * 80 + [None] * 20, dtype=object)}
    old, new = version(1, noise=2.0), changed(version(2, noise=1.0), sensitive=sensitive)
    groups = compare_predictions(old, new, PARAMS).groups["sex"]
    assert [("f", 300), ("m", 80), (None, 20)] == [(each.group, each.rows) for each in groups]
    y_true = old.predictions.y_true[:300]
    expected = (new.predictions.y_pred[:300] == y_true).mean() - (old.predictions.y_pred[:300] == y_true).mean()
    assert expected == pytest.approx(groups[0].changes["accuracy"].difference.value)
    assert groups[2].changes is None


def test_few_rows_are_a_caution() -> None:
    """A comparison on fewer than 30 rows says that its intervals are too narrow."""
    found = compare_predictions(version(1, 1.0, n=12), version(2, 1.0, n=12), PARAMS)
    assert "With 12 test rows, the intervals are too narrow to rely on." == describe_caution(found)
    assert "" == describe_caution(compare_predictions(version(1, 1.0), version(2, 1.0), PARAMS))


def test_undefined_metrics_have_no_outcome() -> None:
    """On rows of one class, ROC AUC has no outcome, and the comparison can be written as JSON."""
    one_class = np.zeros(400, dtype=np.int64)
    old, new = (changed(version(seed, 1.0), y_true=one_class) for seed in (1, 2))
    found = compare_predictions(old, new, PARAMS)
    assert found.changes["roc_auc"].outcome is None
    json.dumps(found.to_json(), allow_nan=False)
    assert "ranking" not in write_headline(found, "v1")


@pytest.mark.parametrize(("value", "words"), [(0.00042, "0.042"), (-0.0042, "0.42"), (0.011, "1.1"), (0.123, "12")])
def test_points_have_two_digits(value: float, words: str) -> None:
    """A difference of the accuracy is told in points with two significant digits, however small it is."""
    found = compare_predictions(version(1, 2.5), version(2, 1.0), PARAMS)
    interval = Interval(value, value, value, 400)
    change = Change(interval, interval, interval, "better" if value > 0 else "worse")
    told = write_headline(replace(found, changes={**found.changes, "accuracy": change}), "v1")
    assert f"{words} points {'more' if value > 0 else 'less'} accurate" in told
