"""The most confident mistake is explained: why the predicted class and not the actual one."""

import numpy as np
import pytest

from tests.rooms import prepared
from tests.test_classifier import classifier
from tests.test_explainer import with_background
from veritable.explanation import explainer as room
from veritable.explanation.explainer import Explainer
from veritable.explanation.mistake import explain_mistake, find_mistake


@pytest.mark.parametrize("classes", [2, 3])
def test_row_and_values(classes: int) -> None:
    """The row is the wrongly predicted one whose actual class has the lowest probability, and its values add up."""
    test, fitted = prepared(300, classes).parts["test"], Explainer.fit(with_background(classes))
    facts, frame = explain_mistake(fitted, test, error=0.05)
    y_prob = classifier(classes, kind="blend").predict_proba(test.X)
    decisions = fitted.classifier.decide(y_prob)
    wrong = np.flatnonzero(decisions != test.y)
    row = wrong[y_prob[wrong, test.y[wrong]].argmin()]
    names = fitted.classifier.classes
    assert (test.row[row], len(test)) == (facts["row"], facts["of_rows"])
    assert (names[test.y[row]], names[decisions[row]]) == (facts["actual"], facts["predicted"])
    assert facts["actual"] != facts["predicted"]
    assert facts["output"] == pytest.approx(facts["base"] + frame["value"].sum())
    assert frame["value"].abs().is_monotonic_decreasing
    assert (frame["standard_error"] >= 0).all()
    assert y_prob[row, names.index(facts["class"])] == facts["probability"]


def test_predicted_against_actual() -> None:
    """With more than two classes, the values are those of the predicted class minus those of the actual one."""
    test, fitted = prepared(300, 3).parts["test"], Explainer.fit(with_background(3))
    facts, frame = explain_mistake(fitted, test, error=0.05)
    assert (facts["predicted"], facts["actual"]) == (facts["class"], facts["against"])
    one = test.take(np.flatnonzero(test.row == facts["row"]))
    found, names = fitted.estimate(one.X, one.row), fitted.classifier.classes
    predicted, actual = names.index(facts["class"]), names.index(facts["against"])
    expected = dict(zip(fitted.players, found.values[0, :, predicted] - found.values[0, :, actual], strict=True))
    assert expected == dict(zip(frame["column"], frame["value"], strict=True))
    scores = np.log(fitted.classifier.predict_proba(one.X)[0])
    assert (scores[predicted] > scores[actual]) == (facts["output"] > 0)
    assert facts["other_probability"] < facts["probability"]


def test_many_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    """If only single classes can be explained, the difference has the same sign and sum as with all of them."""
    test, fitted = prepared(300, 3).parts["test"], Explainer.fit(with_background(3))
    expected, _ = explain_mistake(fitted, test, error=0.05)
    monkeypatch.setattr("veritable.explanation.mistake.MAX_CLASSES", 2)
    facts, frame = explain_mistake(Explainer.fit(with_background(3)), test, error=0.05)
    assert room.MAX_CLASSES > 2
    assert expected["output"] == pytest.approx(facts["output"])
    assert facts["output"] == pytest.approx(facts["base"] + frame["value"].sum())


def test_no_mistake() -> None:
    """Without mistakes, the row whose actual class has the lowest probability is chosen."""
    y_prob = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]])
    assert (1, 0) == find_mistake(np.array([0, 0, 1]), y_prob, np.array([0, 0, 1]))


def test_a_correct_row_is_no_mistake() -> None:
    """A row that is predicted correctly is not chosen, even if its actual class has the lowest probability."""
    y_prob = np.array([[0.34, 0.33, 0.33], [0.1, 0.5, 0.4]])
    assert (1, 1) == find_mistake(np.array([0, 2]), y_prob, np.array([0, 1]))
