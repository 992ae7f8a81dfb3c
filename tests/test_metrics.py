"""The metrics compared with scikit-learn, and their intervals compared with formulas."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as sk

from tests.memory import growth_bytes
from tests.quick import examples
from veritable.errors import UserError
from veritable.metrics.intervals import paired_difference, percentile_interval, resample_weights
from veritable.metrics.losses import brier_losses, expected_log_losses, log_losses
from veritable.metrics.metrics import METRICS, Interval, Predictions, compute_metrics, resample_metrics


@st.composite
def weighted_predictions(draw):
    """Rows with coarse probabilities (hence ties) and weights, some of them 0."""
    k = draw(st.integers(2, 5))
    n = draw(st.integers(1, 30))
    y_true = np.array(draw(st.lists(st.integers(0, k - 1), min_size=n, max_size=n)))
    y_pred = np.array(draw(st.lists(st.integers(0, k - 1), min_size=n, max_size=n)))
    parts = np.array(draw(st.lists(st.lists(st.integers(0, 3), min_size=k, max_size=k), min_size=n, max_size=n)), dtype=float)
    parts[parts.sum(axis=1) == 0] = 1
    y_prob = parts / parts.sum(axis=1, keepdims=True)
    weight = st.integers(0, 4).map(float) if draw(st.booleans()) else st.just(0.0) | st.floats(0.01, 10)
    weights = np.array(draw(st.lists(weight, min_size=n, max_size=n)))
    assume(weights.sum() > 0)
    return y_true, y_prob, y_pred, weights


def by_scikit_learn(y_true, y_prob, y_pred, weights):
    """Compute the same metrics with scikit-learn; undefined ones are NaN."""
    k = y_prob.shape[1]
    kept = weights > 0
    y_true, y_prob, y_pred, w = y_true[kept], y_prob[kept], y_pred[kept], weights[kept]
    present = [code for code in ([1] if k == 2 else range(k)) if (y_true == code).any()]
    absent = [code for code in present if (y_true != code).any()]
    several = len(np.unique(y_true)) > 1
    averaged = {"labels": present, "average": "macro", "zero_division": 0, "sample_weight": w}
    classes_present = np.unique(y_true)
    recalls = [sk.recall_score(y_true == code, y_pred == code, sample_weight=w) for code in classes_present]
    one_hot = np.eye(k, dtype=int)[y_true]
    return {
        "accuracy": sk.accuracy_score(y_true, y_pred, sample_weight=w),
        "balanced_accuracy": np.mean(recalls),
        "precision": sk.precision_score(y_true, y_pred, **averaged) if present else np.nan,
        "recall": sk.recall_score(y_true, y_pred, **averaged) if present else np.nan,
        "f1": sk.f1_score(y_true, y_pred, **averaged) if present else np.nan,
        "roc_auc": np.mean([sk.roc_auc_score(y_true == code, y_prob[:, code], sample_weight=w) for code in absent])
        if absent
        else np.nan,
        "average_precision": np.mean(
            [sk.average_precision_score(y_true == code, y_prob[:, code], sample_weight=w) for code in present]
        )
        if present
        else np.nan,
        "log_loss": sk.log_loss(one_hot, y_prob, sample_weight=w),
        "brier": sk.brier_score_loss(y_true, y_prob[:, 1], pos_label=1, sample_weight=w)
        if k == 2
        else sk.brier_score_loss(y_true, y_prob, labels=range(k), sample_weight=w),
        "mcc": sk.matthews_corrcoef(y_true, y_pred, sample_weight=w) if several else np.nan,
    }


@settings(max_examples=examples(150), deadline=None)
@given(weighted_predictions())
def test_every_metric_under_any_weights_is_that_of_scikit_learn(rows):
    """Every metric for any weights, with ties and absent classes, equals that of scikit-learn with sample_weight."""
    y_true, y_prob, y_pred, weights = rows
    expected = by_scikit_learn(y_true, y_prob, y_pred, weights)
    measured = Predictions(y_true, y_prob, y_pred).measure(np.stack([weights, weights * 2]))
    assert set(measured) == set(METRICS)
    for name in METRICS:
        np.testing.assert_allclose(measured[name], expected[name], rtol=1e-9, atol=1e-9, err_msg=name)


@settings(max_examples=examples(60), deadline=None)
@given(weighted_predictions())
def test_weighted_metrics_are_those_of_scikit_learn(rows):
    """With row weights, the value of every metric equals that of scikit-learn with sample_weight; n is the number of rows."""
    y_true, y_prob, y_pred, weights = rows
    expected = by_scikit_learn(y_true, y_prob, y_pred, weights)
    computed = compute_metrics(y_true, y_prob, y_pred, weight=weights, n_resamples=60, seed=0)  # few are undefined
    for name in METRICS:
        value = np.nan if computed[name].value is None else computed[name].value
        np.testing.assert_allclose(value, expected[name], rtol=1e-9, atol=1e-9, err_msg=name)
        assert computed[name].n == len(y_true)


def test_equal_weights_are_no_weights():
    """Weights of 1 change no bit; weights of 8 change only the rounding."""
    y_true, y_prob = drawn(80, n_classes=3, seed=8)
    y_pred = y_prob.argmax(axis=1)
    plain, ones, eights = (
        compute_metrics(y_true, y_prob, y_pred, weight=weight, n_resamples=40, seed=0)
        for weight in (None, np.ones(80), np.full(80, 8.0))
    )
    assert plain == ones
    for name in METRICS:
        assert (plain[name].low, plain[name].high) == pytest.approx((eights[name].low, eights[name].high))


def test_the_interval_of_a_weighted_mean_is_the_sandwich():
    """The interval of weighted accuracy is that of a ratio of means, wider than with equal weights."""
    y_true, y_prob = drawn(3000, n_classes=2, seed=9)
    y_pred, weight = y_prob.argmax(axis=1), np.random.default_rng(0).exponential(size=3000) ** 2
    weighted = compute_metrics(y_true, y_prob, y_pred, weight=weight, n_resamples=2000, seed=0)["accuracy"]
    right = y_true == y_pred
    assert np.average(right, weights=weight) == pytest.approx(weighted.value)
    error = 1.96 * np.sqrt(np.square(weight * (right - weighted.value)).sum()) / weight.sum()
    assert (weighted.value - error, weighted.value + error) == pytest.approx((weighted.low, weighted.high), abs=0.006)
    plain = compute_metrics(y_true, y_prob, y_pred, n_resamples=2000, seed=0)["accuracy"]
    assert weighted.high - weighted.low > 1.5 * (plain.high - plain.low)


def test_a_resample_without_any_weight_is_left_out():
    """If one of three rows has all the weight, resamples without it leave no NaN in an interval."""
    y_prob = np.array([[0.7, 0.3], [0.6, 0.4], [0.5, 0.5]])
    weight = np.array([0.0, 0.0, 2.0])
    computed = compute_metrics(np.array([0, 0, 1]), y_prob, np.array([0, 0, 1]), weight=weight, n_resamples=50, seed=0)
    assert computed["accuracy"] == wilson(1.0, 1, 3)
    assert -np.log(0.5) == pytest.approx(computed["log_loss"].low) == pytest.approx(computed["log_loss"].high)


@pytest.mark.parametrize("weight", [[0.0, 0.0], [1.0, -1.0], [1.0, np.nan], [np.inf, 1.0]])
def test_weights_that_are_none_are_refused(weight):
    """Weights that are negative, not finite or all 0 are refused."""
    with pytest.raises(UserError, match=r"weights of a part must be .* Check the column data\.weight"):
        compute_metrics(np.array([0, 1]), np.full((2, 2), 0.5), np.array([0, 1]), weight=np.array(weight), seed=0)


def test_weights_of_other_rows_are_refused():
    """There must be as many weights as rows."""
    with pytest.raises(ValueError, match=r"weight must have Shape \(2,\)"):
        compute_metrics(np.array([0, 1]), np.full((2, 2), 0.5), np.array([0, 1]), weight=np.ones(3), seed=0)


def test_chunks_change_nothing(monkeypatch):
    """The resamples do not depend on the size of the chunks."""
    y_true, y_prob = drawn(37, n_classes=3, seed=10)
    at_once = compute_metrics(y_true, y_prob, y_prob.argmax(axis=1), n_resamples=30, seed=0)
    monkeypatch.setattr("veritable.metrics.intervals._CHUNK_CELLS", 37 * 9)
    done = []
    resampled = resample_metrics(y_true, y_prob, y_prob.argmax(axis=1), n_resamples=30, seed=0, advance=done.append)
    assert at_once == resampled.intervals(0.95)
    assert [9, 9, 9, 3] == done


def test_the_expected_log_loss_is_the_entropy(monkeypatch):
    """The expected log loss of a row is scipy's entropy, whatever the size of the chunks."""
    _, y_prob = drawn(50, n_classes=4, seed=11)
    y_prob[0] = [0, 0, 1, 0]
    monkeypatch.setattr("veritable.metrics.losses._CHUNK_CELLS", 12)
    np.testing.assert_allclose(stats.entropy(y_prob, axis=1), expected_log_losses(y_prob), atol=1e-12)


def test_losses_in_blocks_are_those_at_once(monkeypatch):
    """The Brier score of a row does not depend on the size of the chunks."""
    y_true, y_prob = drawn(50, n_classes=4, seed=11)
    at_once = brier_losses(y_true, y_prob)
    monkeypatch.setattr("veritable.metrics.losses._CHUNK_CELLS", 12)
    assert at_once.tolist() == brier_losses(y_true, y_prob).tolist()


def test_a_thousand_classes_take_seconds():
    """With 1,000 classes and 2,000 rows, every metric is finite, and absent classes are excluded from the means."""
    draw = np.random.default_rng(0)
    y_true = draw.integers(0, 300, size=2000)
    y_prob = draw.dirichlet(np.ones(1000), size=2000)
    computed = compute_metrics(y_true, y_prob, y_prob.argmax(axis=1), n_resamples=100, seed=0)
    assert np.isfinite([[each.value, each.low, each.high] for each in computed.values()]).all()
    expected = np.mean([sk.roc_auc_score(y_true == code, y_prob[:, code]) for code in np.unique(y_true)])
    assert expected == pytest.approx(computed["roc_auc"].value)


def test_macro_averages_are_scikit_learns_where_every_class_is_present():
    """With all classes present, macro metrics equal the macro and one-vs-rest averages of scikit-learn."""
    y_true, y_prob = drawn(400, n_classes=4, seed=0)
    y_pred = y_prob.argmax(axis=1)
    computed = compute_metrics(y_true, y_prob, y_pred, n_resamples=2, seed=0)
    assert sk.f1_score(y_true, y_pred, average="macro") == pytest.approx(computed["f1"].value)
    assert sk.balanced_accuracy_score(y_true, y_pred) == pytest.approx(computed["balanced_accuracy"].value)
    assert sk.roc_auc_score(y_true, y_prob, multi_class="ovr") == pytest.approx(computed["roc_auc"].value)
    one_hot = np.eye(4)[y_true]
    assert sk.average_precision_score(one_hot, y_prob) == pytest.approx(computed["average_precision"].value)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_the_mean_of_row_losses_is_the_metric(n_classes):
    """The means of the row losses are the log loss and the Brier score."""
    y_true, y_prob = drawn(50, n_classes=n_classes, seed=1)
    computed = compute_metrics(y_true, y_prob, y_prob.argmax(axis=1), n_resamples=2, seed=0)
    losses = {"log_loss": log_losses(y_true, y_prob), "brier": brier_losses(y_true, y_prob)}
    for name, of_rows in losses.items():
        assert computed[name].value == pytest.approx(of_rows.mean())


def test_a_probability_of_zero_costs_a_finite_loss():
    """A row whose class has probability 0 has a loss of 36 nats, not infinity."""
    assert log_losses(np.array([1]), np.array([[1.0, 0.0]]))[0] == pytest.approx(-np.log(np.finfo(float).eps))


def test_one_class_alone_leaves_undefined_metrics_none():
    """Without positive rows, metrics that need one are None and keep their n; the others have values."""
    computed = compute_metrics(np.zeros(5, int), np.full((5, 2), 0.5), np.zeros(5, int), n_resamples=10, seed=0)
    undefined = {name for name, interval in computed.items() if interval == Interval(None, None, None, 5)}
    assert undefined == {"precision", "recall", "f1", "roc_auc", "average_precision", "mcc"}
    assert computed["accuracy"] == wilson(1.0, 5, 5)


def test_resamples_without_the_class_are_left_out_of_the_interval():
    """With one positive row of three, resamples without it leave no NaN in an interval."""
    y_prob = np.array([[0.7, 0.3], [0.6, 0.4], [0.5, 0.5]])
    computed = compute_metrics(np.array([0, 0, 1]), y_prob, np.array([0, 0, 1]), n_resamples=50, seed=0)
    assert computed["recall"] == wilson(1.0, 1, 3)
    assert all(np.isfinite([i.value, i.low, i.high]).all() for i in computed.values())


@pytest.mark.parametrize(("hits", "value"), [(0, 0.0), (2, 1.0)])
def test_a_few_rows_that_are_all_right_or_wrong_are_not_certain(hits, value):
    """With 2 positive rows of 60, all or none found, recall has the interval of a share of 2 rows."""
    y_true = np.r_[np.ones(2, int), np.zeros(58, int)]
    y_pred = np.r_[np.ones(hits, int), np.zeros(60 - hits, int)]
    y_prob = np.eye(2)[y_pred] * 0.8 + 0.1
    computed = compute_metrics(y_true, y_prob, y_pred, n_resamples=50, seed=0)
    assert computed["recall"] == wilson(value, 2, 60)
    if hits:
        assert computed["accuracy"] == wilson(1.0, 60, 60)
        assert computed["mcc"].low == pytest.approx(2 * stats.binomtest(2, 2).proportion_ci(method="wilson").low - 1)


def test_a_constant_is_certain():
    """If every row has the same prediction, ROC AUC, balanced accuracy and MCC are known without an error."""
    y_true = np.r_[np.ones(20, int), np.zeros(40, int)]
    computed = compute_metrics(y_true, np.full((60, 2), 0.5), np.zeros(60, int), n_resamples=50, seed=0)
    for name, value in {"roc_auc": 0.5, "balanced_accuracy": 0.5, "mcc": 0.0}.items():
        assert computed[name] == Interval(value, value, value, 60)
    assert computed["precision"] == Interval(0.0, 0.0, 1.0, 60)


def test_classes_that_are_all_found_are_not_certain():
    """With three classes, means over the classes have the interval of the rarest one where they are 1."""
    y_true = np.repeat([0, 1, 2], [30, 20, 4])
    computed = compute_metrics(y_true, np.eye(3)[y_true], y_true, n_resamples=20, seed=0)
    for name in ("balanced_accuracy", "precision", "recall", "f1", "roc_auc", "average_precision"):
        assert computed[name] == wilson(1.0, 4, 54), name


def wilson(value, rows, n):
    """Return the score interval that SciPy computes."""
    ends = stats.binomtest(round(value * rows), rows).proportion_ci(method="wilson")
    return Interval(value, pytest.approx(ends.low), pytest.approx(ends.high), n)


def test_the_interval_of_accuracy_is_the_binomial_one():
    """The bootstrap interval of accuracy has the width and position of the binomial one."""
    y_true, y_prob = drawn(2000, n_classes=2, seed=2)
    accuracy = compute_metrics(y_true, y_prob, y_prob.argmax(axis=1), n_resamples=2000, seed=0)["accuracy"]
    low, high = stats.binom.interval(0.95, 2000, accuracy.value)
    assert (low / 2000, high / 2000) == pytest.approx((accuracy.low, accuracy.high), abs=0.002)


def test_the_interval_of_roc_auc_is_delongs():
    """The bootstrap interval of ROC AUC has the width and position of DeLong's (1988)."""
    y_true, y_prob = drawn(1000, n_classes=2, seed=3)
    roc_auc = compute_metrics(y_true, y_prob, y_prob.argmax(axis=1), n_resamples=2000, seed=0)["roc_auc"]
    value, error = delong(y_prob[y_true == 1, 1], y_prob[y_true == 0, 1])
    assert value == pytest.approx(roc_auc.value)
    assert (value - 1.96 * error, value + 1.96 * error) == pytest.approx((roc_auc.low, roc_auc.high), abs=0.003)


def test_the_interval_covers_the_truth_as_often_as_it_says():
    """Over 300 samples, the 95 % intervals of accuracy and ROC AUC cover the true value 92 to 98 times in 100."""
    shift = 1.0
    true_auc, true_accuracy = stats.norm.cdf(shift / np.sqrt(2)), stats.norm.cdf(shift / 2)
    generator = np.random.default_rng(4)
    covered = []
    for _ in range(300):
        y_true = (np.arange(300) < 150).astype(int)
        score = stats.norm.cdf(generator.normal(size=300) + shift * y_true - shift / 2)
        y_prob = np.stack([1 - score, score], axis=1)
        computed = compute_metrics(
            y_true, y_prob, (score >= 0.5).astype(int), n_resamples=300, seed=int(generator.integers(1e9))
        )
        truths = {"roc_auc": true_auc, "accuracy": true_accuracy}
        covered.append([computed[name].low <= truth <= computed[name].high for name, truth in truths.items()])
    assert np.mean(covered, axis=0) == pytest.approx([0.95, 0.95], abs=0.03)


def test_a_higher_confidence_gives_a_wider_interval():
    """The 99 % interval contains the 80 % interval."""
    y_true, y_prob = drawn(100, n_classes=2, seed=5)
    wide, narrow = (
        compute_metrics(y_true, y_prob, y_prob.argmax(axis=1), n_resamples=200, seed=0, confidence_level=level)["log_loss"]
        for level in (0.99, 0.8)
    )
    assert wide.low < narrow.low < narrow.value < narrow.high < wide.high


def test_the_same_seed_gives_the_same_intervals():
    """The same rows and seed give the same intervals; another seed gives others."""
    y_true, y_prob = drawn(100, n_classes=3, seed=6)
    y_pred = y_prob.argmax(axis=1)
    first, again, other = (compute_metrics(y_true, y_prob, y_pred, n_resamples=50, seed=seed) for seed in (7, 7, 8))
    assert first == again
    assert first != other


@pytest.mark.parametrize("n", [1, 7, 300_000])
def test_each_resample_draws_as_many_rows_as_there_are(n):
    """Each resample draws n rows with replacement, whatever the size of the chunks."""
    weights = list(resample_weights(n, 3, seed=0))
    assert sum(len(chunk) for chunk in weights) == 3
    assert all((chunk.sum(axis=1) == n).all() and (chunk >= 0).all() for chunk in weights)


def test_rows_are_drawn_equally_often():
    """Over many resamples, the weight of a row has the mean and variance of a multinomial draw: 1 and 1 - 1/n."""
    weights = np.concatenate(list(resample_weights(10, 20_000, seed=0)))
    assert weights.mean(axis=0) == pytest.approx(np.ones(10), abs=0.03)
    assert weights.var(axis=0) == pytest.approx(np.full(10, 0.9), abs=0.05)


def test_memory_stays_small_with_many_rows():
    """With 100,000 rows, the bootstrap needs less than 200 MB."""
    assert growth_bytes(metrics_of_many_rows) < 200e6


def metrics_of_many_rows():
    y_true, y_prob = drawn(100_000, n_classes=2, seed=7)
    compute_metrics(y_true, y_prob, y_prob.argmax(axis=1), n_resamples=10, seed=0)


def test_a_paired_difference_knows_that_the_rows_are_the_same():
    """Losses that differ by a constant have a difference without spread, positive if the first are lower."""
    losses = np.random.default_rng(0).random(100)
    difference = paired_difference(losses, losses + 0.25, seed=0)
    assert (0.25, 0.25, 0.25, 100) == pytest.approx((difference.value, difference.low, difference.high, difference.n))


def test_the_paired_interval_is_that_of_a_mean():
    """The interval of the difference of many rows is its mean with 1.96 standard errors."""
    generator = np.random.default_rng(1)
    losses, others = generator.exponential(size=(2, 2000))
    difference = paired_difference(losses, others, n_resamples=2000, seed=0)
    gain = others - losses
    error = 1.96 * gain.std() / np.sqrt(2000)
    assert (gain.mean() - error, gain.mean() + error) == pytest.approx((difference.low, difference.high), abs=0.005)


def test_a_weighted_paired_difference_is_a_weighted_mean():
    """With weights, the difference is the weighted mean; with all weight on one row, it has no spread."""
    losses, others, weight = np.random.default_rng(2).random((3, 50))
    difference = paired_difference(losses, others, weight=weight, n_resamples=200, seed=0)
    assert np.average(others - losses, weights=weight) == pytest.approx(difference.value)
    assert difference.low < difference.value < difference.high
    alone = paired_difference(losses, others, weight=(np.arange(50) == 7).astype(float), n_resamples=200, seed=0)
    assert [others[7] - losses[7]] * 3 == pytest.approx([alone.value, alone.low, alone.high])


def test_an_undefined_value_has_no_interval():
    """An undefined value and its limits are None, not NaN."""
    assert Interval(None, None, None, 4) == percentile_interval(np.nan, np.array([np.nan, 1.0]), n=4, confidence_level=0.95)


@pytest.mark.parametrize(
    ("y_true", "y_prob", "y_pred", "complaint"),
    [
        ([0, 1], [[0.5, 0.5]], [0], r"y_true must be integers of Shape \(1,\)"),
        ([2], [[0.5, 0.5]], [0], "y_true must be codes from 0 to 1, but is 2 to 2"),
        ([0], [[0.5, 0.5]], [-1], "y_pred must be codes from 0 to 1"),
        ([0.0], [[0.5, 0.5]], [0], "y_true must be integers"),
        ([0], [[np.nan, 0.5]], [0], "y_prob must hold probabilities"),
        ([0], [[0.9, 0.9]], [0], "y_prob must hold probabilities"),
        ([0], [[-0.5, 1.5]], [0], "y_prob must hold probabilities"),
        ([0], [[1.0]], [0], r"y_prob must have Shape \(n, K\)"),
        ([], np.empty((0, 2)), [], r"y_prob must have Shape \(n, K\)"),
    ],
)
def test_wrong_rows_are_refused(y_true, y_prob, y_pred, complaint):
    """Codes out of range, wrong shapes and invalid probabilities are refused."""
    with pytest.raises(ValueError, match=complaint):
        compute_metrics(np.array(y_true), np.array(y_prob), np.array(y_pred), n_resamples=2, seed=0)


def test_losses_of_other_rows_cannot_be_paired():
    """Losses of different numbers of rows are refused."""
    with pytest.raises(ValueError, match="both losses must have"):
        paired_difference(np.ones(3), np.ones(4), seed=0)


def test_the_metrics_cost_no_import_of_scikit_learn_or_torch():
    """Metrics, curves, groups and the verdict import neither scikit-learn nor torch; thresholds do not import SciPy either."""
    modules = ("metrics.metrics", "metrics.curves", "evaluation.groups", "evaluation.verdict")
    program = (
        "import sys, veritable.metrics.thresholds; print('scipy' in sys.modules); import "
        + ", ".join(f"veritable.{module}" for module in modules)
        + "; print([name for name in ('sklearn', 'torch') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n[]\n"


def drawn(n, *, n_classes, seed):
    """Draw rows whose probabilities are true: each class is drawn with its probability."""
    generator = np.random.default_rng(seed)
    y_prob = generator.dirichlet(np.ones(n_classes), size=n)
    y_true = (generator.random((n, 1)) > y_prob.cumsum(axis=1)).sum(axis=1).clip(max=n_classes - 1)
    return y_true, y_prob


def delong(positive, negative):
    """Compute ROC AUC and its standard error: DeLong, DeLong and Clarke-Pearson (1988)."""
    wins = (positive[:, None] > negative) + (positive[:, None] == negative) / 2
    variance = wins.mean(axis=1).var(ddof=1) / len(positive) + wins.mean(axis=0).var(ddof=1) / len(negative)
    return wins.mean(), np.sqrt(variance)
