"""The chosen threshold compared with all possible thresholds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from tests.quick import examples
from veritable.metrics.thresholds import choose_threshold, predict_classes

BY_SCIKIT_LEARN = {
    "f1": lambda y, p: sk.f1_score(y, p, zero_division=0),
    "balanced_accuracy": sk.balanced_accuracy_score,
    "accuracy": sk.accuracy_score,
    "mcc": sk.matthews_corrcoef,
}


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
    chosen = choose_threshold(y_true, binary(y_score), metric)
    levels = np.unique(np.r_[0.0, y_score, 1.0])
    tried = (levels[1:] + levels[:-1]) / 2
    values = np.array([BY_SCIKIT_LEARN[metric](y_true, (y_score >= threshold).astype(int)) for threshold in tried])
    best = tried[values >= values.max() - 1e-12]
    everything = BY_SCIKIT_LEARN[metric](y_true, np.ones_like(y_true))
    value = BY_SCIKIT_LEARN[metric](y_true, (y_score >= chosen).astype(int))
    assert max(values.max(), everything) == pytest.approx(value)
    if chosen in tried:
        assert np.abs(best - 0.5).min() == pytest.approx(abs(chosen - 0.5))


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
    chosen = choose_threshold(y_true.astype(int), binary(y_score), metric, weight=weight)
    kept = weight > 0
    y, score, w = y_true[kept].astype(int), y_score[kept], weight[kept]
    by_hand = {
        "f1": lambda p: sk.f1_score(y, p, sample_weight=w, zero_division=0),
        "balanced_accuracy": lambda p: sk.balanced_accuracy_score(y, p, sample_weight=w),
        "accuracy": lambda p: sk.accuracy_score(y, p, sample_weight=w),
        "mcc": lambda p: sk.matthews_corrcoef(y, p, sample_weight=w),
    }[metric]
    levels = np.unique(np.r_[0.0, score, 1.0])
    best = max(by_hand((score >= threshold).astype(int)) for threshold in [0.0, *(levels[1:] + levels[:-1]) / 2])
    assert best == pytest.approx(by_hand((score >= chosen).astype(int)), abs=1e-9)


def test_weights_of_one_choose_the_same_threshold():
    """Weights of 1 do not change the threshold; other weights do."""
    generator = np.random.default_rng(0)
    y_score = generator.random(200)
    y_true = (generator.random(200) < y_score).astype(int)
    plain = choose_threshold(y_true, binary(y_score), "f1")
    assert plain == choose_threshold(y_true, binary(y_score), "f1", weight=np.ones(200))
    assert plain < choose_threshold(y_true, binary(y_score), "f1", weight=np.where(y_true, 0.2, 1.0))


@pytest.mark.parametrize("metric", sorted(BY_SCIKIT_LEARN))
def test_separable_classes_are_separated_halfway(metric):
    """If all negatives score at most 0.2 and all positives at least 0.6, the threshold is 0.4."""
    assert choose_threshold(np.array([0, 0, 1, 1]), binary([0.1, 0.2, 0.6, 0.9]), metric) == pytest.approx(0.4)


def test_a_constant_score_predicts_the_majority():
    """If all rows have the same score, accuracy is highest when all are predicted as the more frequent class."""
    y_true = np.array([0, 0, 0, 1])
    threshold = choose_threshold(y_true, binary(np.full(4, 0.25)), "accuracy")
    assert threshold == pytest.approx(0.625)
    assert [0, 0, 0, 0] == predict_classes(np.array([[0.75, 0.25]] * 4), threshold).tolist()


@pytest.mark.parametrize("metric", sorted(BY_SCIKIT_LEARN))
@pytest.mark.parametrize("code", [0, 1])
def test_one_class_alone_still_gives_a_threshold(metric, code):
    """With rows of one class only, the threshold is still between 0 and 1."""
    assert 0 <= choose_threshold(np.full(3, code), binary([0.2, 0.4, 0.9]), metric) <= 1


def test_adjacent_floats_are_separated():
    """Two scores without a float between them are separated as any others."""
    low = 0.7
    high = np.nextafter(low, 1)
    threshold = choose_threshold(np.array([0, 1]), binary([low, high]), "f1")
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
    assert choose_threshold(np.array([2, 0]), y_prob, "f1") is None
    assert [2, 0] == predict_classes(y_prob, None).tolist()
    with pytest.raises(ValueError, match=r"threshold must be None for 3 classes, but is 0\.5"):
        predict_classes(y_prob, 0.5)


@pytest.mark.parametrize(
    ("y_true", "y_score", "metric", "complaint"),
    [
        ([0, 1], [0.5], "f1", "must have Shape"),
        ([], [], "f1", "must have Shape"),
        ([0, 1], [0.5, 1.5], "f1", "must be between 0 and 1"),
        ([0, 1], [0.5, np.nan], "f1", "must be between 0 and 1"),
        ([0, 1], [0.5, 0.6], "auc", "metric must be one of .*, but is 'auc'"),
    ],
)
def test_wrong_arguments_are_refused(y_true, y_score, metric, complaint):
    """Invalid shapes, invalid probabilities and unknown metrics are refused."""
    with pytest.raises(ValueError, match=complaint):
        choose_threshold(np.array(y_true), binary(y_score), metric)
