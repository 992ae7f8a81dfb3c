"""Two versions with several runs each are told apart only by more than seeds and test rows explain."""

import numpy as np
import pytest

from tests.reports import predictions
from veritable.errors import UserError
from veritable.evaluation.comparison import Judged
from veritable.evaluation.params import EvaluateParams
from veritable.evaluation.predictions import PartPredictions
from veritable.evaluation.repeats import compare_repeats

PARAMS = EvaluateParams(n_resamples=200, confidence_level=0.95, seed=0)
CLASSES = ["no", "yes"]


def judge(y_true: np.ndarray, signal: float, draw: np.random.Generator, first_row: int = 0) -> Judged:
    """Make the predictions of a run whose scores hold this much signal."""
    score = 1 / (1 + np.exp(-(signal * (2 * y_true - 1) + draw.normal(size=len(y_true)))))
    y_prob = np.stack([1 - score, score], axis=1)
    rows = np.arange(first_row, first_row + len(y_true))
    return Judged(PartPredictions(rows, y_true, y_prob.argmax(axis=1), y_prob), CLASSES, 0.5)


def make_pairs(n: int, gain: float, *, rows: int = 300, splits: bool, seed: int = 0) -> list[tuple[Judged, Judged]]:
    """Make pairs of runs; with `splits`, each pair has other test rows."""
    draw = np.random.default_rng(seed)
    y_true = draw.integers(0, 2, rows)
    pairs = []
    for i in range(n):
        if splits:
            y_true = draw.integers(0, 2, rows)
        pairs.append(tuple(judge(y_true, signal, draw, first_row=i * rows * splits) for signal in (1.0, 1.0 + gain)))
    return pairs  # type: ignore[return-value]


@pytest.mark.parametrize("splits", [False, True], ids=["seeds", "splits"])
def test_a_clear_gain_is_found(splits: bool) -> None:
    """A version that is better by far is better, and the same one is worse if the order is turned."""
    pairs = make_pairs(4, 1.0, splits=splits)
    compared = compare_repeats(pairs, PARAMS, test_to_train=0.25)
    turned = compare_repeats([(new, old) for old, new in pairs], PARAMS, test_to_train=0.25)
    assert (4, 4 if splits else 1) == (compared.pairs, compared.splits)
    for name in ("roc_auc", "log_loss", "accuracy"):
        assert ("better", "worse") == (compared.changes[name].outcome, turned.changes[name].outcome)
        assert compared.changes[name].difference.value == pytest.approx(-turned.changes[name].difference.value)  # type: ignore[operator]


@pytest.mark.parametrize("splits", [False, True], ids=["seeds", "splits"])
def test_versions_that_are_equal_are_rarely_told_apart(splits: bool) -> None:
    """Of 60 comparisons of equally good versions, few find a difference at a confidence of 0.95."""
    found = [
        compare_repeats(make_pairs(3, 0.0, rows=120, splits=splits, seed=seed), PARAMS, test_to_train=0.25).changes["log_loss"]
        for seed in range(60)
    ]
    assert sum(each.outcome != "tied" for each in found) <= 8


def test_a_lucky_seed_is_no_difference() -> None:
    """If one pair of runs speaks for a version and another against it, they are not told apart."""
    (old, new), *_ = make_pairs(2, 1.0, splits=False)
    compared = compare_repeats([(old, new), (new, old)], PARAMS, test_to_train=0.25)
    assert {"tied"} == {each.outcome for each in compared.changes.values()}
    assert pytest.approx(0) == compared.changes["accuracy"].difference.value


def test_runs_with_the_same_test_rows_are_one_split() -> None:
    """Several seeds on two splits count as two splits."""
    pairs = [*make_pairs(2, 0.5, splits=False, seed=0), *make_pairs(2, 0.5, splits=False, seed=1)]
    assert (4, 2) == (lambda each: (each.pairs, each.splits))(compare_repeats(pairs, PARAMS, test_to_train=0.25))


def test_equal_runs_have_no_width() -> None:
    """Runs that predict the same differ by exactly 0."""
    old, _ = make_pairs(2, 0.5, splits=False)[0]
    difference = compare_repeats([(old, old)] * 2, PARAMS, test_to_train=0.25).changes["roc_auc"].difference
    assert (0.0, 0.0, 0.0) == (difference.value, difference.low, difference.high)


def test_mistakes() -> None:
    """One pair is too few, and both runs of a pair must have the same test rows."""
    pairs = make_pairs(2, 0.5, splits=True)
    with pytest.raises(UserError, match="at least two pairs of runs with the same seeds, but has 1"):
        compare_repeats(pairs[:1], PARAMS, test_to_train=0.25)
    crossed = [(pairs[0][0], pairs[1][1]), pairs[1]]
    with pytest.raises(UserError, match=r"but pair 1 is not: The test rows differ: 0 of 300 and 300 rows are the same\."):
        compare_repeats(crossed, PARAMS, test_to_train=0.25)


def test_an_undefined_metric_has_no_difference() -> None:
    """A metric that is undefined in a run is not compared."""
    rows = predictions(2, 40, 1)
    ones = PartPredictions(rows.row, np.ones_like(rows.y_true), rows.y_pred, rows.y_prob)
    judged = Judged(ones, CLASSES, 0.5)
    assert compare_repeats([(judged, judged)] * 2, PARAMS, test_to_train=0.25).changes["roc_auc"].outcome is None
