"""`veritable.load` returns a classifier that works with scikit-learn's tools."""

from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone, is_classifier
from sklearn.calibration import CalibrationDisplay
from sklearn.inspection import permutation_importance
from sklearn.metrics import get_scorer, log_loss
from sklearn.utils.validation import check_is_fitted

import veritable
from tests.explaining import explainable, of_table
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


def explaining(tmp_path: Path, classes: int = 2) -> TableClassifier:
    explainable(classes).save(tmp_path / "classifier")
    return veritable.load(tmp_path / "classifier")


def test_explain(tmp_path: Path) -> None:
    """Values and base value add up to the log-odds of the positive class; cells, names and errors come along."""
    model, rows = explaining(tmp_path), mixed_table(40)
    found = model.explain(rows)
    p = model.predict_proba(rows)
    assert (40, 4) == found.values.shape == found.error_std.shape == found.data.shape == found.display_data.shape
    np.testing.assert_allclose(np.log(p[:, 1] / p[:, 0]), found.base_values + found.values.sum(axis=1), atol=1e-5)
    assert ["age", "colour", "member", "score"] == list(found.feature_names)
    np.testing.assert_allclose(rows[["age", "score"]], found.data[:, [0, 3]])
    assert rows["colour"].fillna("missing").tolist() == found.display_data[:, 1].tolist()
    assert (found.error_std >= 0).all()
    assert (found.error_std > 0).any()


def test_explain_each_class(tmp_path: Path) -> None:
    """With three classes there is an output for each, in the order of classes_, relative to the mean of all."""
    model, rows = explaining(tmp_path, 3), mixed_table(20, 3)
    found = model.explain(rows)
    scores = np.log(model.predict_proba(rows))
    assert (20, 4, 3) == found.values.shape
    assert ["class 0", "class 1", "class 2"] == list(found.output_names)
    expected = scores - scores.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(expected, found.base_values + found.values.sum(axis=1), atol=1e-5)


def test_explain_in_the_order_of_classes(tmp_path: Path) -> None:
    """Whatever the order of the classes in the classifier, an output is of the class that it is named after."""
    labels = ["10", "9", "x"]
    frame = mixed_table(150, 3).assign(target=labels * 50)
    of_table(prepare_frame(frame)).save(tmp_path / "classifier")
    model = veritable.load(tmp_path / "classifier")
    found, scores = model.explain(frame.head(10)), np.log(model.predict_proba(frame.head(10)))
    assert [str(label) for label in model.classes_] == list(found.output_names)
    expected = scores - scores.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(expected, found.base_values + found.values.sum(axis=1), atol=1e-5)


def test_explain_many_classes(tmp_path: Path) -> None:
    """With more than ten classes, the predicted class of each row is explained."""
    model, rows = explaining(tmp_path, 12), mixed_table(15, 12)
    found, scores = model.explain(rows), np.log(model.predict_proba(rows))
    assert (15, 4) == found.values.shape
    expected = scores.max(axis=1) - scores.mean(axis=1)
    np.testing.assert_allclose(expected, found.base_values + found.values.sum(axis=1), atol=1e-5)


@pytest.mark.parametrize("classes", [2, 3])
def test_shaps_plots_take_it(tmp_path: Path, classes: int) -> None:
    """All of shap's plots of tables draw the explanation, with missing values, categories and booleans."""
    from veritable.explanation.library import shap

    found = explaining(tmp_path, classes).explain(mixed_table(40, classes))
    one = found if classes == 2 else found[:, :, 1]
    for name in ("beeswarm", "bar", "violin", "heatmap"):
        getattr(shap.plots, name)(one, show=False)
        plt.close("all")
    for column in ("age", "colour", "member"):
        shap.plots.scatter(one[:, column], color=one[:, "score"], show=False)
        plt.close("all")
    shap.plots.waterfall(one[0], show=False)
    shap.plots.bar(one[0], show=False)
    shap.plots.force(one[0], matplotlib=True, show=False)
    shap.plots.decision(one.base_values[0], one.values, feature_names=list(one.feature_names), show=False)
    plt.close("all")


def test_explain_as_the_command(tmp_path: Path) -> None:
    """A row has the values that the command writes."""
    from veritable.cli.main import main

    model, rows = explaining(tmp_path), mixed_table(12)
    rows.to_parquet(tmp_path / "new.parquet", index=False)
    assert 0 == main(["explain", str(model.folder), str(tmp_path / "new.parquet"), "-o", str(tmp_path / "out.parquet")])
    found = model.explain(rows)
    np.testing.assert_array_equal(found.values.reshape(-1), pd.read_parquet(tmp_path / "out.parquet")["value"])


def test_explain_without_background(tmp_path: Path) -> None:
    """A classifier whose background is withheld cannot be explained."""
    with pytest.raises(UserError, match="must have at least 2 train rows with it to be explained"):
        loaded(tmp_path).explain(mixed_table(5))
