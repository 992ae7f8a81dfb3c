"""The linear model: as arrays it predicts what scikit-learn's logistic regression predicts, and its penalty is chosen."""

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import log_softmax, softmax
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder
from sklearn.utils.class_weight import compute_sample_weight

from tests.rooms import InMemory, numbers_part, prepared
from tests.training import train_plan
from veritable.models.linear import Linear
from veritable.tables.encoding.parts import Part
from veritable.training import linear as room
from veritable.training.linear import LinearLearner

NUMBERS = np.zeros(4, dtype=np.int64)


def learner(classes: int = 2, cardinalities: np.ndarray = NUMBERS, **top: Any) -> LinearLearner:
    return LinearLearner(train_plan(blend=["linear"], **top), cardinalities, classes)


def fitted(train: Part, valid: Part, classes: int = 2, cardinalities: np.ndarray = NUMBERS, **top: Any) -> Linear:
    (found,) = learner(classes, cardinalities, **top).fit(train, valid, 0).members
    assert isinstance(found, Linear)
    return found


def of_table(done: InMemory, **top: Any) -> Linear:
    return fitted(done.parts["train"], done.parts["valid"], len(done.classes), done.encoder.cardinalities, **top)


def oracle(train: Part, cardinalities: np.ndarray, strength: float) -> Pipeline:
    """Fit scikit-learn's model of clipped numbers and one-hot codes to convergence."""
    coded = np.flatnonzero(cardinalities)
    codes = [np.arange(cardinalities[column]) for column in coded]
    inputs = make_column_transformer(
        (OneHotEncoder(categories=codes), coded),
        (FunctionTransformer(np.clip, kw_args={"a_min": -5, "a_max": 5}), np.flatnonzero(cardinalities == 0)),
    )
    model = LogisticRegression(C=strength, max_iter=10_000, tol=1e-8)
    return make_pipeline(inputs, model).fit(train.X.astype(np.float64), train.y, logisticregression__sample_weight=train.weight)


def loss(scores: np.ndarray, part: Part) -> float:
    return float(np.average(-log_softmax(scores, axis=1)[np.arange(len(part)), part.y], weights=part.weight))


def only(monkeypatch: pytest.MonkeyPatch, strength: float) -> None:
    """Let the learner try a single strength, to convergence."""
    monkeypatch.setattr(room, "_STRENGTHS", (strength,))
    monkeypatch.setattr(room, "_MAX_ITERATIONS", 10_000)


class TestMember:
    @pytest.mark.parametrize("classes", [2, 5])
    @pytest.mark.parametrize("strength", [0.003, 3.0])
    def test_predicts_what_scikit_learn_predicts(self, classes: int, strength: float, monkeypatch: pytest.MonkeyPatch) -> None:
        """The softmax of the scores is what scikit-learn predicts from clipped numbers and one-hot categories."""
        only(monkeypatch, strength)
        done = prepared(300, classes)
        expected = oracle(done.parts["train"], done.encoder.cardinalities, strength)
        X = done.parts["test"].X.copy()
        X[:5, np.flatnonzero(done.encoder.cardinalities == 0)] *= 1e6
        found = of_table(done).scores(X)
        assert np.float64 == found.dtype
        np.testing.assert_allclose(expected.predict_proba(X.astype(np.float64)), softmax(found, axis=1), atol=0.02)

    def test_by_hand(self) -> None:
        """A number adds its clipped value times its coefficients, a category the coefficients of its code."""
        one = Linear(np.array([0, 2, 0]), np.array([[1.0, -1], [10, 20], [30, 40], [0.5, 0]]), np.array([100.0, 200]))
        X = np.array([[2, 0, 1], [9, 1, -9]], dtype=np.float32)
        np.testing.assert_array_equal([[112.5, 218], [132.5, 235]], one.scores(X))

    def test_far_numbers(self) -> None:
        """Numbers beyond 5 standard deviations count as 5, so that one extreme number does not decide."""
        one, part = fitted(numbers_part(200, 1), numbers_part(90, 2)), numbers_part(90, 3)
        far = np.sign(part.X) * np.float32(1e30)
        np.testing.assert_array_equal(one.scores(5 * np.sign(part.X)), one.scores(far))

    @pytest.mark.parametrize("classes", [2, 5])
    def test_round_trip(self, tmp_path: Path, classes: int) -> None:
        """After saving and loading, the scores and the bytes are the same."""
        done = prepared(300, classes)
        one = of_table(done)
        one.save(tmp_path / "linear-1")
        assert ["linear-1.safetensors"] == [path.name for path in tmp_path.iterdir()]
        two = Linear.load((tmp_path / "linear-1.safetensors").read_bytes(), done.encoder.cardinalities, classes)
        np.testing.assert_array_equal(one.scores(done.parts["test"].X), two.scores(done.parts["test"].X))
        two.save(tmp_path / "linear-2")
        first, second = (tmp_path / f"linear-{i}.safetensors" for i in (1, 2))
        assert first.read_bytes() == second.read_bytes()

    @pytest.mark.parametrize("classes", [2, 5])
    def test_any_company(self, classes: int) -> None:
        """The scores of a row are the same bits alone, among others, and in any memory layout."""
        done = prepared(300, classes)
        one, X = of_table(done), done.parts["test"].X
        expected = one.scores(X)
        for size in (1, 2, 7, 59):
            pieces = [one.scores(X[start : start + size]) for start in range(0, len(X), size)]
            np.testing.assert_array_equal(expected, np.concatenate(pieces))
        for same in (np.asfortranarray(X), np.ascontiguousarray(X), np.repeat(X, 2, axis=1)[:, ::2]):
            np.testing.assert_array_equal(expected, one.scores(same))

    @pytest.mark.parametrize("classes", [2, 5])
    def test_no_rows(self, classes: int) -> None:
        """Without rows, the result is empty and has the usual shape."""
        done = prepared(300, classes)
        assert (0, classes) == of_table(done).scores(done.parts["test"].X[:0]).shape


class TestFit:
    def test_same_twice(self) -> None:
        """The same rows give the same arrays, also in another memory layout, and without a warning."""
        done = prepared(300, 5)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            one, two = of_table(done), of_table(done)
        layout = replace(done.parts["train"], X=np.ascontiguousarray(done.parts["train"].X))
        three = fitted(layout, done.parts["valid"], 5, done.encoder.cardinalities)
        for name, array in vars(one).items():
            np.testing.assert_array_equal(array, getattr(two, name))
            np.testing.assert_array_equal(array, getattr(three, name))

    @pytest.mark.parametrize("noise", [0.0, 40.0])
    def test_the_penalty_is_chosen_on_valid(self, noise: float, monkeypatch: pytest.MonkeyPatch) -> None:
        """Rows with much noise get a stronger penalty than rows without; no other strength is better on valid."""
        parts = []
        for seed in (1, 2):
            part = numbers_part(120, seed, width=20)
            y = part.X.sum(axis=1) + np.random.default_rng(seed).normal(0, noise, len(part)) > 0
            parts.append(replace(part, y=y.astype(np.int64)))
        one = learner(2, np.zeros(20, dtype=np.int64))
        fit = one.fit(parts[0], parts[1], 0)
        strength = np.exp(fit.setting)
        assert np.isclose(strength, room._STRENGTHS).any()
        assert strength > 0.1 if noise == 0 else strength < 0.1
        for other in (0.003, 0.03, 0.3, 3.0):
            with monkeypatch.context() as patch:
                patch.setattr(room, "_STRENGTHS", (other,))
                assert loss(fit.scores(parts[1].X), parts[1]) <= loss(one.fit(*parts, 0).scores(parts[1].X), parts[1]) + 0.002

    def test_refit(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The refit has all rows, and the geometric mean of the strengths of the fits."""
        train, valid = numbers_part(200, 1), numbers_part(90, 2)
        one, fits = learner(), []
        for strength in (0.03, 3.0):
            only(monkeypatch, strength)
            fits.append(one.fit(train, valid, 0))
        pool = Part.together([train, valid])
        expected = oracle(pool, NUMBERS, 0.3).predict_proba(valid.X)
        np.testing.assert_allclose(expected, softmax(one.refit(pool, fits).scores(valid.X), axis=1), atol=0.003)

    def test_weights(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Rows have the weights of scikit-learn's `sample_weight` up to their scale; balanced classes those of "balanced"."""
        only(monkeypatch, 0.3)
        train, valid = numbers_part(200, 1, 3), numbers_part(90, 2, 3)
        weight = np.random.default_rng(0).exponential(size=len(train)) * (np.arange(len(train)) % 4 > 0)
        expected = oracle(replace(train, weight=weight / weight.mean()), NUMBERS, 0.3).predict_proba(valid.X)
        for factor in (1.0, 1000.0):
            found = fitted(replace(train, weight=factor * weight), valid, 3).scores(valid.X)
            np.testing.assert_allclose(expected, softmax(found, axis=1), atol=0.005)
        balanced = replace(train, weight=compute_sample_weight("balanced", train.y))
        expected = oracle(balanced, NUMBERS, 0.3).predict_proba(valid.X)
        found = fitted(train, valid, 3, class_weight="balanced").scores(valid.X)
        np.testing.assert_allclose(expected, softmax(found, axis=1), atol=0.005)

    @pytest.mark.parametrize("classes", [2, 5])
    @pytest.mark.parametrize("class_weight", ["none", "balanced"])
    @pytest.mark.parametrize("absent", ["train", "valid"])
    def test_a_class_absent(self, classes: int, class_weight: str, absent: str) -> None:
        """A class that a part lacks has finite probabilities, and one that train lacks has low ones."""
        parts = {"train": numbers_part(200, 1, classes), "valid": numbers_part(90, 2, classes)}
        parts[absent] = parts[absent].take(np.flatnonzero(parts[absent].y != 1))
        y_prob = softmax(fitted(parts["train"], parts["valid"], classes, class_weight=class_weight).scores(parts["valid"].X), 1)
        assert ((y_prob > 0) & (y_prob < 1)).all()
        assert absent == "valid" or y_prob[:, 1].mean() < 0.08

    @pytest.mark.parametrize("rows", [1, 2])
    def test_few_rows(self, rows: int) -> None:
        """One row is enough."""
        train, valid = numbers_part(200, 1, 3), numbers_part(90, 2, 3)
        assert np.isfinite(fitted(train.take(np.arange(rows)), valid, 3).scores(valid.X)).all()
