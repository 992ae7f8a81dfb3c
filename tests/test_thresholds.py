"""The chosen threshold compared with all possible thresholds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from tests.quick import examples
from veritable.errors import UserError
from veritable.metrics.goals import Goal
from veritable.metrics.thresholds import best_threshold, choose_threshold, predict_classes, threshold_interval

BY_SCIKIT_LEARN = {
    "f1": lambda y, p: sk.f1_score(y, p, zero_division=0),
    "balanced_accuracy": sk.balanced_accuracy_score,
    "accuracy": sk.accuracy_score,
    "mcc": sk.matthews_corrcoef,
}


def best(y_true, y_score, metric, weight=None):
    """Return the best threshold on these rows alone."""
    y_score = np.asarray(y_score, dtype=float)
    return best_threshold(np.asarray(y_true), y_score, np.ones(len(y_score)) if weight is None else weight, Goal(metric))


def binary(y_score):
    """Return probabilities of two classes from those of the positive class."""
    score = np.asarray(y_score, dtype=float)
    return np.stack([1 - score, score], axis=1)


@settings(max_examples=examples(150), deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.booleans(), st.sampled_from([0.0, 0.1, 0.3, 0.45, 0.5, 0.62, 0.9, 1.0])), min_size=2, max_size=25
    ),
    metric=st.sampled_from(sorted(BY_SCIKIT_LEARN)),
)
def test_no_threshold_is_better(rows, metric):
    """No threshold between 0 and 1 gives a higher metric, and no equally good midpoint is nearer to 0.5."""
    y_true, y_score = np.array([y for y, _ in rows], dtype=int), np.array([score for _, score in rows])
    y_true[:2] = [0, 1]  # both classes must be present
    chosen = best(y_true, y_score, metric)
    levels = np.unique(np.r_[0.0, y_score, 1.0])
    tried = (levels[1:] + levels[:-1]) / 2
    values = np.array([BY_SCIKIT_LEARN[metric](y_true, (y_score >= threshold).astype(int)) for threshold in tried])
    equal = tried[values >= values.max() - 1e-12]
    everything = BY_SCIKIT_LEARN[metric](y_true, np.ones_like(y_true))
    value = BY_SCIKIT_LEARN[metric](y_true, (y_score >= chosen).astype(int))
    assert max(values.max(), everything) == pytest.approx(value)
    if chosen in tried:
        assert np.abs(equal - 0.5).min() == pytest.approx(abs(chosen - 0.5))


@settings(max_examples=examples(100), deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.booleans(), st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.62, 1.0]), st.sampled_from([0.0, 0.5, 1.0, 3.7])),
        min_size=4,
        max_size=25,
    ),
    metric=st.sampled_from(sorted(BY_SCIKIT_LEARN)),
)
def test_no_threshold_is_better_by_weight(rows, metric):
    """With weights, no threshold gives a higher value of scikit-learn's metric with sample_weight."""
    y_true, y_score, weight = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    y_true[:2], weight[:2] = [0, 1], 1
    chosen = best(y_true.astype(int), y_score, metric, weight)
    kept = weight > 0
    y, score, w = y_true[kept].astype(int), y_score[kept], weight[kept]
    by_hand = {
        "f1": lambda p: sk.f1_score(y, p, sample_weight=w, zero_division=0),
        "balanced_accuracy": lambda p: sk.balanced_accuracy_score(y, p, sample_weight=w),
        "accuracy": lambda p: sk.accuracy_score(y, p, sample_weight=w),
        "mcc": lambda p: sk.matthews_corrcoef(y, p, sample_weight=w),
    }[metric]
    levels = np.unique(np.r_[0.0, score, 1.0])
    highest = max(by_hand((score >= threshold).astype(int)) for threshold in [0.0, *(levels[1:] + levels[:-1]) / 2])
    assert highest == pytest.approx(by_hand((score >= chosen).astype(int)), abs=1e-9)


def test_weights_of_one_choose_the_same_threshold():
    """Weights of 1 do not change the threshold; other weights do."""
    generator = np.random.default_rng(0)
    y_score = generator.random(200)
    y_true = (generator.random(200) < y_score).astype(int)
    plain = choose_threshold(y_true, binary(y_score), Goal("f1"))
    assert plain == choose_threshold(y_true, binary(y_score), Goal("f1"), weight=np.ones(200))
    assert plain == choose_threshold(y_true, binary(y_score), Goal("f1"), weight=np.full(200, 8.0))
    assert plain < choose_threshold(y_true, binary(y_score), Goal("f1"), weight=np.where(y_true, 0.2, 1.0))


@pytest.mark.parametrize("metric", sorted(BY_SCIKIT_LEARN))
def test_separable_classes_are_separated_halfway(metric):
    """If all negatives score at most 0.2 and all positives at least 0.6, the threshold is 0.4."""
    assert best([0, 0, 1, 1], [0.1, 0.2, 0.6, 0.9], metric) == pytest.approx(0.4)


def test_a_constant_score_predicts_the_majority():
    """If all rows have the same score, accuracy is highest when all are predicted as the more frequent class."""
    y_true = np.array([0, 0, 0, 1])
    threshold = choose_threshold(y_true, binary(np.full(4, 0.25)), Goal("accuracy"))
    assert threshold == pytest.approx(0.625)
    assert [0, 0, 0, 0] == predict_classes(np.array([[0.75, 0.25]] * 4), threshold).tolist()


@pytest.mark.parametrize("metric", sorted(BY_SCIKIT_LEARN))
@pytest.mark.parametrize("code", [0, 1])
def test_one_class_alone_still_gives_a_threshold(metric, code):
    """With rows of one class only, the threshold is still between 0 and 1."""
    assert 0 <= choose_threshold(np.full(3, code), binary([0.2, 0.4, 0.9]), Goal(metric)) <= 1


def test_adjacent_floats_are_separated():
    """Two scores without a float between them are separated as any others."""
    low = 0.7
    high = np.nextafter(low, 1)
    threshold = best([0, 1], [low, high], "f1")
    assert [0, 1] == predict_classes(np.array([[1 - low, low], [1 - high, high]]), threshold).tolist()


def test_float32_probabilities_are_compared_without_rounding_the_threshold():
    """A threshold just above a float32 probability predicts the negative class, although both are equal in float32."""
    y_prob = np.array([[0.7, 0.3]], dtype=np.float32)
    above = float(y_prob[0, 1]) + 1e-10
    assert [0] == predict_classes(y_prob, above).tolist()


def test_the_positive_class_is_predicted_from_the_threshold():
    """The positive class is predicted if its probability is at least the threshold, which is 0.5 by default."""
    y_prob = np.array([[0.8, 0.2], [0.5, 0.5], [0.1, 0.9]])
    assert [1, 1, 1] == predict_classes(y_prob, 0.2).tolist()
    assert [0, 1, 1] == predict_classes(y_prob, None).tolist()


def test_the_most_probable_of_more_classes_is_predicted():
    """With three classes no threshold is chosen, the most probable class is predicted, and a threshold is refused."""
    y_prob = np.array([[0.2, 0.3, 0.5], [0.6, 0.3, 0.1]])
    assert choose_threshold(np.array([2, 0]), y_prob, Goal("f1")) is None
    assert [2, 0] == predict_classes(y_prob, None).tolist()
    with pytest.raises(ValueError, match=r"threshold must be None for 3 classes, but is 0\.5"):
        predict_classes(y_prob, 0.5)


@pytest.mark.parametrize(
    ("y_true", "y_score", "complaint"),
    [
        ([0, 1], [0.5], "y_true must be integers of Shape"),
        ([], [], "y_prob must have Shape"),
        ([0, 1], [0.5, 1.5], "must hold probabilities"),
        ([0, 1], [0.5, np.nan], "must hold probabilities"),
    ],
)
def test_wrong_arguments_are_refused(y_true, y_score, complaint):
    """Invalid shapes and invalid probabilities are refused."""
    with pytest.raises(ValueError, match=complaint):
        choose_threshold(np.array(y_true, dtype=int), binary(y_score), Goal("f1"))


def test_weights_without_weight_are_refused():
    """Weights that are all 0 are refused."""
    with pytest.raises(UserError, match="not all 0"):
        choose_threshold(np.array([0, 1]), binary([0.2, 0.8]), Goal("f1"), weight=np.zeros(2))


def drawn(n, share=0.2, seed=0):
    """Return labels and calibrated probabilities of normal scores."""
    generator = np.random.default_rng(seed)
    y_true = (generator.random(n) < share).astype(int)
    x = generator.normal(size=n) + 1.5 * y_true
    odds = share / (1 - share) * np.exp(1.5 * x - 1.5**2 / 2)
    return y_true, odds / (1 + odds)


@pytest.mark.parametrize(("cost_fp", "cost_fn"), [(1, 10), (1, 1), (3, 1)])
def test_calibrated_probabilities_have_the_threshold_of_the_formula(cost_fp, cost_fn):
    """With calibrated probabilities and many rows, the threshold is cost_fp / (cost_fp + cost_fn)."""
    y_true, score = drawn(20_000)
    threshold = choose_threshold(y_true, binary(score), Goal(costs=((0, cost_fp), (cost_fn, 0))))
    assert cost_fp / (cost_fp + cost_fn) == pytest.approx(threshold, abs=0.06)


def test_the_best_expected_f1_is_twice_its_threshold():
    """The best threshold for the expected F1 of calibrated probabilities is half of that F1 (Lipton et al. 2014)."""
    _, score = drawn(20_000)
    threshold = best_threshold(score, score, np.ones(score.size), Goal("f1"))
    flagged = score >= threshold
    assert score[flagged].sum() / (score.sum() + flagged.sum()) == pytest.approx(threshold, abs=0.001)


@pytest.mark.parametrize("goal", [Goal("f1"), Goal(costs=((0, 1), (10, 0)))], ids=str)
def test_with_few_positives_the_regret_is_lower_than_with_labels_alone(goal):
    """Chosen on 4 positive of 20 rows, thresholds are better on fresh rows than the best ones of the same rows, on average."""
    fresh, fresh_score = drawn(50_000, seed=1)

    def value(threshold):
        flagged = (fresh_score >= threshold).astype(int)
        if goal.metric:
            return sk.f1_score(fresh, flagged)
        return -np.where(fresh == 1, 10 * (1 - flagged), flagged).mean()

    gains = []
    for seed in range(30):
        y_true, score = drawn(20, seed=seed + 2)
        y_true = np.argsort(np.argsort(-(score + y_true))) < 4 if not y_true.any() else y_true
        chosen = choose_threshold(y_true.astype(int), binary(score), goal)
        gains.append(value(chosen) - value(best_threshold(y_true, score, np.ones(20), goal)))
    assert np.mean(gains) > 0


def test_many_rows_overrule_bad_probabilities():
    """Where probabilities are wrong in shape, the threshold of 20,000 rows is nearly the best on them."""
    y_true, score = drawn(20_000)
    bent = np.where(score < 0.3, score / 3, 0.1 + 0.9 * (score - 0.3) / 0.7)
    goal = Goal(costs=((0, 1), (4, 0)))
    threshold = choose_threshold(y_true, binary(bent), goal)
    alone = best_threshold(y_true, bent, np.ones(score.size), goal)

    def cost(at):
        return np.where(y_true == 1, 4 * (bent < at), bent >= at).mean()

    assert cost(alone) == pytest.approx(cost(threshold), rel=0.01)


def test_the_interval_holds_the_threshold_and_shrinks_with_the_rows():
    """The interval contains the threshold, and that of 10,000 rows is less than half as wide as that of 200."""
    found = []
    for n in (200, 10_000):
        y_true, score = drawn(n)
        interval = threshold_interval(y_true, binary(score), Goal("f1"), n_resamples=100, seed=0)
        assert choose_threshold(y_true, binary(score), Goal("f1")) == interval.value
        assert interval.low <= interval.value <= interval.high
        assert n == interval.n
        found.append(interval.high - interval.low)
    assert found[1] < found[0] / 2


@pytest.mark.parametrize(
    ("text", "name", "sign", "limit"), [("recall >= 0.9", "recall", 1, 0.9), ("precision >= 0.7", "precision", 1, 0.7),
                                         ("flagged <= 0.05", "flagged", -1, 0.05)]
)  # fmt: skip
def test_a_constraint_is_met(text, name, sign, limit):
    """With many rows, the threshold meets the constraint, and is near its limit."""
    y_true, score = drawn(20_000)
    flagged = score >= choose_threshold(y_true, binary(score), Goal(constraint=text))
    value = {"recall": sk.recall_score(y_true, flagged), "precision": sk.precision_score(y_true, flagged),
             "flagged": flagged.mean()}[name]  # fmt: skip
    assert limit == pytest.approx(value, abs=0.01)
    assert sign * (value - limit) > -0.005


def test_a_constraint_that_cannot_be_met_comes_as_near_as_possible():
    """If no threshold has a precision of 0.99, the one with the highest precision is chosen."""
    y_true, score = np.array([0, 1, 1, 0, 1, 0] * 50), np.array([0.1, 0.9, 0.8, 0.9, 0.2, 0.8] * 50)
    chosen = best_threshold(y_true, score, np.ones(300), Goal(constraint="precision >= 0.99"))
    assert chosen == pytest.approx(0.15)  # 3 of 5 flagged rows are positive; 2 of 4 or 1 of 2 above


def test_the_class_of_least_expected_cost_is_predicted():
    """Of three classes, that with the least expected cost is predicted; equal costs are decided by the probability."""
    y_prob = np.array([[0.6, 0.3, 0.1], [0.1, 0.2, 0.7], [0.2, 0.5, 0.3]])
    costs = np.array([[0.0, 1, 1], [1, 0, 1], [10, 10, 0]])
    assert np.argmin(y_prob @ costs, axis=1).tolist() == predict_classes(y_prob, None, costs).tolist()
    assert [2, 2, 2] == predict_classes(y_prob, None, costs).tolist()
    assert [0, 2, 1] == predict_classes(y_prob, None, np.zeros((3, 3))).tolist()
