"""The slices in which a classifier is worst."""

import json

import numpy as np
import pytest

from veritable.evaluation.params import EvaluateParams
from veritable.evaluation.predictions import PartPredictions
from veritable.evaluation.slices import MIN_ROWS, find_slices
from veritable.metrics.losses import log_losses
from veritable.tables.encoding.encoder import EncodedColumn, Encoder

PARAMS = EvaluateParams(n_resamples=200, confidence_level=0.95, seed=0)
ENCODER = Encoder(
    (
        EncodedColumn("age", "number", mean=40.0, scale=10.0),
        EncodedColumn("colour", "category", levels=("blue", "green", "red")),
        *(EncodedColumn(f"noise {n}", "number") for n in range(4)),
    )
)


def made(n=2000, seed=0, weight=None, bad=lambda age, colour: np.zeros(len(age), dtype=bool)):
    """Make calibrated predictions, except where `bad` is true: there the actual class is the less probable one."""
    draw = np.random.default_rng(seed)
    colour = draw.integers(1, 4, n)
    X = np.column_stack([draw.normal(size=n), colour, draw.normal(size=(n, 4))]).astype(np.float32)
    positive = draw.uniform(0.1, 0.9, n)
    y_true = (draw.random(n) < positive).astype(np.int64)
    wrong = bad(40 + 10 * X[:, 0], np.array(["", "blue", "green", "red"])[colour])
    y_true[wrong] = (positive < 0.5)[wrong]
    y_prob = np.column_stack([1 - positive, positive])
    return PartPredictions(np.arange(n), y_true, (positive >= 0.5).astype(np.int64), y_prob, weight), X


def conditions_of(found):
    return [{each["column"]: each["text"] for each in one["conditions"]} for one in found["slices"] if one["shown"]]


def test_a_bad_level_is_found():
    """If the predictions for one level are wrong, the worst slice is that level alone."""
    predictions, X = made(bad=lambda age, colour: colour == "red")
    found = find_slices(predictions, X, None, ENCODER, PARAMS)
    assert {"colour": "red"} == conditions_of(found)[0]
    assert found["slices"][0]["excess"]["low"] > 0
    assert "The classifier is too confident there" in found["sentence"]
    assert "The worst slice is colour: red. On 1,000 test rows that did not find it" in found["sentence"]
    json.dumps(found, allow_nan=False)


def test_a_bad_pair_of_conditions_is_found():
    """If the predictions are wrong only where two conditions hold together, the worst slice has both."""
    predictions, X = made(n=4000, bad=lambda age, colour: (colour == "green") & (age > 47))
    worst = conditions_of(find_slices(predictions, X, None, ENCODER, PARAMS))[0]
    assert {"age", "colour"} == set(worst)
    assert "green" == worst["colour"]
    assert worst["age"].startswith("above 4")


def test_hard_rows_are_not_called_overconfident():
    """If the rows of a level are merely harder, with calibrated probabilities, their slice has no excess of its loss."""
    predictions, X = made()
    draw = np.random.default_rng(5)
    positive = np.where(X[:, 1] == 3, 0.5, draw.choice([0.02, 0.98], 2000))
    y_true = (draw.random(2000) < positive).astype(np.int64)
    y_prob = np.column_stack([1 - positive, positive])
    found = find_slices(PartPredictions(predictions.row, y_true, y_true, y_prob), X, None, ENCODER, PARAMS)
    worst = found["slices"][0]
    assert {"colour": "red"} == conditions_of(found)[0]
    assert worst["loss"] == pytest.approx(np.log(2))
    assert 0 == pytest.approx(worst["excess"]["value"], abs=1e-12)
    assert "The classifier is not shown to be too confident there" in found["sentence"]


def test_a_slice_has_at_most_half_of_the_rows():
    """If two of three levels are bad, they are found one by one, not as all but the third."""
    predictions, X = made(bad=lambda age, colour: colour != "red")
    found = find_slices(predictions, X, None, ENCODER, PARAMS)
    assert all(each["share"] < 0.6 for each in found["slices"])


def test_a_slice_is_judged_on_rows_that_did_not_find_it():
    """Size, losses and difference of a slice are those of its rows in the judging half."""
    predictions, X = made(bad=lambda age, colour: colour == "red")
    found = find_slices(predictions, X, None, ENCODER, PARAMS)
    worst = found["slices"][0]
    red = int((X[:, 1] == 3).sum())
    assert worst["rows"] < 0.6 * red
    assert 2000 == found["found_rows"] + found["judged_rows"]
    assert worst["rows"] / found["judged_rows"] == pytest.approx(worst["share"])
    assert worst["loss"] - worst["other_loss"] == pytest.approx(worst["difference"]["value"])
    mean = log_losses(predictions.y_true, predictions.y_prob)[X[:, 1] == 3].mean()
    assert mean == pytest.approx(worst["loss"], abs=0.1)


def test_chance_is_seldom_shown():
    """Of 40 tables without a bad slice, at most three have one that is shown, although most searches find some."""
    results = [find_slices(*made(n=600, seed=seed), None, ENCODER, PARAMS) for seed in range(40)]
    assert sum(any(each["shown"] for each in found["slices"]) for found in results) <= 3
    assert sum(bool(found["slices"]) for found in results) > 10


def test_without_a_bad_slice_it_says_so():
    """If all rows have the same loss, no slice is found, and the sentence says so."""
    predictions, X = made(n=400)
    predictions.y_prob[:] = 0.5
    found = find_slices(predictions, X, None, ENCODER, PARAMS)
    assert [] == found["slices"]
    assert "No slice of at least 30 rows with a clearly higher log loss was found on 200 test rows." == found["sentence"]


def test_few_rows_are_not_searched():
    """With fewer than 60 rows in a half, there is no search, and the sentence says why."""
    found = find_slices(*made(n=4 * MIN_ROWS - 2), None, ENCODER, PARAMS)
    assert [] == found["slices"]
    assert "Slices were not searched: each half of the test rows must have 60 rows, but has 59." == found["sentence"]


def test_rows_of_a_unit_stay_together():
    """Rows of one unit find or judge, never both: if only one unit is bad, its slice is not judged on its own rows."""
    unit = np.repeat(np.arange(20, dtype=np.uint64), 100)
    predictions, X = made(bad=lambda age, colour: np.arange(2000) < 100)
    X[:100, 1], X[100:, 1] = 3, np.where(X[100:, 1] == 3, 1, X[100:, 1])
    alone, together = (find_slices(predictions, X, each, ENCODER, PARAMS) for each in (None, unit))
    assert any("red" in each.values() for each in conditions_of(alone))
    assert not any("red" in each.values() for each in conditions_of(together))
    assert (1000, 1000) == (together["found_rows"], together["judged_rows"])


def test_weights_count():
    """Rows without weight are not used, and a slice is measured by weight."""
    weight = np.random.default_rng(3).integers(0, 3, 2000).astype(float)
    predictions, X = made(weight=weight, bad=lambda age, colour: colour == "red")
    found = find_slices(predictions, X, None, ENCODER, PARAMS)
    assert np.count_nonzero(weight) == found["found_rows"] + found["judged_rows"]
    assert {"colour": "red"} == conditions_of(found)[0]


def test_the_same_rows_give_the_same_slices():
    """The search is deterministic."""
    one, two = (find_slices(*made(bad=lambda age, colour: colour == "blue"), None, ENCODER, PARAMS) for _ in range(2))
    assert one == two
