"""`veritable.load` returns a classifier that works with scikit-learn's tools."""

from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from sklearn.base import clone, is_classifier
from sklearn.calibration import CalibrationDisplay
from sklearn.inspection import permutation_importance
from sklearn.metrics import get_scorer, log_loss
from sklearn.utils.validation import check_is_fitted

import veritable
from tests.rooms import mixed_table, prepare_frame
from tests.test_classifier import KINDS, classifier
from tests.training import untrained
from veritable.errors import UserError
from veritable.serving.estimator import TableClassifier

mpl.use("agg")


def loaded(tmp_path: Path, classes: int = 2, kind: str = "mlp") -> TableClassifier:
    classifier(classes, kind=kind).save(tmp_path / "classifier")
    model = veritable.load(tmp_path / "classifier")
    assert isinstance(model, TableClassifier)
    return model


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("classes", [2, 5])
def test_predicts_what_the_classifier_predicts(tmp_path: Path, classes: int, kind: str) -> None:
    """Probabilities, labels and classes_ agree with the classifier."""
    model, rows = loaded(tmp_path, classes, kind), mixed_table(100, classes)
    expected = classifier(classes, kind=kind).predict_proba(rows)
    assert [f"class {i}" for i in range(classes)] == model.classes_.tolist()
    np.testing.assert_array_equal(expected, model.predict_proba(rows))
    codes = (expected[:, 1] >= 0.4).astype(int) if classes == 2 else expected.argmax(axis=1)
    assert [f"class {code}" for code in codes] == model.predict(rows).tolist()


def test_scikit_learns_tools_take_it(tmp_path: Path) -> None:
    """permutation_importance, CalibrationDisplay and scorers accept it as a fitted classifier, and it can be cloned."""
    model, rows = loaded(tmp_path), mixed_table(200)
    X, y = rows.drop(columns="target"), rows["target"]
    check_is_fitted(model)
    assert is_classifier(model)
    importances = permutation_importance(model, X, y, scoring="roc_auc", n_repeats=2, random_state=0).importances_mean
    assert (4,) == importances.shape
    assert np.abs(importances).max() > 0
    display = CalibrationDisplay.from_estimator(model, X, y, n_bins=5)
    np.testing.assert_array_equal(model.predict_proba(X)[:, 1], display.y_prob)
    assert -log_loss(y, model.predict_proba(X)) == pytest.approx(get_scorer("neg_log_loss")(model, X, y))
    np.testing.assert_array_equal(model.predict(X), clone(model).predict(X))


@pytest.mark.parametrize(
    ("labels", "kind"), [([0, 1], "i"), ([0.5, 1.5], "f"), ([True, False], "b"), (["b", "a"], "O"), (["01", "1x"], "O")]
)
def test_labels_are_those_of_the_table(tmp_path: Path, labels: list[object], kind: str) -> None:
    """Labels are sorted numbers, booleans or texts, as pandas reads them, whichever class is the positive one."""
    for positive in labels:
        frame = mixed_table(120).assign(target=labels * 60)
        text = str(positive).lower() if kind == "b" else str(positive)
        done = prepare_frame(frame, positive=text)
        model = untrained(done)
        folder = tmp_path / text
        model.save(folder)
        estimator = veritable.load(folder)
        assert sorted(labels, key=str) == estimator.classes_.tolist()
        assert kind == estimator.classes_.dtype.kind
        assert set(estimator.predict(frame).tolist()) <= set(labels)
        column = estimator.classes_.tolist().index(positive)
        np.testing.assert_array_equal(model.predict_proba(frame)[:, 1], estimator.predict_proba(frame)[:, column])
        predicted = estimator.predict(frame) == positive
        np.testing.assert_array_equal(model.predict_proba(frame)[:, 1] >= 0.5, predicted)


def test_it_cannot_be_fitted(tmp_path: Path) -> None:
    """Fitting it is an error that says how to train a new classifier."""
    with pytest.raises(UserError, match=r"cannot be fitted again\. Train a new one with `dvc repro`"):
        loaded(tmp_path).fit(mixed_table(5))


def test_nothing_else_hangs_on_the_package() -> None:
    """An unknown name of the package is an AttributeError."""
    with pytest.raises(AttributeError, match="has no attribute 'lode'"):
        veritable.lode  # noqa: B018
