"""The simple models: strong enough to be a test of the network, and the same every time."""

import numpy as np
import pytest

from veritable.errors import UserError
from veritable.evaluation.baselines import fit_baselines, predict_baselines
from veritable.evaluation.metrics import row_losses

NAMES = ["majority", "logistic_regression", "gradient_boosting"]


def drawn(n, *, n_classes=2, seed=0, levels=4):
    """Two numbers and a column of codes; the class hangs on the first number and, crosswise, on the code."""
    generator = np.random.default_rng(seed)
    numbers = generator.normal(size=(n, 2))
    codes = generator.integers(1, levels + 1, size=n)
    scores = numbers[:, :1] * np.arange(n_classes) + 2.0 * (codes[:, None] % n_classes == np.arange(n_classes))
    y = (scores + generator.gumbel(size=(n, n_classes))).argmax(axis=1)
    return np.column_stack([numbers, codes]).astype(np.float32), y


CATEGORICAL = np.array([False, False, True])


def fitted(X, y, *, n_classes=2, categorical=CATEGORICAL, seed=0, max_iter=60):
    return fit_baselines(X, y, n_classes=n_classes, categorical=categorical, seed=seed, max_iter=max_iter)


@pytest.mark.parametrize("n_classes", [2, 4])
def test_they_beat_the_majority_on_new_rows(n_classes):
    """On rows they have not seen, logistic regression and boosting have a lower log loss than the class shares."""
    X, y = drawn(1500, n_classes=n_classes)
    predicted = predict_baselines(fitted(X[:1000], y[:1000], n_classes=n_classes), X[1000:], n_classes=n_classes)
    assert NAMES == list(predicted)
    losses = {name: row_losses(y[1000:], y_prob)["log_loss"].mean() for name, y_prob in predicted.items()}
    assert losses["logistic_regression"] < losses["majority"] - 0.1
    assert losses["gradient_boosting"] < losses["majority"] - 0.1


def test_codes_are_categories_and_not_numbers():
    """A class that hangs on even and odd codes is learnt by logistic regression, which no line through numbers could."""
    codes = np.random.default_rng(0).integers(1, 9, size=400)
    X, y = codes[:, None].astype(np.float32), codes % 2
    predicted = predict_baselines(fitted(X, y, categorical=np.array([True])), X, n_classes=2)
    for name in ("logistic_regression", "gradient_boosting"):
        assert (predicted[name].argmax(axis=1) == y).all()


@pytest.mark.parametrize("categorical", [[False, False, False], [True, True, True]])
def test_columns_may_be_of_one_kind(categorical):
    """Numbers alone and categories alone are as good as both."""
    X, y = drawn(200)
    predicted = predict_baselines(fitted(X.round(), y, categorical=np.array(categorical)), X.round(), n_classes=2)
    assert all(y_prob.shape == (200, 2) for y_prob in predicted.values())


def test_a_column_of_many_categories_is_no_obstacle():
    """A column of more categories than boosting takes is fitted; categories never seen, and missing ones, are predicted."""
    X, y = drawn(900, levels=600)
    models = fitted(X, y)
    unseen = X[:3].copy()
    unseen[:, 2] = [0, 601, 10_000]
    assert all(np.isfinite(y_prob).all() for y_prob in predict_baselines(models, unseen, n_classes=2).values())


@pytest.mark.parametrize("absent", [0, 1, 3])
def test_a_class_absent_from_training_has_a_column_of_zeros(absent):
    """A class that the training part lacks has probability 0, the other classes their own columns, summing to 1."""
    X, y = drawn(400, n_classes=4)
    kept = y != absent
    for y_prob in predict_baselines(fitted(X[kept], y[kept], n_classes=4), X, n_classes=4).values():
        assert y_prob.shape == (400, 4)
        assert (y_prob[:, absent] == 0).all()
        np.testing.assert_allclose(y_prob.sum(axis=1), 1)


def test_a_class_of_one_row_ruins_nothing():
    """With one row of a third class, every model is fitted and boosting still beats the class shares."""
    X, y = drawn(1500)
    y[0] = 2
    predicted = predict_baselines(fitted(X[:1000], y[:1000], n_classes=3), X[1000:], n_classes=3)
    losses = {name: row_losses(y[1000:], y_prob)["log_loss"].mean() for name, y_prob in predicted.items()}
    assert losses["gradient_boosting"] < losses["majority"]


@pytest.mark.parametrize("n", [4, 12])
def test_a_handful_of_rows_is_enough(n):
    """Four rows are fitted without complaint."""
    X = np.arange(n, dtype=np.float32)[:, None]
    predicted = predict_baselines(fitted(X, np.arange(n) % 2, categorical=np.array([False])), X, n_classes=2)
    assert all(np.isfinite(y_prob).all() for y_prob in predicted.values())


def test_the_same_seed_gives_the_same_models():
    """The same rows and seed give the same probabilities, bit by bit; another seed holds out other rows."""
    X, y = drawn(1000)
    first, again, other = (predict_baselines(fitted(X, y, seed=seed), X, n_classes=2) for seed in (1, 1, 2))
    for name in NAMES:
        assert np.array_equal(first[name], again[name])
    assert not np.array_equal(first["gradient_boosting"], other["gradient_boosting"])


def test_boosting_stops_before_it_has_learnt_the_noise():
    """Where there is nothing to learn, boosting stops after a few of its rounds."""
    generator = np.random.default_rng(0)
    X, y = generator.normal(size=(600, 3)), generator.integers(0, 2, size=600)
    models = fitted(X, y, categorical=np.zeros(3, bool))
    assert models["gradient_boosting"].n_iter_ < 20


def test_the_number_of_rounds_can_be_limited():
    """No more rounds are made than allowed."""
    X, y = drawn(1000)
    assert fitted(X, y, max_iter=3)["gradient_boosting"].n_iter_ <= 3


def test_one_class_is_nothing_to_tell_apart():
    """A training part with one class only is an error that a person can mend."""
    with pytest.raises(UserError, match=r"must have at least two classes .*, however it has 1 \(20 rows\)"):
        fitted(np.zeros((20, 3)), np.ones(20, int))


def test_shapes_must_match():
    """A mask that does not fit the columns is refused."""
    with pytest.raises(ValueError, match="must have Shape"):
        fitted(np.zeros((20, 2)), np.arange(20) % 2)
