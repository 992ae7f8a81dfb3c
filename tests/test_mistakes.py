"""The mistakes of which a classifier was most confident."""

import json
from dataclasses import replace

import numpy as np
import pytest

from tests.explaining import explainable
from tests.rooms import mixed_table, prepared
from veritable.evaluation.mistakes import MAX_MISTAKES, list_mistakes
from veritable.evaluation.predictions import PartPredictions
from veritable.tables.encoding.gate import HIDDEN, Gate

TEST = prepared(300, 2).parts["test"]


def predicted(classes=2, seed=0):
    """Predict random probabilities for the test rows of a mixed table."""
    part = prepared(300, classes).parts["test"]
    y_prob = np.random.default_rng(seed).dirichlet(np.ones(classes), size=len(part))
    return PartPredictions(part.row, part.y, y_prob.argmax(axis=1), y_prob)


@pytest.mark.parametrize("classes", [2, 5])
def test_the_most_confident_mistakes_come_first(classes):
    """The rows listed are the wrong ones with the lowest probability of the actual class, in ascending order."""
    made = predicted(classes)
    part = prepared(300, classes).parts["test"]
    found = list_mistakes(made, part.X, explainable(classes))
    wrong = made.y_true != made.y_pred
    of_actual = made.y_prob[np.arange(len(part)), made.y_true]
    expected = np.sort(of_actual[wrong])[:MAX_MISTAKES]
    assert expected.tolist() == [each["actual_probability"] for each in found["mistakes"]]
    assert int(wrong.sum()) == found["wrong_rows"]
    for each in found["mistakes"]:
        place = int(np.flatnonzero(part.row == each["row"])[0])
        names = explainable(classes).classes
        assert (names[part.y[place]], names[made.y_pred[place]]) == (each["actual"], each["predicted"])
        assert made.y_prob[place].max() == each["predicted_probability"]
    json.dumps(found, allow_nan=False)


def test_values_are_those_of_the_table():
    """Each mistake has the values of its row of the table as text."""
    frame = mixed_table(300, 2)
    for each in list_mistakes(predicted(), TEST.X, explainable())["mistakes"]:
        line = frame.iloc[each["row"]]
        age = "missing" if np.isnan(line["age"]) else f"{line['age']:.6g}"
        colour = "missing" if line["colour"] is None or line["colour"] != line["colour"] else line["colour"]
        assert (age, colour, line["member"]) == tuple(each["values"][name] for name in ("age", "colour", "member"))


def test_values_are_shown_as_far_as_enough_rows_agree():
    """With a count, the values of a mistake are those that the gate shows of its row; the rest is left out."""
    made, gate = predicted(), Gate.of(explainable().encoder, TEST.X, 5)
    for each in list_mistakes(made, TEST.X, explainable(), 5)["mistakes"]:
        place = int(np.flatnonzero(TEST.row == each["row"])[0])
        shown = gate.show_row(TEST.X[place], list(explainable().encoder.blocks))
        assert {name: text for name, text in shown.items() if text != HIDDEN} == each["values"]
        assert len(each["values"]) < 4


def test_without_a_mistake_the_list_is_empty():
    """If all rows are right, or the wrong ones have no weight, there is no mistake."""
    made = predicted()
    right = list_mistakes(replace(made, y_pred=made.y_true), TEST.X, explainable())
    weightless = replace(made, weight=(made.y_true == made.y_pred).astype(float))
    assert (0, []) == (right["wrong_rows"], right["mistakes"])
    assert (0, []) == tuple(list_mistakes(weightless, TEST.X, explainable())[name] for name in ("wrong_rows", "mistakes"))
