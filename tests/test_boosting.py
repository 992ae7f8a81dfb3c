"""Fitting boosted trees: deterministic, weighted, with early stopping, and better than chance."""

import re
from dataclasses import replace
from typing import Any

import lightgbm as lgb
import numpy as np
import pytest
from sklearn.utils.class_weight import compute_sample_weight

from tests.rooms import mixed_table, numbers_part, prepare_frame, prepared
from tests.training import SMALL, mean_of, train_plan, trees_of
from veritable.models.trees import Trees
from veritable.tables.encoding.parts import Part
from veritable.training.boosting import BoostingLearner, count_models

NUMBERS = np.zeros(4, dtype=np.int64)
TRAIN, VALID = numbers_part(200, 1), numbers_part(150, 2)


def learner(number: int = 0, *, classes: int = 2, top: Any = None, threads: int | None = None, **trees: Any) -> BoostingLearner:
    """Return what fits a model, with parameters `top` of the section `train` and `trees` of `train.trees`."""
    plan = train_plan(blend=["trees"], trees=trees, **(top or {}))
    return BoostingLearner(plan, NUMBERS, classes, number, threads)


def fitted(models: int = 1, train: Part = TRAIN, valid: Part = VALID, **knobs: Any) -> list[Trees]:
    """Fit models on a part; see `learner` for the parameters."""
    fits = [learner(i, **knobs).fit(train, valid, 0) for i in range(models)]
    return [member for fit in fits for member in fit.members if isinstance(member, Trees)]


def texts(models: list[Trees]) -> list[str]:
    return [each.text for each in models]


def rounds(models: list[Trees]) -> list[int]:
    """Return the number of rounds of each model."""
    return [lgb.Booster(model_str=each.text).current_iteration() for each in models]


def shapes(models: list[Trees]) -> list[str]:
    """Return the texts without the parameters, which differ even if the trees do not."""
    return [each.text.split("\nparameters:")[0] for each in models]


def loss(trees: list[Trees], part: Part = VALID) -> float:
    return -float(np.log(mean_of(trees, part.X)[np.arange(len(part)), part.y]).mean())


class TestCount:
    @pytest.mark.parametrize("models", [1, 17])
    def test_as_many_as_asked_for(self, models: int) -> None:
        """A given number of models does not depend on the table."""
        for rows, classes in ((10, 2), (10**9, 1000)):
            assert models == count_models(train_plan(blend=["trees"], trees={"n_models": models}), rows, classes)

    def test_none(self) -> None:
        """Without trees in the blend, there are none."""
        assert 0 == count_models(train_plan(blend=["forest"], trees={"n_models": 17}), 100, 2)

    def test_auto(self) -> None:
        """With `auto` there are 2 models, with and without folds, and one for larger tables."""
        auto = train_plan(blend=["trees"], trees={"n_models": "auto"})
        assert 2 == count_models(auto, 100, 2) == count_models(auto, 100, 100)
        for classes in (2, 3, 100):
            found = [count_models(auto, 10**power, classes) for power in range(1, 10)]
            assert found == sorted(found, reverse=True)
            assert 1 == found[-1]
        assert count_models(auto, 10**6, 10) <= count_models(auto, 10**6, 2)
        assert 2 == count_models(train_plan(blend=["trees"], trees={"n_models": "auto"}, n_splits=3), 100, 2)


class TestSame:
    @pytest.mark.parametrize("classes", [2, 3])
    def test_same_twice(self, classes: int) -> None:
        """The same parameters and parts give the same texts, byte for byte."""
        train, valid = numbers_part(200, 1, classes), numbers_part(150, 2, classes)
        one, two = (fitted(2, train, valid, classes=classes) for _ in range(2))
        assert texts(one) == texts(two)

    def test_threads_do_not_matter(self) -> None:
        """The trees do not depend on the number of threads."""
        one, two = (fitted(2, threads=threads) for threads in (1, 2))
        assert texts(one) == texts(two)

    def test_models_differ(self) -> None:
        """Each model has its own samples; the first is the same as a single model."""
        three = fitted(3)
        assert 3 == len(set(shapes(three)))
        assert texts(fitted(1)) == texts(three)[:1]

    def test_kinds_in_turn(self) -> None:
        """Every second model has smaller trees, larger leaves and fewer columns."""
        knobs = {"num_leaves": 12, "feature_fraction": 0.6, "lambda_l2": 1.0, "learning_rate": 0.2, "min_data_in_leaf": 30}
        settings = [dict(re.findall(r"^\[(\w+): (.*)\]$", text, re.MULTILINE)) for text in texts(fitted(3, **knobs))]
        keys = ("feature_fraction", "num_leaves", "min_data_in_leaf", "lambda_l2", "learning_rate")
        found = [tuple(float(each[key]) for key in keys) for each in settings]
        plain = (0.6, 12, 30, 1, 0.2)
        assert [plain, (0.4, 6, 180, 1, 0.2), plain] == found

    def test_folds_differ(self) -> None:
        """The fits of different folds have different samples."""
        one, two, again = (learner().fit(TRAIN, VALID, number).members[0] for number in (0, 1, 0))
        assert isinstance(one, Trees)
        assert isinstance(two, Trees)
        assert isinstance(again, Trees)
        assert one.text == again.text
        assert shapes([one]) != shapes([two])

    @pytest.mark.parametrize("seed", [0, 2**31 - 1, 2**32 - 1])
    def test_any_seed(self, seed: int) -> None:
        """Any valid seed works, also with several models."""
        assert 2 == len(set(shapes(fitted(2, top={"seed": seed}))))

    def test_layout_in_memory_does_not_matter(self) -> None:
        """The trees do not depend on the memory layout of a part."""
        other = replace(TRAIN, X=np.asfortranarray(TRAIN.X))
        assert texts(fitted()) == texts(fitted(train=other))

    def test_silent(self, capfd: pytest.CaptureFixture[str]) -> None:
        """Without a terminal, neither the fit nor LightGBM prints anything."""
        fitted(2)
        fitted(train=TRAIN.take(np.flatnonzero(TRAIN.y == 1)))
        assert ("", "") == capfd.readouterr()


CHANGES: dict[str, Any] = {
    "n_estimators": 3,
    "early_stopping_rounds": 1,
    "learning_rate": 0.1,
    "num_leaves": 3,
    "min_data_in_leaf": 40,
    "bagging_fraction": 0.4,
    "feature_fraction": 0.3,
    "lambda_l2": 50.0,
    "max_bin": 4,
}


@pytest.mark.parametrize("change", [{key: value} for key, value in CHANGES.items()], ids=str)
def test_every_knob_matters(change: dict[str, Any]) -> None:
    """Each parameter of `train.trees` changes the trees."""
    base = {"n_estimators": 60, "learning_rate": 0.5}  # it stops early, later with more patience
    assert shapes(fitted(**base)) != shapes(fitted(**{**base, **change}))


@pytest.mark.parametrize("change", [{"seed": 1}, {"class_weight": "balanced"}], ids=str)
def test_knobs_of_all_members_matter(change: dict[str, Any]) -> None:
    """The seed and the class weights of `train` apply to the trees."""
    train = TRAIN.take(np.flatnonzero((TRAIN.y == 1) | (TRAIN.row % 3 == 0)))
    assert shapes(fitted(train=train)) != shapes(fitted(train=train, top=change))


def test_every_knob_is_moved() -> None:
    """A new parameter of the trees must be added to the test above."""
    assert set(SMALL["trees"]) == {"n_models", *CHANGES}


class TestFit:
    @pytest.mark.parametrize("classes", [2, 4])
    def test_better_than_chance(self, classes: int) -> None:
        """On new rows, the trees are far better than the class shares."""
        train, valid, test = (numbers_part(400, seed, classes) for seed in (1, 2, 3))
        trees = fitted(2, train, valid, classes=classes, n_estimators=100)
        shares = np.bincount(train.y, minlength=classes) / len(train)
        assert loss(trees, test) < 0.8 * -np.log(shares[test.y]).mean()

    def test_categories_are_no_numbers(self) -> None:
        """Columns with cardinalities are split by level, others by value."""
        done = prepared(300)
        train, valid, cardinalities = done.parts["train"], done.parts["valid"], done.encoder.cardinalities
        assert {0, 5} == set(cardinalities.tolist())
        for given, split in ((cardinalities, True), (np.zeros_like(cardinalities), False)):
            (trees,) = BoostingLearner(train_plan(blend=["trees"]), given, 2, 0).fit(train, valid, 0).members
            assert isinstance(trees, Trees)
            text = trees.text
            assert split == any(int(count) > 0 for count in re.findall(r"^num_cat=(\d+)$", text, re.MULTILINE))

    def test_stops_in_time(self) -> None:
        """Boosting stops if the loss on valid has not decreased for `early_stopping_rounds`, and keeps the best round."""
        settings = {"n_estimators": 200, "learning_rate": 0.5, "num_leaves": 8}
        ((patient,), (hasty,)) = (rounds(fitted(**settings, early_stopping_rounds=patience)) for patience in (200, 2))
        assert hasty <= patient < 200
        trees = fitted(**settings, early_stopping_rounds=200)
        booster = lgb.Booster(model_str=trees[0].text)
        losses = []
        for kept in range(1, patient + 1):
            prob = booster.predict(VALID.X, num_iteration=kept)
            losses.append(-np.log(np.where(VALID.y == 1, prob, 1 - prob)).mean())
        assert patient - 1 == int(np.argmin(losses))
        assert loss(trees) == pytest.approx(losses[-1])

    @pytest.mark.parametrize("classes", [2, 3, 5])
    @pytest.mark.parametrize("absent", ["train", "valid"])
    def test_a_class_absent(self, classes: int, absent: str) -> None:
        """A class that a part lacks has finite probabilities, and one that train lacks has low ones."""
        parts = {"train": numbers_part(200, 1, classes), "valid": numbers_part(150, 2, classes)}
        parts[absent] = parts[absent].take(np.flatnonzero(parts[absent].y != 1))
        for balance in ("none", "balanced"):
            trees = fitted(1, parts["train"], parts["valid"], classes=classes, top={"class_weight": balance})
            found = mean_of(trees, VALID.X)
            assert (len(VALID), classes) == found.shape
            assert np.isfinite(found).all()
            np.testing.assert_allclose(1, found.sum(axis=1), rtol=1e-9)
            assert absent == "valid" or found[:, 1].mean() < 0.05

    @pytest.mark.parametrize(("rows", "share"), [(1, 0.8), (2, 0.8), (9, 0.8), (9, 0.1), (9, 1.0)])
    def test_few_rows(self, rows: int, share: float) -> None:
        """With too few rows for a split, the class shares are predicted, with one row for a class that train lacks."""
        train = TRAIN.take(np.arange(rows))
        found = mean_of(fitted(train=train, min_data_in_leaf=20, bagging_fraction=share), VALID.X)
        counts = np.maximum(1, np.bincount(train.y, minlength=2))
        np.testing.assert_allclose(np.broadcast_to(counts[1] / counts.sum(), len(VALID)), found[:, 1], atol=1e-6)


class TestRefit:
    @pytest.mark.parametrize("classes", [2, 3])
    def test_mean_rounds(self, classes: int) -> None:
        """The refit has all rows, and as many rounds as the fits had on average."""
        parts = [numbers_part(150, seed, classes) for seed in range(3)]
        one = learner(1, classes=classes)
        fits = [one.fit(parts[i], parts[(i + 1) % 3], i) for i in range(3)]
        pool = Part.together(parts)
        again = one.refit(pool, fits)
        found = [rounds([member])[0] for fit in fits for member in fit.members if isinstance(member, Trees)]
        assert [fit.setting for fit in fits] == found
        assert round(np.mean(found)) == rounds([again])[0]
        assert again.text == one.refit(pool, fits).text
        root_rows = [int(count) for count in re.findall(r"^internal_count=(\d+)", again.text, re.MULTILINE)]
        assert 0.7 * len(pool) < min(root_rows) <= max(root_rows) < 0.9 * len(pool)

    def test_a_class_absent(self) -> None:
        """A class that all rows lack has finite probabilities."""
        part = TRAIN.take(np.flatnonzero(TRAIN.y == 0))
        one = learner()
        found = mean_of([one.refit(part, [one.fit(part, VALID, 0)])], VALID.X)
        assert ((found > 0) & (found < 1)).all()


class TestWeights:
    def test_rows_of_weight_0_do_not_matter(self) -> None:
        """A row with weight 0 has no effect, whatever its class."""
        weight = (np.arange(len(TRAIN)) % 4 > 0).astype(np.float64)
        flipped = np.where(weight > 0, TRAIN.y, 1 - TRAIN.y)
        one, two = (fitted(train=replace(TRAIN, y=y, weight=weight)) for y in (TRAIN.y, flipped))
        np.testing.assert_allclose(mean_of(one, VALID.X), mean_of(two, VALID.X), rtol=1e-6)
        assert not np.allclose(mean_of(fitted(), VALID.X), mean_of(one, VALID.X))

    @pytest.mark.parametrize("factor", [2.0**-20, 2.0**20])
    def test_only_ratios_matter(self, factor: float) -> None:
        """The scale of the weights has no effect, also if all of them sum to less than 1."""
        weight = np.random.default_rng(0).exponential(size=len(TRAIN))
        one, two = (fitted(train=replace(TRAIN, weight=by * weight), lambda_l2=1.0) for by in (1.0, factor))
        assert texts(one) == texts(two)

    def test_heavier_rows_pull_more(self) -> None:
        """The probabilities of a class increase with the weights of its rows."""
        heavy = replace(TRAIN, weight=np.where(TRAIN.y == 1, 5.0, 1.0))
        plain = mean_of(fitted(), VALID.X)[:, 1].mean()
        assert mean_of(fitted(train=heavy), VALID.X)[:, 1].mean() > plain + 0.05

    def test_weights_of_valid_matter(self) -> None:
        """Early stopping uses the weights of the valid rows."""
        settings = {"n_estimators": 200, "learning_rate": 0.5, "early_stopping_rounds": 200}
        found = set()
        for first in (0.01, 1.0, 100.0):
            weight = np.where(np.arange(len(VALID)) < 20, first, 1.0)
            found.add(rounds(fitted(valid=replace(VALID, weight=weight), **settings))[0])
        assert len(found) > 1

    def test_balanced(self) -> None:
        """Balanced classes have the weights of scikit-learn, multiplied by the row weights."""
        rare = TRAIN.take(np.flatnonzero((TRAIN.y == 0) | (TRAIN.row % 4 == 0)))
        balanced = replace(rare, weight=compute_sample_weight("balanced", rare.y))
        valid = replace(VALID, weight=compute_sample_weight("balanced", VALID.y))
        one, two = fitted(train=rare, top={"class_weight": "balanced"}), fitted(train=balanced, valid=valid)
        np.testing.assert_allclose(mean_of(one, VALID.X), mean_of(two, VALID.X), rtol=1e-4)
        assert mean_of(one, VALID.X)[:, 1].mean() > mean_of(fitted(train=rare), VALID.X)[:, 1].mean() + 0.05
        thrice = replace(rare, weight=np.full(len(rare), 3.0))
        again = fitted(train=thrice, top={"class_weight": "balanced"})
        assert rounds(one) == rounds(again)


def test_frequent_rows() -> None:
    """For a row that is repeated hundreds of times, the trees predict its share of positive labels."""
    frame = mixed_table(2000)
    draw = np.random.default_rng(0)
    frequent = draw.permutation(2000)[:300]
    frame.loc[frequent, ["age", "colour", "member", "score"]] = [-9.0, "blue", "no", -9.0]
    frame.loc[frequent, "target"] = draw.choice(["class 0", "class 1"], 300, p=[0.3, 0.7])
    done = prepare_frame(frame)
    test = done.parts["test"]
    y_prob = mean_of(trees_of(done, n_estimators=60), test.X)[np.isin(test.row, frequent), 1]
    assert 60 == pytest.approx(len(y_prob), abs=3)
    assert 0.7 == pytest.approx(y_prob.mean(), abs=0.1)
