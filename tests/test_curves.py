"""The curves compared with scikit-learn: small, finite, and always with the same columns."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sk

from veritable.metrics.curves import (
    calibration_frame,
    confusion_frame,
    gain_frame,
    pr_curve_frame,
    roc_curve_frame,
    score_histogram_frame,
    threshold_frame,
)

CURVES = {"roc": roc_curve_frame, "pr": pr_curve_frame, "calibration": calibration_frame, "gain": gain_frame}


def drawn(n, n_classes, *, seed=0, decimals=15):
    generator = np.random.default_rng(seed)
    y_prob = generator.dirichlet(np.ones(n_classes), size=n)
    y_true = (generator.random((n, 1)) > y_prob.cumsum(axis=1)).sum(axis=1).clip(max=n_classes - 1)
    positive = y_prob[:, 1:].round(decimals)
    return y_true, np.column_stack([1 - positive.sum(axis=1), positive]).clip(0, 1)


def names(n_classes):
    return [f"class {code}" for code in range(n_classes)]


@pytest.mark.parametrize("curve", CURVES)
@pytest.mark.parametrize(("n", "n_classes"), [(3, 2), (50, 3), (20_000, 2), (3000, 4)])
def test_curves_are_finite_and_small(curve, n, n_classes):
    """Every number of a curve is finite and valid JSON, and no class has more than 200 points."""
    frame = CURVES[curve](*drawn(n, n_classes), names(n_classes))
    json.dumps(frame.to_dict("records"), allow_nan=False)
    assert np.isfinite(frame.drop(columns="class").to_numpy(dtype=float)).all()
    assert frame.groupby("class").size().max() <= 200
    assert set(names(n_classes)[1:] if n_classes == 2 else names(n_classes)) == set(frame["class"])


@pytest.mark.parametrize("n", [30, 5000])
@pytest.mark.parametrize("decimals", [1, 15])
def test_the_roc_curve_keeps_its_shape(n, decimals):
    """The thinned ROC curve runs from (0, 0) to (1, 1), never falls, and deviates from the full curve by at most 1 %."""
    y_true, y_prob = drawn(n, 2, decimals=decimals)
    frame = roc_curve_frame(y_true, y_prob, names(2))
    assert [[0, 0], [1, 1]] == frame[["fpr", "tpr"]].iloc[[0, -1]].to_numpy().tolist()
    assert frame["fpr"].is_monotonic_increasing
    assert frame["tpr"].is_monotonic_increasing
    assert (frame["threshold"].diff().iloc[1:] < 0).all()
    fpr, tpr, thresholds = sk.roc_curve(y_true, y_prob[:, 1], drop_intermediate=False)
    whole = pd.DataFrame({"fpr": fpr[1:], "tpr": tpr[1:]}, index=thresholds[1:])
    np.testing.assert_allclose(frame[["fpr", "tpr"]].iloc[1:], whole.loc[frame["threshold"].iloc[1:]])
    nearest = np.abs(whole.to_numpy()[:, None] - frame[["fpr", "tpr"]].to_numpy()).sum(axis=2).min(axis=1)
    assert nearest.max() <= 0.01 + 1e-9
    assert sk.roc_auc_score(y_true, y_prob[:, 1]) == pytest.approx(sk.auc(frame["fpr"], frame["tpr"]), abs=0.002)


def test_the_roc_curve_begins_above_every_score():
    """At the first threshold no row is predicted positive, even if a score is 1."""
    y_prob = np.array([[0.0, 1.0], [0.5, 0.5]])
    first = roc_curve_frame(np.array([1, 0]), y_prob, names(2)).iloc[0]
    assert (0, 0) == (first["fpr"], first["tpr"])
    assert not (y_prob[:, 1] >= first["threshold"]).any()


@pytest.mark.parametrize("n", [30, 5000])
def test_the_pr_curve_is_scikit_learns(n):
    """Every point of the precision-recall curve is one of scikit-learn's; recall ascends to 1."""
    y_true, y_prob = drawn(n, 2, decimals=3)
    frame = pr_curve_frame(y_true, y_prob, names(2))
    precision, recall, thresholds = sk.precision_recall_curve(y_true, y_prob[:, 1])
    whole = pd.DataFrame({"recall": recall[:-1], "precision": precision[:-1]}, index=thresholds)
    np.testing.assert_allclose(frame[["recall", "precision"]], whole.loc[frame["threshold"]])
    assert frame["recall"].is_monotonic_increasing
    assert frame["recall"].iloc[-1] == 1
    assert (frame["threshold"].diff().iloc[1:] < 0).all()


def test_more_classes_have_a_curve_each_against_the_rest():
    """With three classes, the curve of a class is that of the class against the rest."""
    y_true, y_prob = drawn(100, 3)
    frame = roc_curve_frame(y_true, y_prob, names(3))
    for code, name in enumerate(names(3)):
        one = frame[frame["class"] == name]
        assert sk.roc_auc_score(y_true == code, y_prob[:, code]) == pytest.approx(sk.auc(one["fpr"], one["tpr"]), abs=0.005)


@pytest.mark.parametrize("curve", ["roc", "pr", "gain"])
def test_a_class_without_rows_has_no_curve(curve):
    """A class without a row is excluded from the ROC and PR curves; the others have curves."""
    y_true, y_prob = drawn(60, 3)
    y_true[y_true == 1] = 2
    assert {"class 0", "class 2"} == set(CURVES[curve](y_true, y_prob, names(3))["class"])


@pytest.mark.parametrize("curve", ["roc", "pr", "gain"])
def test_without_a_positive_row_a_frame_is_empty_with_its_columns(curve):
    """With negative rows only, the frames are empty and have their columns."""
    y_true, y_prob = drawn(20, 2)
    frame = CURVES[curve](np.zeros_like(y_true), y_prob, names(2))
    assert frame.empty
    assert list(CURVES[curve](y_true, y_prob, names(2)).columns) == list(frame.columns)
    thresholds = threshold_frame(np.zeros_like(y_true), y_prob)
    assert thresholds.empty
    assert ["threshold", "precision", "recall", "f1", "tp", "fp", "fn", "tn"] == list(thresholds.columns)


def test_calibration_bins_hold_the_same_number_of_rows():
    """With 1,000 distinct probabilities, each of ten bins holds a hundred rows, and the means are those of its rows."""
    y_true, y_prob = drawn(1000, 2)
    frame = calibration_frame(y_true, y_prob, names(2))
    assert [100] * 10 == frame["rows"].tolist()
    assert frame["predicted"].is_monotonic_increasing
    assert np.average(y_prob[:, 1]) == pytest.approx(np.average(frame["predicted"]))
    assert y_true.mean() == pytest.approx(frame["observed"].mean())
    assert ((frame["low"] < frame["observed"]) & (frame["observed"] < frame["high"])).all()


def test_rows_of_equal_probability_share_a_calibration_bin():
    """With two distinct probabilities there are two bins."""
    y_prob = np.array([[0.8, 0.2]] * 30 + [[0.3, 0.7]] * 10)
    y_true = np.array([0, 1, 0] * 10 + [1] * 10)
    frame = calibration_frame(y_true, y_prob, names(2))
    assert [30, 10] == frame["rows"].tolist()
    assert [0.2, 0.7] == pytest.approx(frame["predicted"].tolist())
    assert [1 / 3, 1.0] == pytest.approx(frame["observed"].tolist())


def test_gain_and_lift_are_those_of_the_rows_with_the_highest_scores():
    """At every point, the flagged rows have at least the threshold, and lift is precision over the share of the class."""
    y_true, y_prob = drawn(80, 2, decimals=2)
    frame = gain_frame(y_true, y_prob, names(2))
    for line in frame.itertuples():
        flagged = y_prob[:, 1] >= line.threshold
        assert (flagged.mean(), y_true[flagged].sum() / y_true.sum()) == pytest.approx((line.flagged, line.found))
        assert sk.precision_score(y_true, flagged) / y_true.mean() == pytest.approx(line.lift)
    assert (1, 1, 1) == tuple(frame.iloc[-1][["flagged", "found", "lift"]])


def test_the_histogram_counts_every_row_once():
    """Twenty bins of equal width count all rows and those of the class; a probability on an end is in the bin above it."""
    score = np.array([0.0, 0.01, 0.05, 0.15, 0.3, 0.999, 1.0])
    frame = score_histogram_frame(np.array([0, 1, 1, 0, 0, 1, 1]), np.column_stack([1 - score, score]), names(2))
    assert {0: 2, 1: 1, 3: 1, 6: 1, 19: 2} == frame["rows"][frame["rows"] > 0].to_dict()
    assert {0: 1, 1: 1, 19: 2} == frame["class_rows"][frame["class_rows"] > 0].to_dict()
    assert (0.0, 0.05, 1.0) == (frame["low"][0], frame["high"][0], frame["high"].iloc[-1])


def test_the_confusion_matrix_counts_every_pair_of_classes():
    """The confusion matrix has a row for every pair of classes, and counts as scikit-learn does."""
    y_true, y_pred = np.array([0, 1, 1, 2, 2, 2]), np.array([0, 1, 0, 2, 2, 0])
    frame = confusion_frame(y_true, y_pred, ["a", "b", "c"])
    matrix = frame.pivot_table(index="actual", columns="predicted", values="rows")
    assert sk.confusion_matrix(y_true, y_pred).tolist() == matrix.to_numpy().tolist()
    assert ["a", "a", "a", "b", "b", "b", "c", "c", "c"] == frame["actual"].tolist()


def test_the_threshold_frame_says_what_each_threshold_would_give():
    """Precision, recall and F1 at each threshold are those of scikit-learn."""
    y_true, y_prob = drawn(3000, 2)
    frame = threshold_frame(y_true, y_prob)
    assert len(frame) <= 200
    assert frame["threshold"].is_monotonic_increasing
    assert frame["recall"].is_monotonic_decreasing
    for line in frame.iloc[::20].itertuples():
        y_pred = y_prob[:, 1] >= line.threshold
        assert sk.precision_score(y_true, y_pred) == pytest.approx(line.precision)
        assert sk.recall_score(y_true, y_pred) == pytest.approx(line.recall)
        assert sk.f1_score(y_true, y_pred) == pytest.approx(line.f1)
        counted = sk.confusion_matrix(y_true, y_pred).ravel() / len(y_true)
        assert counted == pytest.approx([line.tn, line.fp, line.fn, line.tp])


def test_the_threshold_frame_has_costs():
    """With costs, the cost of 1,000 rows is the weighted mean of the costs of the rows; ends agree with empty frames."""
    y_true, y_prob = drawn(500, 2)
    costs, weight = np.array([[-1.0, 2.0], [7.0, 0.5]]), np.random.default_rng(1).random(500)
    frame = threshold_frame(y_true, y_prob, weight, costs)
    for line in frame.iloc[::20].itertuples():
        y_pred = (y_prob[:, 1] >= line.threshold).astype(int)
        assert 1000 * np.average(costs[y_true, y_pred], weights=weight) == pytest.approx(line.cost)
    assert list(frame.columns) == list(threshold_frame(np.zeros_like(y_true), y_prob, None, costs).columns)


def test_wrong_arguments_are_refused():
    """Wrong numbers of class names, and thresholds of three classes, are refused."""
    with pytest.raises(ValueError, match="classes must have 3 names, one per column of y_prob, but has 2"):
        roc_curve_frame(*drawn(10, 3), names(2))
    with pytest.raises(ValueError, match="y_prob must have 2 columns"):
        threshold_frame(*drawn(10, 3))
    with pytest.raises(ValueError, match="y_pred must be codes from 0 to 1"):
        confusion_frame(np.array([0, 1]), np.array([0, 2]), names(2))


def weighted(n, n_classes, *, decimals=15):
    """Return rows with weights, a third of them 0."""
    draw = np.random.default_rng(1)
    return (*drawn(n, n_classes, decimals=decimals), draw.exponential(size=n) * (draw.random(n) > 1 / 3))


@pytest.mark.parametrize("decimals", [1, 15])
def test_weighted_curves_are_scikit_learns(decimals):
    """Every point of the ROC and PR curves and of the threshold frame is that of scikit-learn with sample_weight."""
    y_true, y_prob, weight = weighted(60, 2, decimals=decimals)
    kept = weight > 0
    y, score, w = y_true[kept], y_prob[kept, 1], weight[kept]
    fpr, tpr, thresholds = sk.roc_curve(y, score, sample_weight=w, drop_intermediate=False)
    roc = roc_curve_frame(y_true, y_prob, names(2), weight)
    np.testing.assert_allclose(roc[["fpr", "tpr"]], np.column_stack([fpr, tpr]), atol=1e-12)
    assert thresholds[1:].tolist() == roc["threshold"].tolist()[1:]
    precision, recall, thresholds = sk.precision_recall_curve(y, score, sample_weight=w)
    pr = pr_curve_frame(y_true, y_prob, names(2), weight)
    np.testing.assert_allclose(pr[["recall", "precision"]], np.column_stack([recall, precision])[-2::-1], atol=1e-12)
    swept = threshold_frame(y_true, y_prob, weight)
    for line in swept.itertuples():
        expected = sk.f1_score(y, score >= line.threshold, sample_weight=w)
        assert expected == pytest.approx(line.f1)


def test_weighted_calibration_means_are_weighted():
    """Bins of a weighted calibration curve hold about the same number of rows; means are weighted, and intervals wider."""
    y_true, y_prob, weight = weighted(900, 2)
    frame = calibration_frame(y_true, y_prob, names(2), weight)
    kept = weight > 0
    assert kept.sum() == frame["rows"].sum()
    assert 1 >= np.ptp(frame["rows"])
    first = np.flatnonzero(kept)[np.argsort(y_prob[kept, 1])[: frame["rows"][0]]]
    assert np.average(y_prob[first, 1], weights=weight[first]) == pytest.approx(frame["predicted"][0])
    assert np.average(y_true[first] == 1, weights=weight[first]) == pytest.approx(frame["observed"][0])
    plain = calibration_frame(y_true[kept], y_prob[kept], names(2))
    assert (frame["high"] - frame["low"]).mean() > 1.2 * (plain["high"] - plain["low"]).mean()


@pytest.mark.parametrize("n_classes", [2, 4])
def test_weights_of_one_draw_the_same_curves(n_classes):
    """Weights of 1 change no bit of a curve."""
    y_true, y_prob = drawn(300, n_classes, decimals=2)
    for curve in CURVES.values():
        plain, ones = (curve(y_true, y_prob, names(n_classes), weight) for weight in (None, np.ones(300)))
        pd.testing.assert_frame_equal(plain, ones, check_exact=True)


def test_of_a_thousand_classes_the_commonest_are_drawn():
    """Of 1,000 classes, the 30 most frequent have curves."""
    draw = np.random.default_rng(0)
    y_true = np.r_[draw.integers(500, 530, 3000), draw.integers(0, 1000, 1000)]
    y_prob = draw.dirichlet(np.ones(1000), size=4000)
    expected = [f"class {code}" for code in range(500, 530)]
    for curve in CURVES.values():
        frame = curve(y_true, y_prob, names(1000))
        assert expected == list(frame["class"].unique())


def test_of_a_thousand_classes_the_commonest_are_counted_apart():
    """In the confusion matrix of 1,000 classes, the 100 most frequent have rows of their own, and every row is counted."""
    draw = np.random.default_rng(0)
    y_true = np.r_[draw.integers(500, 600, 9000), draw.integers(0, 1000, 1000)]
    y_pred = draw.permutation(y_true)
    frame = confusion_frame(y_true, y_pred, names(1000))
    assert 101**2 == len(frame)
    assert [*(f"class {code}" for code in range(500, 600)), "(900 others)"] == list(frame["actual"].unique())
    matrix, own = frame["rows"].to_numpy().reshape(101, 101), np.bincount(y_true)[500:600]
    assert [*own, 10_000 - own.sum()] == matrix.sum(axis=1).tolist()
    assert ((y_true < 500) | (y_true > 599))[(y_pred < 500) | (y_pred > 599)].sum() == matrix[-1, -1]


def test_classes_of_equally_many_rows_are_drawn_in_order():
    """Of 120 equally frequent classes, the first hundred have rows of their own in the confusion matrix."""
    frame = confusion_frame(np.arange(240) % 120, np.arange(240) % 120, names(120))
    assert [f"class {code}" for code in range(100)] == frame["actual"].unique().tolist()[:-1]
