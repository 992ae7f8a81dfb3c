"""What decisions mean on the test part: counts, costs, and whether the threshold fits."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from veritable.evaluation.baselines import decide
from veritable.evaluation.decision import Decision, judge_decisions
from veritable.evaluation.findings import CODES, find_problems
from veritable.evaluation.params import EvaluateParams
from veritable.evaluation.predictions import PartPredictions, read_held_out, write_held_out
from veritable.metrics.goals import Goal
from veritable.metrics.thresholds import choose_threshold, predict_classes
from veritable.models.folder import write_checksums

PARAMS = EvaluateParams(n_resamples=100, confidence_level=0.95, seed=0)
COSTS = Goal(costs=((0.0, 1.0), (5.0, 0.0)))
ROOT = Path(__file__).resolve().parents[1]


def rows(n: int, seed: int, *, shift: float = 0.0, share: float = 0.2, signal: float = 1.5) -> PartPredictions:
    """Return labels and probabilities, calibrated if shift (in log-odds) is 0. The threshold is 0.5."""
    generator = np.random.default_rng(seed)
    y = (generator.random(n) < share).astype(int)
    z = signal * (generator.normal(size=n) + signal * y) - signal**2 / 2 + np.log(share / (1 - share)) + shift
    p = 1 / (1 + np.exp(-z))
    return PartPredictions(np.arange(n), y, (p >= 0.5).astype(int), np.column_stack([1 - p, p]))


def judged(goal: Goal, test: PartPredictions, held_out: PartPredictions, baselines: Any = None) -> Decision:
    """Judge a classifier whose threshold is chosen on the rows held out."""
    threshold = choose_threshold(held_out.y_true, held_out.y_prob, goal, weight=held_out.weight)
    parts = [replace(each, y_pred=predict_classes(each.y_prob, threshold)) for each in (test, held_out)]
    return judge_decisions(goal, ["no", "yes"], *parts, baselines or {}, PARAMS)


def codes(decision: Decision, *, folds: bool = True) -> list[str]:
    """Return the codes of the findings."""
    return [each.code for each in find_problems(decision, folds=folds)]


def test_counts_are_those_of_the_confusion_matrix() -> None:
    """Of 1,000 rows, as many are flagged, flagged rightly and missed as the weighted confusion matrix says."""
    weight = np.random.default_rng(2).random(400)
    test = replace(rows(400, 0), weight=weight)
    facts = judge_decisions(Goal("f1"), ["no", "yes"], test, rows(400, 1), {}, PARAMS)
    flagged, positive = test.y_pred == 1, test.y_true == 1
    expected = {"flagged": flagged, "right": flagged & positive, "missed": ~flagged & positive}
    assert {name: 1000 * np.average(each, weights=weight) for name, each in expected.items()} == pytest.approx(
        {name: each.value for name, each in facts.of_1000.items()}
    )
    assert all(each.low < each.value < each.high for each in facts.of_1000.values())
    assert facts.counts().startswith("Of 1,000 rows ")


def test_costs_are_those_of_the_rows() -> None:
    """The cost of 1,000 rows is the mean cost of the test rows, for the classifier, one class alone, and a baseline."""
    test, held_out = rows(2000, 0), rows(2000, 1)
    facts = judged(COSTS, test, held_out, {"coin": np.arange(2000) % 2})
    y = test.y_true
    expected = {"commonest_class": 5000 * y.mean(), "coin": 1000 * np.where(y == 1, 5 * (np.arange(2000) % 2 == 0),
                                                                             np.arange(2000) % 2).mean()}  # fmt: skip
    assert expected == pytest.approx({name: facts.costs[name].value for name in expected})
    assert facts.constants == {"commonest_class": "no", "cheapest_class": "yes"}
    assert facts.costs["cheapest_class"].value - facts.costs["classifier"].value == pytest.approx(facts.saved.value)
    assert facts.saved.low > 0


@pytest.mark.parametrize(
    "goal", [Goal("f1"), Goal("mcc"), COSTS, Goal(constraint="recall >= 0.8"), Goal(constraint="flagged <= 0.1")], ids=str
)
def test_a_threshold_that_fits_has_no_finding(goal: Goal) -> None:
    """Where test rows are like those that the threshold was chosen on, there is no warning."""
    found = find_problems(judged(goal, rows(3000, 5), rows(3000, 4)), folds=True)
    assert [] == [each for each in found if each.level == "warning"]


@pytest.mark.parametrize("goal", [Goal("f1"), Goal("balanced_accuracy"), COSTS], ids=str)
def test_a_threshold_that_no_longer_fits_is_found(goal: Goal) -> None:
    """Where the probabilities of the test rows are shifted, another threshold would be better, and more rows are flagged."""
    found = codes(judged(goal, rows(3000, 0, shift=2.0), rows(3000, 1)))
    assert ["threshold_misfit", "flagged_drift"] == found


def test_few_rows_are_found() -> None:
    """With 12 test rows, and 2 positive rows to choose the threshold on, there is a finding for each, with a way out."""
    test, held_out = rows(12, 0), rows(100, 1)
    held_out = replace(held_out, y_true=np.arange(100) % 50 == 0).take(np.arange(100))
    facts = judge_decisions(Goal("f1"), ["no", "yes"], test, replace(held_out, y_true=held_out.y_true.astype(int)), {}, PARAMS)
    found = {each.code: each.sentence for each in find_problems(facts, folds=False)}
    assert "the test part has 12 rows" in found["few_test_rows"]
    assert "chosen on 100 rows, 2 of them 'yes'" in found["few_threshold_rows"]
    assert "train.n_splits" in found["few_threshold_rows"]


def test_a_constraint_that_is_missed_is_found() -> None:
    """A recall that is too low on test is a warning, one that no threshold reaches another."""
    assert "constraint_missed" in codes(judged(Goal(constraint="recall >= 0.9"), rows(3000, 0, shift=-2.0), rows(3000, 1)))
    unreachable = judged(Goal(constraint="precision >= 0.99"), rows(3000, 0, signal=0.3), rows(3000, 1, signal=0.3))
    assert "constraint_unreachable" in codes(unreachable)


def test_costs_without_gain_are_found() -> None:
    """Where the scores say nothing, the decisions do not cost less than always predicting the cheapest class."""
    assert ["costs_no_gain"] == codes(judged(COSTS, rows(3000, 0, signal=0.0), rows(3000, 1, signal=0.0)))


def test_free_mistakes_of_three_classes_are_found() -> None:
    """With three classes, wrong predictions without a cost are a finding; the rule says what is predicted."""
    generator = np.random.default_rng(0)
    y_prob = generator.dirichlet([1, 1, 1], 200)
    y = np.array([generator.choice(3, p=p) for p in y_prob])
    goal = Goal(costs=((0.0, 1.0, 0.0), (4.0, 0.0, 4.0), (1.0, 1.0, 0.0)))
    part = PartPredictions(np.arange(200), y, predict_classes(y_prob, None, goal.cost_matrix), y_prob)
    facts = judge_decisions(goal, ["a", "b", "c"], part, part, {}, PARAMS)
    found = {each.code: each.sentence for each in find_problems(facts, folds=True)}
    assert "1 of 6 wrong predictions" in found["free_mistakes"]
    assert "The class of the least expected cost is predicted." == facts.rule()
    assert (None, {}) == (facts.threshold, facts.of_1000)


def test_facts_are_json() -> None:
    """The facts are finite JSON, also with one class alone on test."""
    test = replace(rows(50, 0), y_true=np.zeros(50, dtype=int))
    for goal in (Goal("mcc"), COSTS, Goal(constraint="recall >= 0.9")):
        content = judged(goal, test, rows(50, 1)).to_json()
        assert content["rule"].startswith("'yes' is predicted from a probability of ")
        assert [50, 0] == content["rows"]["test"]


def test_class_shares_predict_the_commonest_class() -> None:
    """The class shares predict the commonest class whatever the threshold; other baselines use it."""
    y_prob = np.tile([0.76, 0.24], (3, 1))
    assert [0, 0, 0] == decide("majority", y_prob, 0.12, Goal("f1")).tolist()
    assert [1, 1, 1] == decide("logistic_regression", y_prob, 0.12, Goal("f1")).tolist()


@pytest.mark.parametrize("fold", [None, np.arange(100) % 3])
def test_held_out_predictions_are_read_back(tmp_path: Path, fold: np.ndarray | None) -> None:
    """Predictions for the rows held out are read back, with folds or without."""
    part = replace(rows(100, 0), weight=np.arange(100.0))
    write_held_out(tmp_path, part, fold, ["no", "yes"])
    (tmp_path / "classifier.json").touch()
    write_checksums(tmp_path)
    read, folds = read_held_out(tmp_path, ["no", "yes"])
    order = np.argsort(read.row)
    assert (0 if fold is None else 3) == len(folds)
    for name in ("row", "y_true", "y_pred", "y_prob", "weight"):
        np.testing.assert_array_equal(getattr(part, name), getattr(read, name)[order])


def test_predicted_classes_are_read_alone(tmp_path: Path) -> None:
    """The predicted classes of a file are read without the rest."""
    part = rows(20, 0)
    part.write(tmp_path / "x.parquet", ["no", "yes"])
    assert part.y_pred.tolist() == PartPredictions.read_predicted(tmp_path / "x.parquet", ["no", "yes"]).tolist()


def test_the_documentation_lists_every_code() -> None:
    """docs/decide.md lists each code with its description."""
    text = (ROOT / "docs/decide.md").read_text()
    assert [] == [code for code, words in CODES.items() if f"| `{code}` | {words} |" not in text]
