"""Rates of groups, and the clearest difference between two of them."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from veritable.evaluation.predictions import PartPredictions
from veritable.evaluation.rates import MAX_CLASS_GAPS, Rate, compare_groups, compute_rates, find_gap
from veritable.metrics.shares import Shares


def made(n=600, k=2, groups=3, seed=0, weighted=False):
    """Make calibrated predictions of k classes, and the group of each row."""
    draw = np.random.default_rng(seed)
    y_prob = draw.dirichlet(np.ones(k), size=n)
    y_true = (draw.random((n, 1)) > y_prob.cumsum(axis=1)).sum(axis=1).clip(max=k - 1)
    weight = draw.exponential(size=n) if weighted else None
    predictions = PartPredictions(np.arange(n), y_true, y_prob.argmax(axis=1), y_prob, weight)
    return predictions, draw.integers(0, groups, n)


def rate_of(hits, rows):
    """Make the rate of groups with these numbers of hits and rows."""
    hits, rows = np.array(hits, dtype=float), np.array(rows)
    return Rate(Shares.from_sums(hits, rows.astype(float), rows.astype(float), rows))


def gap_of(hits, rows, *, confidence_level=0.95, comparisons=1):
    names, compared = [f"g{code}" for code in range(len(rows))], np.ones(len(rows), dtype=bool)
    return find_gap(rate_of(hits, rows), names, compared, confidence_level=confidence_level, comparisons=comparisons)


@pytest.mark.parametrize("weighted", [False, True])
def test_rates_are_those_of_scikit_learn(weighted):
    """Every rate of a group, weighted or not, equals that of scikit-learn on the rows of the group."""
    predictions, group = made(weighted=weighted)
    rates = compute_rates(predictions, group, 3)
    for code in range(3):
        rows = group == code
        y_true, y_pred, p = predictions.y_true[rows], predictions.y_pred[rows], predictions.y_prob[rows, 1]
        weight = predictions.weight[rows] if weighted else np.ones(rows.sum())
        expected = {
            "positive": np.average(y_true, weights=weight),
            "predicted_positive": np.average(y_pred, weights=weight),
            "recall": sk.recall_score(y_true, y_pred, sample_weight=weight),
            "false_positive_rate": 1 - sk.recall_score(y_true, y_pred, pos_label=0, sample_weight=weight),
            "precision": sk.precision_score(y_true, y_pred, sample_weight=weight),
            "calibration": np.average(p - y_true, weights=weight),
        }
        assert expected == pytest.approx({name: rate.value[code] for name, rate in rates.items()})


def test_rates_of_many_classes():
    """With more than two classes there are accuracy, and the mean probability of the predicted class minus accuracy."""
    predictions, group = made(k=4)
    rates = compute_rates(predictions, group, 3)
    rows = group == 2
    accuracy = sk.accuracy_score(predictions.y_true[rows], predictions.y_pred[rows])
    confidence = predictions.y_prob[rows].max(axis=1).mean()
    assert {"accuracy", "calibration"} == set(rates)
    assert (accuracy, confidence - accuracy) == pytest.approx((rates["accuracy"].value[2], rates["calibration"].value[2]))


def test_the_interval_of_a_difference_is_newcombes():
    """Of 56 of 70 and 48 of 80, the difference is 0.2 [0.0524, 0.3339]: Newcombe (1998), table II, method 10."""
    gap = gap_of([56, 48], [70, 80])
    assert ("g0", "g1", True) == (gap["higher"], gap["lower"], gap["shown"])
    assert [0.2, 0.0524, 0.3339] == pytest.approx([gap["gap"][end] for end in ("value", "low", "high")], abs=1e-4)


def test_the_ratio_is_the_lower_rate_over_the_higher():
    """The ratio of two rates has an interval around it, which is that of the logarithm if there are many rows."""
    ratio = gap_of([8000, 6000], [10_000, 10_000])["ratio"]
    error = np.sqrt(1 / 8000 + 1 / 6000 - 2 / 10_000)
    expected = [0.75, 0.75 * np.exp(-1.96 * error), 0.75 * np.exp(1.96 * error)]
    assert expected == pytest.approx([ratio[end] for end in ("value", "low", "high")], abs=1e-4)


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=2, max_size=6), st.integers(1, 200))
def test_ends_surround_the_value(counts, comparisons):
    """Whatever the rates, gap and ratio are finite, lie between their ends, and the gap between -1 and 1."""
    gap = gap_of([hits for hits, _ in counts], [hits + misses for hits, misses in counts], comparisons=comparisons)
    if gap is None:
        assert sum(hits + misses > 0 for hits, misses in counts) < 2
        return
    json.dumps(gap, allow_nan=False)
    assert -1 - 1e-9 <= gap["gap"]["low"] <= gap["gap"]["value"] <= gap["gap"]["high"] <= 1 + 1e-9
    if gap["ratio"]:
        assert 0 <= gap["ratio"]["low"] <= gap["ratio"]["value"] + 1e-9 <= gap["ratio"]["high"] + 2e-9
        assert gap["shown"] <= (gap["ratio"]["value"] < 1)


def test_a_group_with_few_rows_does_not_hide_a_clear_difference():
    """The clearest difference is reported, not the largest, which may be that of a group with few rows."""
    gap = gap_of([800, 700, 1], [1000, 1000, 3])
    assert ("g0", "g1", True) == (gap["higher"], gap["lower"], gap["shown"])


def test_equal_groups_are_seldom_shown_to_differ():
    """Among ten groups with the same rate, at most one in twenty tables has a difference that is shown."""
    draw = np.random.default_rng(0)
    shown = [gap_of(draw.binomial(100, 0.3, 10), [100] * 10, comparisons=45)["shown"] for _ in range(400)]
    assert np.mean(shown) <= 0.05
    assert np.mean([gap_of(draw.binomial(100, 0.3, 10), [100] * 10)["shown"] for _ in range(50)]) > 0.3  # uncorrected


def test_groups_that_differ_are_named():
    """If one group has another recall, the sentence names the groups and the difference, and what is not shown."""
    predictions, group = made(n=2000, groups=2)
    predictions.y_pred[(group == 0) & (predictions.y_true == 1)] = 0
    found = compare_groups(predictions, group, ["men", None], np.array([True, True]), ["no", "yes"], 0.95)
    recall = found["gaps"]["recall"]
    assert (None, "men", True) == (recall["higher"], recall["lower"], recall["shown"])
    low, value, high = (f"{100 * recall['gap'][end]:.1f}" for end in ("low", "value", "high"))
    assert f"recall (missing {value} points [{low}, {high}] above 'men')" in found["sentence"]
    assert "No difference is shown in the share of positive rows" in found["sentence"]
    json.dumps(found, allow_nan=False)


def test_groups_that_are_not_compared_are_counted():
    """Groups with too few rows have rates but no part in the comparison, and the sentence says how many there are."""
    predictions, group = made(groups=3)
    one, two = (
        compare_groups(predictions, group, list("abc"), np.array(compared), ["no", "yes"], 0.95)
        for compared in ([True, True, False], [True, False, False])
    )
    assert 3 == len(one["rates"])
    assert "c" not in {one["gaps"]["recall"][end] for end in ("higher", "lower")}
    assert "1 group is not compared, having too few rows." in one["sentence"]
    assert "No two groups can be compared. 2 groups are not compared, having too few rows." == two["sentence"]


def test_rows_of_further_groups_do_not_count():
    """Rows with the number of no group leave the rates of the others as they are."""
    predictions, group = made(groups=3)
    all_rates, of_two = (compute_rates(predictions, group, n) for n in (3, 2))
    for name, rate in of_two.items():
        assert all_rates[name].value[:2].tolist() == rate.value.tolist()


def test_the_recall_of_a_class_can_differ_between_groups():
    """With more than two classes, the class whose recall differs most clearly comes first, corrected for all classes."""
    predictions, group = made(n=3000, k=14, groups=2)
    predictions.y_pred[:] = np.where(np.random.default_rng(1).random(3000) < 0.8, predictions.y_true, predictions.y_pred)
    predictions.y_pred[(group == 1) & (predictions.y_true == 2)] = 0
    classes = [f"c{code}" for code in range(14)]
    found = compare_groups(predictions, group, ["a", "b"], np.array([True, True]), classes, 0.95)
    first, *others = found["recall_gaps"]
    assert ("c2", "a", "b", True) == (first["class"], first["higher"], first["lower"], first["shown"])
    assert MAX_CLASS_GAPS == len(others) + 1
    assert not any(each["shown"] for each in others)
    assert "the recall of class 'c2' ('a'" in found["sentence"]


def test_no_class_is_named_whose_recall_does_not_differ():
    """If no class has a difference in recall that is shown, the sentence says so of any class."""
    predictions, group = made(n=600, k=3, groups=2)
    found = compare_groups(predictions, group, ["a", "b"], np.array([True, True]), list("xyz"), 0.95)
    assert "or the recall of any class; with these rows, a small one cannot be shown." in found["sentence"]


def test_a_class_with_few_rows_in_a_group_is_not_compared():
    """A class with nine rows in one of two groups has no difference in recall."""
    predictions, group = made(n=200, k=3, groups=1)
    group[np.flatnonzero(predictions.y_true == 1)[:9]] = 1
    found = compare_groups(predictions, group, ["a", "b"], np.array([True, True]), list("xyz"), 0.95)
    assert [] == found["recall_gaps"]
