"""The baselines are strong enough to challenge the classifier, and reproducible."""

import numpy as np
import pytest

from veritable.errors import UserError
from veritable.evaluation.baselines import fit_baselines, stratified_sample
from veritable.metrics.losses import log_losses

NAMES = ["majority", "logistic_regression", "explainable_boosting", "gradient_boosting"]


def drawn(n, *, n_classes=2, seed=0, levels=4):
    """Make two numeric columns and a column of codes; the class depends on the first number and on the parity of the code."""
    generator = np.random.default_rng(seed)
    numbers = generator.normal(size=(n, 2))
    codes = generator.integers(1, levels + 1, size=n)
    scores = numbers[:, :1] * np.arange(n_classes) + 2.0 * (codes[:, None] % n_classes == np.arange(n_classes))
    y = (scores + generator.gumbel(size=(n, n_classes))).argmax(axis=1)
    return np.column_stack([numbers, codes]).astype(np.float32), y


CATEGORICAL = np.array([False, False, True])


def fitted(X, y, *, n_classes=2, categorical=CATEGORICAL, seed=0, max_iter=60, **rest):
    return fit_baselines(X, y, n_classes=n_classes, categorical=categorical, seed=seed, max_iter=max_iter, **rest)


def predict(baselines, X):
    """Return the probabilities of each model."""
    return {name: baselines.predict(name, X) for name in baselines.models}


@pytest.mark.parametrize("n_classes", [2, 4])
def test_they_beat_the_majority_on_new_rows(n_classes):
    """On new rows, logistic regression and boosting have a lower log loss than the class shares."""
    X, y = drawn(1500, n_classes=n_classes)
    predicted = predict(fitted(X[:1000], y[:1000], n_classes=n_classes), X[1000:])
    assert NAMES == list(predicted)
    losses = {name: log_losses(y[1000:], y_prob).mean() for name, y_prob in predicted.items()}
    assert losses["logistic_regression"] < losses["majority"] - 0.1
    assert losses["gradient_boosting"] < losses["majority"] - 0.1


def test_codes_are_categories_and_not_numbers():
    """Logistic regression treats codes as categories: it learns a class that depends on whether the code is even."""
    codes = np.random.default_rng(0).integers(1, 9, size=400)
    X, y = codes[:, None].astype(np.float32), codes % 2
    predicted = predict(fitted(X, y, categorical=np.array([True])), X)
    for name in ("logistic_regression", "gradient_boosting"):
        assert (predicted[name].argmax(axis=1) == y).all()


@pytest.mark.parametrize("categorical", [[False, False, False], [True, True, True]])
def test_columns_may_be_of_one_kind(categorical):
    """Tables with only numbers and tables with only categories can be fitted."""
    X, y = drawn(200)
    predicted = predict(fitted(X.round(), y, categorical=np.array(categorical)), X.round())
    assert all(y_prob.shape == (200, 2) for y_prob in predicted.values())


def test_a_column_of_many_categories_is_no_obstacle():
    """A column with more categories than boosting supports can be fitted, and unseen and missing categories predicted."""
    X, y = drawn(900, levels=600)
    models = fitted(X, y)
    unseen = X[:3].copy()
    unseen[:, 2] = [0, 601, 10_000]
    assert all(np.isfinite(y_prob).all() for y_prob in predict(models, unseen).values())


@pytest.mark.parametrize("absent", [[0], [1], [3], [0, 2]])
def test_a_class_absent_from_training_is_improbable_and_possible(absent):
    """A class without train rows is as probable as one additional row would make it; all probabilities sum to 1."""
    X, y = drawn(400, n_classes=4)
    kept = ~np.isin(y, absent)
    for y_prob in predict(fitted(X[kept], y[kept], n_classes=4), X).values():
        assert y_prob.shape == (400, 4)
        assert y_prob[:, absent] == pytest.approx(np.full((400, len(absent)), 1 / (kept.sum() + len(absent))))
        np.testing.assert_allclose(y_prob.sum(axis=1), 1)
        assert log_losses(y, y_prob).max() < 20


def test_a_class_of_one_row_ruins_nothing():
    """With a third class of one row, all models are fitted and boosting still beats the class shares."""
    X, y = drawn(1500)
    y[0] = 2
    predicted = predict(fitted(X[:1000], y[:1000], n_classes=3), X[1000:])
    losses = {name: log_losses(y[1000:], y_prob).mean() for name, y_prob in predicted.items()}
    assert losses["gradient_boosting"] < losses["majority"]


@pytest.mark.parametrize("n", [4, 12])
def test_a_handful_of_rows_is_enough(n):
    """Four rows can be fitted."""
    X = np.arange(n, dtype=np.float32)[:, None]
    predicted = predict(fitted(X, np.arange(n) % 2, categorical=np.array([False])), X)
    assert all(np.isfinite(y_prob).all() for y_prob in predicted.values())


def test_the_same_seed_gives_the_same_models():
    """The same rows and seed give the same bits; another seed holds out other rows."""
    X, y = drawn(1000)
    first, again, other = (predict(fitted(X, y, seed=seed), X) for seed in (1, 1, 2))
    for name in NAMES:
        assert np.array_equal(first[name], again[name])
    assert not np.array_equal(first["gradient_boosting"], other["gradient_boosting"])


def test_boosting_stops_before_it_has_learnt_the_noise():
    """If there is nothing to learn, boosting stops after a few rounds."""
    generator = np.random.default_rng(0)
    X, y = generator.normal(size=(600, 3)), generator.integers(0, 2, size=600)
    models = fitted(X, y, categorical=np.zeros(3, bool))
    assert models.models["gradient_boosting"].n_iter_ < 20


def test_the_number_of_rounds_can_be_limited():
    """Boosting makes no more rounds than allowed."""
    X, y = drawn(1000)
    assert fitted(X, y, max_iter=3).models["gradient_boosting"].n_iter_ <= 3


def test_one_class_is_nothing_to_tell_apart():
    """A train part with a single class is a UserError."""
    with pytest.raises(UserError, match=r"must have at least two classes, but has 1 \(20 rows\)"):
        fitted(np.zeros((20, 3)), np.ones(20, int))


def test_shapes_must_match():
    """A mask with another number of columns is an error."""
    with pytest.raises(ValueError, match="must have the shapes"):
        fitted(np.zeros((20, 2)), np.arange(20) % 2)


@pytest.mark.slow
def test_a_weight_of_two_is_a_row_twice():
    """Integer weights give about the predictions of repeated rows, and a row of weight 0 does not count."""
    X, y = drawn(3000)
    weight = np.random.default_rng(1).integers(0, 2, size=3000) * np.where(y == 1, 4, 1)
    weighted = fitted(X, y, weight=weight)
    assert ((weight > 0).sum(),) * 2 == (weighted.rows, weighted.total_rows)
    one, two = predict(weighted, X), predict(fitted(X.repeat(weight, axis=0), y.repeat(weight)), X)
    assert one["majority"] == pytest.approx(two["majority"])
    # not the same: a penalty is set against weights of 1 on average
    assert one["logistic_regression"] == pytest.approx(two["logistic_regression"], abs=0.03)
    plain = predict(fitted(X, y), X)
    assert all(np.abs(one[name] - plain[name]).mean() > 0.1 for name in NAMES)


def test_weights_of_one_are_no_weights():
    """Equal weights of any size give the predictions without weights."""
    X, y = drawn(300, n_classes=3)
    plain, weighted = predict(fitted(X, y, n_classes=3), X), predict(fitted(X, y, n_classes=3, weight=np.full(300, 7.0)), X)
    for name in NAMES:
        np.testing.assert_allclose(plain[name], weighted[name], atol=1e-6)


def test_boosting_heeds_weights():
    """If rows with low weights contradict rows with high weights, boosting follows the high weights."""
    X = np.random.default_rng(0).normal(size=(600, 1))
    heavy = np.arange(600) % 3 == 0
    y = ((X[:, 0] > 0) == heavy).astype(int)
    weight = np.where(heavy, 100.0, 1.0)
    y_prob = fitted(X, y, categorical=np.array([False]), weight=weight).predict("gradient_boosting", X)
    assert (y_prob.argmax(axis=1) == (X[:, 0] > 0)).mean() > 0.95


def test_no_weight_at_all_is_refused():
    """Weights that are all 0 are an error that names the param."""
    X, y = drawn(50)
    with pytest.raises(UserError, match=r"must be .* not all 0.*Check the column data\.weight"):
        fitted(X, y, weight=np.zeros(50))


def test_a_sample_has_the_shares_of_the_classes():
    """A sample of a tenth has a tenth of each class, at least one row of each, and no row twice; it depends on the seed."""
    y = np.random.default_rng(0).permutation(np.repeat([0, 1, 2, 3], [700, 290, 9, 1]))
    rows = stratified_sample(y, 100, seed=1)
    assert [70, 29, 1, 1] == pytest.approx(np.bincount(y[rows]).tolist(), abs=1)
    assert np.bincount(y[rows]).min() == 1
    assert 100 == len(np.unique(rows))
    assert rows.tolist() == stratified_sample(y, 100, seed=1).tolist() == sorted(rows)
    assert rows.tolist() != stratified_sample(y, 100, seed=2).tolist()


def test_few_rows_are_fitted_where_few_are_allowed():
    """Models are fitted on at most max_rows rows; the class shares are computed from all rows."""
    X, y = drawn(1000)
    few, all_rows, enough = (fitted(X, y, max_rows=most) for most in (200, None, 1000))
    assert [(200, 1000), (1000, 1000), (1000, 1000)] == [(each.rows, each.total_rows) for each in (few, all_rows, enough)]
    one, two, three = (predict(each, X) for each in (few, all_rows, enough))
    assert np.array_equal(one["majority"], two["majority"])
    assert not np.array_equal(one["logistic_regression"], two["logistic_regression"])
    for name in NAMES:
        assert np.array_equal(two[name], three[name])


def test_rounds_are_fewer_with_many_classes():
    """With forty classes boosting makes at most 50 larger rounds; with more than a hundred it is omitted."""
    X, _ = drawn(1200)
    boosted = fitted(X, np.arange(1200) % 40, n_classes=40, max_iter=500).models["gradient_boosting"]
    assert boosted.n_iter_ <= 50
    assert 10 / 50 == pytest.approx(boosted.learning_rate)
    many = np.arange(1200) % 101
    assert ["majority", "logistic_regression"] == list(fitted(X, many, n_classes=101).models)


def test_predictions_in_blocks_are_those_at_once(monkeypatch):
    """The probabilities do not depend on how many rows are predicted at once."""
    X, y = drawn(100, n_classes=3)
    models = fitted(X, y, n_classes=3)
    at_once = predict(models, X)
    monkeypatch.setattr("veritable.evaluation.baselines._CELLS_PER_BATCH", 20)
    for name, y_prob in predict(models, X).items():
        np.testing.assert_allclose(at_once[name], y_prob, rtol=1e-12)
