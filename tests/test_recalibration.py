"""The correction of probabilities by a line in log-odds."""

import numpy as np
import pytest
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from veritable.metrics.recalibration import recalibrate


def drawn(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return labels and probabilities that are too confident and shifted."""
    generator = np.random.default_rng(0)
    z = generator.normal(size=n)
    return (generator.random(n) < expit(z)).astype(float), expit(2 * z + 1)


def test_many_rows_give_the_line_of_logistic_regression() -> None:
    """With 50,000 rows, the probabilities are those of scikit-learn's logistic regression on the log-odds."""
    y, p = drawn(50_000)
    fitted = LogisticRegression(C=np.inf).fit(logit(p)[:, None], y).predict_proba(logit(p)[:, None])[:, 1]
    np.testing.assert_allclose(fitted, recalibrate(p, y[None], 1 - y[None])[0], atol=2e-3)


def test_without_rows_probabilities_stay() -> None:
    """Scores without any rows keep their probabilities."""
    p = np.array([0.01, 0.3, 0.9])
    np.testing.assert_allclose(p, recalibrate(p, np.zeros((1, 3)), np.zeros((1, 3)))[0])


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_one_class_alone_gives_probabilities(label: float) -> None:
    """With one class only, and certain scores, the probabilities stay finite, ordered, and move towards that class."""
    p = np.array([0.0, 0.5, 1.0])
    positive = np.full((1, 3), label)
    (found,) = recalibrate(p, positive, 1 - positive)
    assert np.isfinite(found).all()
    assert (np.diff(found) >= 0).all()
    assert (found[1] > 0.5) == bool(label)


def test_samples_do_not_depend_on_each_other() -> None:
    """Two samples at once have the probabilities that each has alone, up to rounding."""
    y, p = drawn(300)
    both = recalibrate(p, np.stack([y, 1 - y]), np.stack([1 - y, y]))
    np.testing.assert_allclose(recalibrate(p, y[None], 1 - y[None])[0], both[0], atol=1e-8)
