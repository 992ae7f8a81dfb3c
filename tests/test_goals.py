"""Goals of a decision: values, names of classes, and what is refused."""

import json
from typing import Any

import numpy as np
import pytest
from sklearn import metrics as sk

from veritable.errors import UserError
from veritable.metrics.counts import Counts
from veritable.metrics.goals import Goal
from veritable.metrics.params import DecisionParams
from veritable.params import ParamsError
from veritable.stored import parse_json

CREDIT = {"bad": {"good": 5.0}, "good": {"bad": 1.0}}


def goal(classes: list[str], **given: Any) -> Goal:
    """Return the goal of a section, of which the keys that are not given are null."""
    section = {"metric": None, "costs": None, "constraint": None} | given
    return Goal.of(DecisionParams.parse("decision", section), classes)


def refusal(classes: list[str], **given: Any) -> str:
    """Return the message of the error."""
    with pytest.raises(UserError) as caught:
        goal(classes, **given)
    return str(caught.value)


def counts(y_true: np.ndarray, y_pred: np.ndarray) -> Counts:
    """Return the margins of one confusion matrix of two classes."""
    matrix = sk.confusion_matrix(y_true, y_pred, labels=[0, 1]).astype(float)
    return Counts(matrix.diagonal()[None], matrix.sum(axis=1)[None], matrix.sum(axis=0)[None])


def test_costs_are_those_of_the_pairs() -> None:
    """The value of costs is minus the mean cost of the rows, and gains are negative costs."""
    y_true, y_pred = np.random.default_rng(0).integers(0, 2, (2, 50))
    one = goal(["good", "bad"], costs={"bad": {"good": 5.0, "bad": -2.0}, "good": {"bad": 1}})
    assert one.costs == ((0, 1), (5, -2))
    expected = -np.mean([one.costs[actual][predicted] for actual, predicted in zip(y_true, y_pred, strict=True)])
    assert expected == pytest.approx(one.evaluate(counts(y_true, y_pred))[0])


def test_costs_follow_the_order_of_the_classes() -> None:
    """The matrix has the order of the classes, whichever order params.yaml has."""
    assert goal(["good", "bad"], costs=CREDIT).costs == ((0, 1), (5, 0))
    assert goal(["bad", "good"], costs=CREDIT).costs == ((0, 5), (1, 0))


def test_yaml_true_names_true() -> None:
    """YAML's true and the number 1 name the classes "true" and "1"."""
    assert goal(["false", "true"], costs={True: {False: 5.0}, False: {True: 1.0}}).costs == ((0, 1), (5, 0))
    assert goal(["0", "1"], costs={1: {0: 5.0}, 0: {1: 1.0}}).costs == ((0, 1), (5, 0))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "exactly one of decision.metric, decision.costs and decision.constraint must be set, but all are null"),
        ({"metric": "f1", "costs": CREDIT}, "but decision.metric and decision.costs are. Set the others to null"),
        ({"metric": "f1", "constraint": "recall >= 0.9"}, "but decision.metric and decision.constraint are"),
        ({"constraint": "recal >= 0.9"}, "but is 'recal >= 0.9'. Did you mean 'recall'?"),
        ({"constraint": "recall <= 0.9"}, "must be 'recall >= SHARE'"),
        ({"constraint": "recall >= 90"}, "a share above 0 and below 1, but is 'recall >= 90'"),
        ({"constraint": ""}, "but is ''"),
        ({"costs": {"bda": {"good": 1.0}}}, "'bda' is none of 2. Did you mean 'bad'?"),
        ({"costs": {"bad": {"god": 1.0}}}, "Did you mean 'good'?"),
        ({"costs": {"bad": {"good": 5.0}}}, "for actual 'good', predicting 'bad' costs 0 and predicting 'good' 0"),
        ({"costs": {"bad": {"good": -5.0}, "good": {"bad": 1.0}}}, "for actual 'bad', predicting 'good' costs -5"),
        ({"costs": {}}, "'decision.costs' in params.yaml must be"),
        ({"costs": {"bad": {"good": "5"}}}, "'decision.costs.bad.good' in params.yaml must be a valid number"),
    ],
    ids=str,
)  # fmt: skip
def test_contradictions_are_refused(given: dict[str, Any], words: str) -> None:
    """What contradicts itself, or names a class that does not exist, is refused in one sentence."""
    message = refusal(["good", "bad"], **given)
    assert words in message
    assert "\n" not in message


def test_a_constraint_needs_two_classes() -> None:
    """A constraint is refused for three classes."""
    assert "must be null for more than two classes" in refusal(["a", "b", "c"], constraint="recall >= 0.9")


def test_a_class_that_is_always_free_is_refused() -> None:
    """Costs of three classes may leave mistakes free, but no class may be free to predict for every row."""
    circle = {"a": {"b": 1.0}, "b": {"c": 2.0}, "c": {"a": 3.0}}
    assert goal(["a", "b", "c"], costs=circle).costs == ((0, 1, 0), (0, 0, 2), (3, 0, 0))
    assert "'a' never costs more than another" in refusal(["a", "b", "c"], costs={"a": {"b": 1.0}, "b": {"c": 2.0}})


@pytest.mark.parametrize(
    ("one", "words"),
    [
        (Goal("f1"), "the highest F1"),
        (Goal(costs=((0, 1), (5, 0))), "the least cost"),
        (Goal(constraint="recall >= 0.9"), "the highest precision with a recall of at least 0.9"),
        (Goal(constraint="flagged<=.05"), "the highest recall with a share of flagged rows of at most 0.05"),
    ],
    ids=str,
)
def test_a_goal_is_described_and_read_back(one: Goal, words: str) -> None:
    """A goal is described in words, and JSON gives it back."""
    assert words == one.describe()
    assert one == parse_json(Goal, json.dumps(one.to_json()).encode())


@pytest.mark.parametrize(
    "content",
    [
        None,
        {"metric": "f1", "goal": "f1"},
        {"metric": "auc", "costs": None, "constraint": None},
        {"metric": "f1", "costs": None, "constraint": "recall >= 0.9"},
        {"metric": None, "costs": [[0, 1]], "constraint": None},
        {"metric": None, "costs": [[0, 1], [float("nan"), 0]], "constraint": None},
        {"metric": None, "costs": None, "constraint": "import os"},
    ],
    ids=str,
)
def test_damaged_json_is_refused(content: Any) -> None:
    """JSON that is not a goal is refused."""
    with pytest.raises(ValueError, match=r"must"):
        parse_json(Goal, json.dumps(content).encode()).check(2)


def test_the_refusal_of_params_is_an_error_of_params() -> None:
    """Contradicting parameters are refused before a table is read."""
    with pytest.raises(ParamsError):
        DecisionParams.parse("decision", {"metric": None, "costs": None, "constraint": None})
