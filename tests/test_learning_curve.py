"""The learning curve of gradient boosting."""

import json

import numpy as np
import pytest
from sklearn import metrics as sk

from veritable.errors import UserError
from veritable.evaluation.baselines import fit_baselines
from veritable.evaluation.learning_curve import fit_learning_curve, measure_learning_curve
from veritable.evaluation.params import EvaluateParams
from veritable.evaluation.predictions import PartPredictions
from veritable.tables.encoding.parts import Part

PARAMS = EvaluateParams(n_resamples=100, confidence_level=0.95, seed=0)
NUMBERS = np.zeros(3, dtype=bool)


def part(rows, seed=0, signal=1.0, weight=None):
    """Make a part of three numbers; the class depends on the signs of two of them."""
    draw = np.random.default_rng(seed)
    X = draw.normal(size=(rows, 3)).astype(np.float32)
    y = (X[:, 0] * X[:, 1] > 0) ^ (draw.random(rows) > 0.5 + 0.45 * signal)
    return Part(np.arange(rows), y.astype(np.int64), X, weight)


def curve_of(train, test, shares):
    predicted = []
    for rows, model in fit_learning_curve(train, shares, n_classes=2, categorical=NUMBERS, seed=0):
        y_prob = model.predict("gradient_boosting", test.X)
        predicted.append((rows, PartPredictions.from_part(test, y_prob.argmax(axis=1), y_prob)))
    return predicted, measure_learning_curve(predicted, test.weight, PARAMS)


def test_more_rows_help_where_there_is_something_to_learn():
    """The log loss at each number of rows is that of scikit-learn, and the sentence says that it falls."""
    test = part(1000, seed=1)
    predicted, curve = curve_of(part(2000), test, [1.0, 0.05])
    assert [100, 2000] == [each["rows"] for each in curve["points"]]
    for (_, each), point in zip(predicted, curve["points"], strict=True):
        assert sk.log_loss(test.y, each.y_prob) == pytest.approx(point["log_loss"])
    first, last = curve["points"]
    assert first["gain"] is None
    assert first["log_loss"] - last["log_loss"] == pytest.approx(last["gain"]["value"])
    assert "The log loss of gradient boosting falls from 100 to 2,000 train rows" in curve["sentence"]
    json.dumps(curve, allow_nan=False)


def test_more_rows_do_not_help_where_there_is_nothing_to_learn():
    """If the class does not depend on the columns, the log loss is not shown to fall."""
    _, curve = curve_of(part(1000, signal=0.0), part(500, seed=1, signal=0.0), [0.9, 1.0])
    assert "not shown to fall from 900 to 1,000 train rows" in curve["sentence"]


def test_all_rows_give_the_baseline():
    """With a share of 1, the model is the baseline of the same name."""
    train, test = part(400), part(50, seed=1)
    ((_, model),) = fit_learning_curve(train, [1.0], n_classes=2, categorical=NUMBERS, seed=0)
    baselines = fit_baselines(train.X, train.y, n_classes=2, categorical=NUMBERS, seed=0)
    expected = baselines.predict("gradient_boosting", test.X)
    np.testing.assert_array_equal(expected, model.predict("gradient_boosting", test.X))


def test_rows_without_weight_are_no_rows():
    """Rows with weight 0 are not in the samples."""
    train = part(400, weight=np.tile([1.0, 0.0], 200))
    ((rows, _),) = fit_learning_curve(train, [1.0], n_classes=2, categorical=NUMBERS, seed=0)
    assert 200 == rows


def test_one_point_is_no_curve():
    """With one number of rows, the sentence asks for another."""
    _, curve = curve_of(part(200), part(50, seed=1), [0.5])
    assert "A learning curve needs at least two numbers of rows" in curve["sentence"]


def test_many_classes_are_refused():
    """With more than 100 classes, the error says that the param must be empty."""
    with pytest.raises(UserError, match=r"'baselines.learning_curve' in params.yaml must be \[\] with more than 100 classes"):
        list(fit_learning_curve(part(200), [1.0], n_classes=101, categorical=NUMBERS, seed=0))
    assert [] == list(fit_learning_curve(part(200), [], n_classes=101, categorical=NUMBERS, seed=0))
