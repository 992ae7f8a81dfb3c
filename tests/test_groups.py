"""Metrics by group of a sensitive column."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from veritable.evaluation.groups import MAX_GROUPS, assign_groups, compute_group_metrics
from veritable.evaluation.params import EvaluateParams
from veritable.evaluation.predictions import PartPredictions
from veritable.metrics.metrics import METRICS, compute_metrics

NAMES = ["no", "yes"]
PARAMS = EvaluateParams(n_resamples=100, confidence_level=0.9, seed=3)


def texts(*values):
    return np.array(values, dtype=object)


def predicted(values, *, n_classes=2, weight=None):
    """Make predictions with one row per value of the sensitive column "s"."""
    draw = np.random.default_rng(0)
    y_prob = draw.dirichlet(np.ones(n_classes), size=len(values))
    y_true = (draw.random((len(values), 1)) > y_prob.cumsum(axis=1)).sum(axis=1).clip(max=n_classes - 1)
    return PartPredictions(np.arange(len(values)), y_true, y_prob.argmax(axis=1), y_prob, weight, {"s": texts(*values)})


def test_values_are_groups_and_the_commonest_stands_first():
    """Each value is a group, and so is missing; groups of equal size are sorted by name."""
    names, group = assign_groups(texts("b", None, "a", "c", "b", None, "b"))
    assert ["b", None, "a", "c"] == names
    assert [0, 1, 2, 3, 0, 1, 0] == group.tolist()


def test_few_numbers_are_values():
    """A numeric column with up to twenty values is not split into ranges."""
    names, _ = assign_groups(texts(*(str(n % 20) for n in range(100))))
    assert {str(n) for n in range(20)} == set(names)


def test_many_numbers_are_cut_at_quartiles():
    """A numeric column with more values gives four ranges with a quarter of the rows each; missing comes last."""
    ages = [*range(1, 101), None]
    names, group = assign_groups(texts(*(None if age is None else str(age) for age in ages)))
    assert ["up to 25", "above 25 to 50", "above 50 to 75", "above 75", None] == names
    assert [25, 25, 25, 25, 1] == np.bincount(group).tolist()
    assert [0, 0, 1, 3, 4] == [group[ages.index(age)] for age in (1, 25, 26, 100, None)]


def test_ranges_are_named_as_finely_as_they_are():
    """Edges have as many decimals as they need to be exact."""
    names, _ = assign_groups(texts(*(str(n / 100) for n in range(41, 8001))))
    assert ["up to 20.3", "above 20.3 to 40.2", "above 40.2 to 60.1", "above 60.1"] == names


@given(st.lists(st.integers(-30, 30) | st.just(30) | st.none(), min_size=1, max_size=80))
def test_every_row_has_a_group_and_every_group_a_row(values):
    """Each row is in one of the named groups, no group is empty, and names are unique, however skewed the numbers are."""
    names, group = assign_groups(texts(*(None if value is None else f"{value}" for value in values)))
    assert len(values) == len(group)
    assert set(range(len(names))) == set(group.tolist())
    assert len(names) == len(set(names))
    assert [value is None for value in values] == [names[number] is None for number in group]


def test_each_group_is_measured_on_its_own_rows():
    """The metrics and shares of a group are computed from its rows alone, with the number of resamples of the params."""
    values = ["f", "m", "m"] * 40
    predictions = predicted(values)
    measured = compute_group_metrics(predictions, PARAMS, NAMES)["s"]
    assert [("m", 80), ("f", 40)] == [(each["group"], each["rows"]) for each in measured["groups"]]
    for each in measured["groups"]:
        rows = np.flatnonzero(predictions.sensitive["s"] == each["group"])
        y_true, y_pred = predictions.y_true[rows], predictions.y_pred[rows]
        expected = compute_metrics(y_true, predictions.y_prob[rows], y_pred, n_resamples=100, seed=3, confidence_level=0.9)
        assert set(METRICS) == set(each["metrics"])
        assert {name: vars(interval) for name, interval in expected.items()} == each["metrics"]
        assert (y_true.mean(), y_pred.mean()) == pytest.approx((each["positive"], each["predicted_positive"]))
    json.dumps(measured, allow_nan=False)


def test_groups_count_by_weight():
    """With weights, metrics and shares are weighted and row counts are not; a group without weight has no metrics."""
    values = ["f", "m", "none"] * 40
    weight = np.tile([1.0, 3.0, 0.0], 40) * np.random.default_rng(1).exponential(size=120)
    predictions = predicted(values, weight=weight)
    by_name = {each["group"]: each for each in compute_group_metrics(predictions, PARAMS, NAMES)["s"]["groups"]}
    rows = predictions.sensitive["s"] == "m"
    right = predictions.y_true[rows] == predictions.y_pred[rows]
    assert 40 == by_name["m"]["rows"]
    assert np.average(right, weights=weight[rows]) == pytest.approx(by_name["m"]["metrics"]["accuracy"]["value"])
    assert np.average(predictions.y_true[rows], weights=weight[rows]) == pytest.approx(by_name["m"]["positive"])
    assert by_name["none"]["metrics"] is None
    assert {None} == {rate["value"] for rate in by_name["none"]["rates"].values()}


def test_small_groups_are_named_and_not_measured():
    """A group of 29 rows is small and has rates only, one of 30 rows has metrics; only two classes have positive shares."""
    groups = compute_group_metrics(predicted(["many"] * 30 + ["few"] * 29, n_classes=3), PARAMS, list("abc"))["s"]["groups"]
    assert {"group", "rows", "small", "rates", "metrics"} == set(groups[0])
    assert groups[0]["metrics"] is not None
    assert ("few", 29, None) == (groups[1]["group"], groups[1]["rows"], groups[1]["metrics"])
    assert [False, True] == [each["small"] for each in groups]
    assert groups[1]["rates"]["accuracy"]["value"] is not None


def test_of_many_groups_the_commonest_are_measured():
    """Of 25 texts the twenty most frequent are listed; the others and their rows are counted."""
    values = [f"v{n}" for n in range(25) for _ in range(30 - n)]
    measured = compute_group_metrics(predicted(values), PARAMS, NAMES)["s"]
    assert [f"v{n}" for n in range(MAX_GROUPS)] == [each["group"] for each in measured["groups"]]
    assert (5, sum(30 - n for n in range(20, 25))) == (measured["further_groups"], measured["further_rows"])


def test_a_group_of_one_class_has_undefined_metrics():
    """If a group has only negative rows, metrics that need a positive one are None, not NaN."""
    predictions = predicted(["f", "m"] * 40)
    predictions.y_true[::2] = 0
    group = next(each for each in compute_group_metrics(predictions, PARAMS, NAMES)["s"]["groups"] if each["group"] == "f")
    assert group["metrics"]["roc_auc"]["value"] is None
    assert 0 == group["positive"]


def test_the_same_predictions_give_the_same_groups():
    """The metrics are reproducible."""
    assert compute_group_metrics(predicted(["f", "m"] * 40), PARAMS, NAMES) == compute_group_metrics(
        predicted(["f", "m"] * 40), PARAMS, NAMES
    )
