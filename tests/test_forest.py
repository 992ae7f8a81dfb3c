"""The forest of random trees: as arrays it predicts what scikit-learn's trees predict, and it is fitted on weighted rows."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.utils.class_weight import compute_sample_weight

from tests.rooms import numbers_part, prepared
from tests.training import SMALL, train_plan
from veritable.models.forest import Forest
from veritable.tables.encoding.parts import Part
from veritable.training import forest as room
from veritable.training.forest import ForestLearner

SCALE = 4  # of the scores
CLASSES = [2, 3, 7]


def parts(classes: int) -> tuple[Part, Part]:
    return numbers_part(200, 1, classes), numbers_part(90, 2, classes)


def oracle(part: Part, **settings: Any) -> ExtraTreesClassifier:
    """Fit scikit-learn's own model with the settings of `SMALL`."""
    return ExtraTreesClassifier(**{"n_estimators": 5, "random_state": 42} | settings).fit(part.X, part.y, part.weight)


def learner(classes: int = 2, top: Any = None, **forest: Any) -> ForestLearner:
    """Return a learner with parameters `top` of the section `train` and `forest` of `train.forest`."""
    return ForestLearner(train_plan(blend=["forest"], forest=forest, **(top or {})), classes)


def fitted(part: Part, classes: int = 2, number: int = 0, **knobs: Any) -> Forest:
    (found,) = learner(classes, **knobs).fit(part, part, number).members
    assert isinstance(found, Forest)
    return found


def shares(forest: Forest, X: np.ndarray) -> np.ndarray:
    """Return the mean class shares. Shape: (n, width) -> (n, classes)"""
    return forest.scores(X) / SCALE


class TestMember:
    @pytest.mark.parametrize("classes", CLASSES)
    @pytest.mark.parametrize("settings", [{}, {"min_samples_leaf": 9}, {"max_depth": 3}, {"n_estimators": 1}], ids=str)
    def test_predicts_what_scikit_learn_predicts(self, classes: int, settings: dict[str, Any]) -> None:
        """The scores are the probabilities of scikit-learn's forest, times 4."""
        train, valid = parts(classes)
        model = oracle(train, **settings)
        found = Forest.from_trees([each.tree_ for each in model.estimators_]).scores(valid.X)
        assert np.float64 == found.dtype
        np.testing.assert_allclose(SCALE * model.predict_proba(valid.X), found, rtol=1e-6, atol=1e-7)

    def test_at_the_thresholds(self) -> None:
        """Rows with a number that is exactly a threshold, or far away, go to the side where scikit-learn sends them."""
        train, _ = parts(3)
        model = oracle(train)
        forest = Forest.from_trees([each.tree_ for each in model.estimators_])
        inner = forest.nodes.column >= 0
        X = np.zeros((inner.sum(), 4), dtype=np.float32)
        X[np.arange(len(X)), forest.nodes.column[inner]] = forest.nodes.threshold[inner]
        extreme = np.float32(1e30) * np.array([[1, 1, 1, 1], [-1, -1, -1, -1], [1, -1, 1, -1]], dtype=np.float32)
        X = np.concatenate([X, extreme])
        np.testing.assert_allclose(SCALE * model.predict_proba(X), forest.scores(X), rtol=1e-6, atol=1e-7)

    @pytest.mark.parametrize("classes", CLASSES)
    def test_round_trip(self, tmp_path: Path, classes: int) -> None:
        """After saving and loading, the scores and the bytes are the same; the file holds arrays, and no pickle."""
        train, valid = parts(classes)
        one = fitted(train, classes)
        one.save(tmp_path / "forest-1")
        assert ["forest-1.safetensors"] == [path.name for path in tmp_path.iterdir()]
        two = Forest.load((tmp_path / "forest-1.safetensors").read_bytes(), 4, classes)
        np.testing.assert_array_equal(one.scores(valid.X), two.scores(valid.X))
        two.save(tmp_path / "forest-2")
        first, second = (tmp_path / f"forest-{i}.safetensors" for i in (1, 2))
        assert first.read_bytes() == second.read_bytes()
        kinds = {name: array.dtype.name for name, array in load_file(first).items()}
        assert {"threshold": "float64", "value": "float32"} | dict.fromkeys(
            ("root", "column", "left", "right"), "int32"
        ) == kinds

    @pytest.mark.parametrize("classes", CLASSES)
    def test_any_company(self, classes: int, monkeypatch: pytest.MonkeyPatch) -> None:
        """The scores of a row are the same bits alone, among others, in any batch and memory layout."""
        train, valid = parts(classes)
        one, X = fitted(train, classes, n_estimators=23), valid.X
        expected = one.scores(X)
        for size in (1, 2, 7, 89):
            pieces = [one.scores(X[start : start + size]) for start in range(0, len(X), size)]
            np.testing.assert_array_equal(expected, np.concatenate(pieces))
        for same in (np.asfortranarray(X), np.repeat(X, 2, axis=1)[:, ::2]):
            np.testing.assert_array_equal(expected, one.scores(same))
        for cells in (1, 100):
            monkeypatch.setattr("veritable.models.forest._BATCH_CELLS", cells)
            np.testing.assert_array_equal(expected, one.scores(X))

    @pytest.mark.parametrize(
        "change",
        [
            {"left": lambda a: np.where(a == a.max(), 10**6, a)},
            {"right": lambda a: a * 0},  # a cycle
            {"column": lambda a: np.where(a < 0, 0, a)},  # leaves that become inner nodes
            {"root": lambda a: a[::-1].copy()},
        ],
        ids=lambda change: next(iter(change)),
    )
    def test_damaged(self, tmp_path: Path, change: dict[str, Any]) -> None:
        """A file whose nodes refer to nodes that do not exist, or to themselves, is refused."""
        forest = fitted(parts(2)[0])
        changed = {name: by(getattr(forest.nodes, name)).astype(np.int32) for name, by in change.items()}
        replace(forest, nodes=replace(forest.nodes, **changed)).save(tmp_path / "forest-1")
        with pytest.raises(ValueError, match=r"^must hold .*, but "):
            Forest.load((tmp_path / "forest-1.safetensors").read_bytes(), 4, 2)

    def test_too_few_columns(self) -> None:
        """Rows that lack a column that the forest splits are refused."""
        with pytest.raises(ValueError, match="must hold trees that split columns from 0 to 0, but they split others"):
            fitted(parts(2)[0]).scores(parts(2)[1].X[:, :1])

    @pytest.mark.parametrize("classes", CLASSES)
    def test_no_rows(self, classes: int) -> None:
        """Without rows, the result is empty and has the usual shape."""
        train, _ = parts(classes)
        assert (0, classes) == fitted(train, classes).scores(train.X[:0]).shape


class TestFit:
    @pytest.mark.parametrize("classes", CLASSES)
    @pytest.mark.parametrize("number", [0, 3])
    def test_what_scikit_learn_fits(self, classes: int, number: int) -> None:
        """The forest is scikit-learn's with the seed of the plan plus the number of the fold."""
        train, valid = parts(classes)
        expected = oracle(train, random_state=42 + number).predict_proba(valid.X)
        np.testing.assert_allclose(expected, shares(fitted(train, classes, number), valid.X), rtol=1e-6, atol=1e-7)

    def test_same_twice(self) -> None:
        """The same parameters and rows give the same arrays, in any memory layout; folds differ."""
        train, _ = parts(3)
        one, two, layout, other = (
            fitted(train, 3),
            fitted(train, 3),
            fitted(replace(train, X=np.asfortranarray(train.X)), 3),
            fitted(train, 3, 1),
        )
        for name in ("root", "column", "threshold", "left", "right"):
            np.testing.assert_array_equal(getattr(one.nodes, name), getattr(two.nodes, name))
            np.testing.assert_array_equal(getattr(one.nodes, name), getattr(layout.nodes, name))
        np.testing.assert_array_equal(one.value, two.value)
        assert one.nodes.threshold.tolist() != other.nodes.threshold.tolist()

    def test_every_row_is_remembered(self) -> None:
        """With leaves of one row, the forest predicts the class of every row that it was fitted on with certainty."""
        train, _ = parts(3)
        np.testing.assert_array_equal(np.eye(3)[train.y], shares(fitted(train, 3), train.X))

    @pytest.mark.parametrize("change", [{"n_estimators": 6}, {"min_samples_leaf": 3}, {"top": {"seed": 1}}], ids=str)
    def test_every_knob_matters(self, change: dict[str, Any]) -> None:
        """Each parameter of `train.forest`, and the seed, changes the forest."""
        train, valid = parts(2)
        assert (fitted(train).scores(valid.X) != fitted(train, **change).scores(valid.X)).any()

    def test_every_knob_is_moved(self) -> None:
        """A new parameter of the forest must be added to the test above."""
        assert {"n_estimators", "min_samples_leaf"} == set(SMALL["forest"])

    def test_better_than_chance(self) -> None:
        """On categories and numbers of a table, the forest is far more often right than the most frequent class."""
        done = prepared(300, 5)
        train, test = done.parts["train"], done.parts["test"]
        assert (fitted(train, 5, n_estimators=50).scores(test.X).argmax(axis=1) == test.y).mean() > 0.4

    def test_weights(self) -> None:
        """Rows have the weights of scikit-learn's `sample_weight`; balanced classes those of its "balanced"."""
        train, valid = parts(3)
        weight = np.random.default_rng(0).exponential(size=len(train)) * (np.arange(len(train)) % 4 > 0)
        weighted = replace(train, weight=weight)
        expected = oracle(weighted, min_samples_leaf=9).predict_proba(valid.X)
        np.testing.assert_allclose(expected, shares(fitted(weighted, 3, min_samples_leaf=9), valid.X), rtol=1e-6, atol=1e-7)
        balanced = replace(train, weight=compute_sample_weight("balanced", train.y))
        expected = oracle(balanced, min_samples_leaf=9).predict_proba(valid.X)
        found = fitted(train, 3, min_samples_leaf=9, top={"class_weight": "balanced"})
        np.testing.assert_allclose(expected, shares(found, valid.X), rtol=1e-5, atol=1e-6)

    @pytest.mark.parametrize("class_weight", ["none", "balanced"])
    def test_a_class_absent(self, class_weight: str) -> None:
        """A class that train lacks has a low share."""
        train, valid = parts(5)
        train = train.take(np.flatnonzero(train.y != 3))
        found = shares(fitted(train, 5, n_estimators=50, top={"class_weight": class_weight}), valid.X)
        assert (len(valid), 5) == found.shape
        np.testing.assert_allclose(1, found.sum(axis=1), rtol=1e-6)
        assert found[:, 3].mean() < 0.05

    @pytest.mark.parametrize("rows", [1, 2])
    def test_few_rows(self, rows: int) -> None:
        """One row is enough."""
        train, valid = parts(3)
        assert np.isfinite(fitted(train.take(np.arange(rows)), 3).scores(valid.X)).all()

    def test_fewer_trees(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Many rows or classes have fewer trees, so that their leaves take up little memory, but at least 10."""
        train, _ = parts(2)
        monkeypatch.setattr(room, "_MAX_LEAF_CELLS", 200 * 2 * 17)
        assert [17, 10, 12] == [
            len(fitted(*given, n_estimators=n).nodes.root)
            for given, n in (((train, 2), 50), ((train, 40), 50), ((train, 2), 12))
        ]

    def test_refit(self) -> None:
        """The refit has all rows and a seed of its own."""
        train, valid = parts(3)
        one = learner(3)
        fits = [one.fit(train, valid, 0), one.fit(valid, train, 1)]
        pool = Part.together([train, valid])
        expected = oracle(pool, random_state=44).predict_proba(valid.X)
        np.testing.assert_allclose(expected, shares(one.refit(pool, fits), valid.X), rtol=1e-6, atol=1e-7)
