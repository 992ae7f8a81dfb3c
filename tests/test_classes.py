"""The table of classes and the most frequent confusions."""

import json
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, recall_score

from tests.reports import predictions
from veritable.evaluation.classes import MAX_CONFUSIONS, describe_classes


def test_every_class_is_listed_in_order():
    """Each class has its rows and its metrics, those of one class against the rest, as JSON."""
    made = predictions(4, 200, 1)
    found = describe_classes(made, list("abcd"), 0.9)["classes"]
    assert list("abcd") == [each["class"] for each in found]
    assert np.bincount(made.y_true, minlength=4).tolist() == [each["rows"] for each in found]
    assert np.bincount(made.y_pred, minlength=4).tolist() == [each["predicted_rows"] for each in found]
    recalls = recall_score(made.y_true, made.y_pred, average=None)
    assert recalls.tolist() == pytest.approx([each["recall"]["value"] for each in found])
    json.dumps(found, allow_nan=False)


def test_the_most_frequent_confusions_come_first():
    """The ten pairs of different classes with the most rows are those of scikit-learn's confusion matrix."""
    made = predictions(6, 400, 1, 0.5)
    found = describe_classes(made, list("abcdef"), 0.95)["confusions"]
    matrix = confusion_matrix(made.y_true, made.y_pred, labels=range(6))
    shares = matrix / matrix.sum(axis=1, keepdims=True)
    np.fill_diagonal(matrix, 0)
    assert np.sort(matrix.ravel())[::-1][:MAX_CONFUSIONS].tolist() == [each["rows"] for each in found]
    for each in found:
        place = "abcdef".index(each["actual"]), "abcdef".index(each["predicted"])
        assert (matrix[place], shares[place]) == pytest.approx((each["rows"], each["share"]))


def test_shares_of_confusions_are_weighted():
    """With weights, the share of a confusion is weighted, and its rows are counted."""
    made = replace(predictions(2, 4, 1), y_true=np.array([0, 0, 0, 1]), y_pred=np.array([0, 1, 1, 1]), weight=np.arange(4.0))
    assert [{"actual": "no", "predicted": "yes", "rows": 2, "share": 1.0}] == describe_classes(made, ["no", "yes"], 0.95)[
        "confusions"
    ]


def test_without_a_mistake_there_is_no_confusion():
    """If all rows are predicted right, the list of confusions is empty."""
    made = predictions(3, 30, 1)
    assert [] == describe_classes(replace(made, y_pred=made.y_true), list("abc"), 0.95)["confusions"]
