"""A classifier's values are those of its outputs by the definition: exact where stated, else within their standard errors."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from scipy import stats

from tests.rooms import mixed_table, prepared
from tests.shapley import by_enumeration
from tests.test_classifier import classifier
from veritable.errors import UserError
from veritable.explanation import explainer as room
from veritable.explanation.explainer import Estimate, Explainer, Output
from veritable.explanation.library import shap
from veritable.models.background import Background
from veritable.models.classifier import Classifier
from veritable.models.ensemble import Ensemble


@cache
def with_background(classes: int = 2, kind: str = "blend", rows: int = 40) -> Classifier:
    return replace(classifier(classes, kind=kind), background=Background.draw(prepared(300, classes).parts["train"], rows, 0))


def only(one: Classifier, *kinds: str) -> Classifier:
    """Return a classifier with only some of its members."""
    kept = [(m, w) for m, w in zip(one.ensemble.members, one.ensemble.weights, strict=True) if m.kind in kinds]
    assert kept
    return replace(one, ensemble=Ensemble(*zip(*kept, strict=True)))


@cache
def fitted(classes: int = 2, kind: str = "blend", output: Output = "log_odds") -> Explainer:
    return Explainer.fit(with_background(classes, kind), output=output, seed=1)


def rows(n: int, classes: int = 2) -> tuple[np.ndarray, np.ndarray]:
    part = prepared(300, classes).parts["test"]
    return part.X[:n], part.row[:n]


def expected(explainer: Explainer, X: np.ndarray, classes: tuple[int, ...]) -> np.ndarray:
    return by_enumeration(lambda Z: explainer.outputs(Z, classes), X, explainer.X, explainer.owner)


@pytest.mark.parametrize("kind", ["trees", "linear"])
@pytest.mark.parametrize("classes", [2, 5])
def test_exact_members(classes: int, kind: str) -> None:
    """Boosted trees and linear models are explained exactly, and say so with errors of 0."""
    explainer = Explainer.fit(only(with_background(classes), kind))
    X, numbers = rows(6, classes)
    found = explainer.estimate(X, numbers)
    codes = (1,) if classes == 2 else tuple(range(classes))
    np.testing.assert_allclose(expected(explainer, X, codes), found.values, atol=1e-12)
    np.testing.assert_array_equal(0, found.errors)


@pytest.mark.slow
@pytest.mark.parametrize("output", ["log_odds", "probability"])
@pytest.mark.parametrize("classes", [2, 5])
def test_blend_covers(classes: int, output: Output) -> None:
    """The intervals of a blend of all kinds of members cover the values by enumeration in about 95 % of cases."""
    explainer = fitted(classes, output=output)
    X, numbers = rows(40, classes)
    found = explainer.estimate(X, numbers, error=0.02)
    codes = (1,) if classes == 2 else tuple(range(classes))
    truth = expected(explainer, X, codes)
    sampled = found.errors > 1e-12
    inside = np.abs(found.values - truth) <= stats.t.ppf(0.975, 14) * found.errors
    assert inside[sampled].mean() > 0.9
    assert 0 < found.errors.mean() < 0.04 * np.abs(truth).mean()
    assert np.abs(found.values - truth).mean() < 0.05 * np.abs(truth).mean()


@pytest.mark.parametrize("output", ["log_odds", "probability"])
@pytest.mark.parametrize("classes", [2, 5])
def test_what_is_explained(classes: int, output: Output) -> None:
    """Base value and values sum to the log-odds, the centered scores or the probabilities; the base value is their mean."""
    explainer = fitted(classes, output=output)
    X, numbers = rows(5, classes)
    found = explainer.estimate(X, numbers)

    def outputs(Z: np.ndarray) -> np.ndarray:
        y_prob = explainer.classifier.predict_proba(Z)
        if output == "probability":
            return y_prob[:, 1:] if classes == 2 else y_prob
        logs = np.log(y_prob)
        return logs[:, 1:] - logs[:, :1] if classes == 2 else logs - logs.mean(axis=1, keepdims=True)

    np.testing.assert_allclose(outputs(X), found.base + found.values.sum(axis=1), atol=1e-9)
    np.testing.assert_allclose(outputs(explainer.X).mean(axis=0), found.base[0], atol=1e-9)
    assert 1e-9 > found.gap


def test_error_asked_for() -> None:
    """A smaller error asked for gives smaller errors, each reached by the mean of a row."""
    X, numbers = rows(10)
    for error in (0.3, 0.05):
        found = fitted().estimate(X, numbers, error=error)
        assert (found.errors.mean(axis=(1, 2)) <= error * np.abs(found.values).mean(axis=(1, 2))).all()
    assert found.errors.sum() < fitted().estimate(X, numbers, error=0.3).errors.sum()


def same(one: Estimate, other: Estimate) -> bool:
    names = ("values", "errors", "background_errors", "base", "outputs", "classes")
    return all(getattr(one, name).tobytes() == getattr(other, name).tobytes() for name in names)


@pytest.mark.slow
@pytest.mark.parametrize("values", [1, 2**22])
def test_a_row_does_not_depend_on_others(monkeypatch: pytest.MonkeyPatch, values: int) -> None:
    """A row has the same bits alone and among others, in any batches; the seed changes them."""
    X, numbers = rows(8, 5)
    whole = fitted(5).estimate(X, numbers)
    monkeypatch.setattr(room, "_BATCH_VALUES", values)
    for chosen in ([2], [5, 1, 7], list(range(8))):
        some = fitted(5).estimate(X[chosen], numbers[chosen])
        assert whole.values[chosen].tobytes() == some.values.tobytes()
        assert whole.errors[chosen].tobytes() == some.errors.tobytes()
    again = Explainer.fit(with_background(5), seed=1).estimate(X, numbers)
    assert same(whole, again)
    assert not same(whole, Explainer.fit(with_background(5), seed=2).estimate(X, numbers))


@pytest.mark.slow
def test_many_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Above the limit, each row is explained for its most probable class, with the values that this class has among all."""
    X, numbers = rows(12, 5)
    every = fitted(5).estimate(X, numbers, error=0.02)
    monkeypatch.setattr(room, "MAX_CLASSES", 4)
    explainer = Explainer.fit(with_background(5), seed=1)
    found = explainer.estimate(X, numbers, error=0.02)
    predicted = explainer.classifier.predict_proba(X).argmax(axis=1)
    np.testing.assert_array_equal(predicted, found.classes[:, 0])
    at = np.arange(12), predicted
    np.testing.assert_allclose(every.outputs[at], found.outputs[:, 0], atol=1e-12)
    scale = np.abs(found.values).mean()
    np.testing.assert_allclose(every.values[at[0], :, at[1]], found.values[:, :, 0], atol=scale / 2)


def test_too_many_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trees with too many leaves to be exact are estimated, with errors above 0."""
    monkeypatch.setattr(room, "_MAX_LEAVES", 5)
    X, numbers = rows(10)
    found = Explainer.fit(only(with_background(), "trees")).estimate(X, numbers)
    truth = expected(fitted(), X, (1,)).shape
    assert truth == found.values.shape
    assert found.errors.max() > 0


def test_groups() -> None:
    """The columns of a group have one value together, under its name, where its first column stands."""
    explainer = Explainer.fit(with_background(), groups={"person": ["age", "member"]}, seed=1)
    assert ("person", "colour", "score") == explainer.players
    X, numbers = rows(20)
    found = explainer.estimate(X, numbers, error=0.02)
    truth = expected(explainer, X, (1,))
    assert np.abs(found.values - truth).mean() < 0.05 * np.abs(truth).mean()
    text, number = explainer.show(X)
    assert {"yes", "no"} >= {each.split(", ")[1] for each in text["person"]}
    assert number["person"].isna().all()
    assert not number["score"].isna().all()


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (
            {"one": ["agee"]},
            "a column of the group 'one' must be one that the classifier uses, but is 'agee'. The nearest is 'age'.",
        ),
        (
            {"one": ["age"], "two": ["age"]},
            "a column must be in one group, but 'age' is in 'one' and in 'two'. Remove it from one.",
        ),
        ({"age": ["score"]}, "a group must not be named as a column outside it, but 'age' is. Rename the group."),
    ],
)
def test_wrong_groups(groups: dict[str, list[str]], message: str) -> None:
    """A group of unknown or shared columns, or with the name of another column, is refused."""
    with pytest.raises(UserError) as error:
        Explainer.fit(with_background(), groups=groups)
    assert message == str(error.value)


def test_without_background() -> None:
    """A classifier whose train rows were withheld cannot be explained, unless some are given."""
    with pytest.raises(
        UserError, match=r"^a classifier must have at least 2 train rows with it to be explained, but has fewer\."
    ):
        Explainer.fit(classifier())
    given = Explainer.fit(replace(classifier(), background=with_background().background))
    assert 40 == len(given.X)


def test_background_error() -> None:
    """The error of the choice of background rows is that of random samples of the train part, and 0 if it is all of it."""
    train = prepared(300, 2).parts["train"]
    X, numbers = rows(20)
    one = only(with_background(), "trees")
    truth = Explainer.fit(replace(one, background=Background.draw(train, 1000, 0))).estimate(X, numbers)
    np.testing.assert_array_equal(0, truth.background_errors)
    squares = []
    for seed in range(30):
        found = Explainer.fit(replace(one, background=Background.draw(train, 60, seed))).estimate(X, numbers)
        squares.append([np.square(found.background_errors).mean(), np.square(found.values - truth.values).mean()])
    stated, actual = np.mean(squares, axis=0)
    assert 1 == pytest.approx(stated / actual, abs=0.35)


@pytest.mark.parametrize("kind", ["mlp", "blend"])
def test_plots(kind: str) -> None:
    """What `explain` returns is an Explanation whose rows add up."""
    X, numbers = rows(6)
    found = fitted(kind=kind).explain(X, numbers)
    assert isinstance(found, shap.Explanation)
    assert (6, 4, 1) == found.values.shape == found.error_std.shape
    assert (6, 1) == found.base_values.shape
    assert ["age", "colour", "member", "score"] == list(found.feature_names)


def test_shown_values() -> None:
    """Raw values are shown as in the table: numbers rounded to what float32 keeps, and what is missing as "missing"."""
    test = prepared(300, 2).parts["test"]
    text, number = fitted().show(test.X)
    raw = mixed_table(300, 2).iloc[test.row]
    np.testing.assert_allclose(raw["score"].to_numpy(float), number["score"], atol=1e-3)
    assert raw["colour"].fillna("missing").isin(["red", "green", "blue", "missing"]).all()
    assert set(text["colour"]) <= {"red", "green", "blue", "missing", "other"}
