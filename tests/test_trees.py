"""Boosted trees as a member: their scores are LightGBM's margins, and they are stored in its text format."""

from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import pytest
from scipy.special import expit, softmax

from tests.rooms import numbers_part
from veritable.models.trees import Trees

SETTINGS = {
    "num_leaves": 5,
    "min_data_in_leaf": 5,
    "verbose": -1,
    "num_threads": 1,
    "deterministic": True,
    "force_row_wise": True,
}


def booster(classes: int, *, rounds: int = 12, absent: int | None = None, seed: int = 0) -> lgb.Booster:
    """Fit a model with LightGBM; a class may be absent from train."""
    part = numbers_part(120, 1, classes)
    rows = np.flatnonzero(part.y != absent)
    objective: dict[str, Any] = {"objective": "binary"} if classes == 2 else {"objective": "multiclass", "num_class": classes}
    data = lgb.Dataset(part.X[rows], part.y[rows], free_raw_data=False)
    return lgb.train({**SETTINGS, **objective, "seed": seed, "bagging_fraction": 0.6, "bagging_freq": 1}, data, rounds)


def rows(classes: int) -> np.ndarray:
    return numbers_part(70, 2, classes).X


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_predicts_what_lightgbm_predicts(classes: int) -> None:
    """The softmax of the scores is what LightGBM predicts, with one class per column, also for two classes."""
    fitted = booster(classes)
    found = Trees.from_booster(fitted).scores(rows(classes))
    assert (70, classes) == found.shape
    assert np.float64 == found.dtype
    y_prob = softmax(found, axis=1)
    np.testing.assert_allclose(fitted.predict(rows(classes)), y_prob[:, 1] if classes == 2 else y_prob, rtol=1e-12)


def test_two_classes() -> None:
    """With two classes, the scores are half the margin with both signs, so that they are 0 on average over the classes."""
    fitted = booster(2)
    found = Trees.from_booster(fitted).scores(rows(2))
    margin = np.asarray(fitted.predict(rows(2), raw_score=True))
    np.testing.assert_array_equal(margin, found[:, 1] - found[:, 0])
    np.testing.assert_array_equal(0, found.sum(axis=1))
    np.testing.assert_allclose(fitted.predict(rows(2)), expit(margin), rtol=1e-12)


@pytest.mark.parametrize("classes", [2, 3])
def test_round_trip(classes: int, tmp_path: Path) -> None:
    """After a round trip through a file, scores and text are the same, byte for byte."""
    trees = Trees.from_booster(booster(classes))
    trees.save(tmp_path / "trees-1")
    assert ["trees-1.txt"] == [path.name for path in tmp_path.iterdir()]
    again = Trees.load((tmp_path / "trees-1.txt").read_bytes(), 4, classes)
    assert trees.text == again.text
    np.testing.assert_array_equal(trees.scores(rows(classes)), again.scores(rows(classes)))


@pytest.mark.parametrize("classes", [3, 4])
@pytest.mark.parametrize("absent", [0, 2])
def test_a_class_absent_from_train(classes: int, absent: int) -> None:
    """A class that LightGBM never saw has a low but finite score."""
    found = Trees.from_booster(booster(classes, absent=absent)).scores(rows(classes))
    assert np.isfinite(found).all()
    assert softmax(found, axis=1)[:, absent].max() < 1e-3


def test_up_to_the_best_round() -> None:
    """A model that continued after its best round is cut at that round."""
    train, valid = numbers_part(120, 1), numbers_part(60, 2)
    data = lgb.Dataset(train.X, train.y)
    settings = {**SETTINGS, "objective": "binary", "learning_rate": 0.5}
    stop = lgb.early_stopping(5, verbose=False)
    judged = data.create_valid(valid.X, valid.y)
    fitted = lgb.train(settings, data, 100, valid_sets=[judged], callbacks=[stop], keep_training_booster=True)
    assert 0 < fitted.best_iteration < fitted.current_iteration()
    trees = Trees.from_booster(fitted)
    assert fitted.best_iteration == lgb.Booster(model_str=trees.text).num_trees()
    expected = fitted.predict(rows(2), num_iteration=fitted.best_iteration)
    np.testing.assert_allclose(expected, softmax(trees.scores(rows(2)), axis=1)[:, 1], rtol=1e-12)


@pytest.mark.parametrize(("classes", "expected"), [(2, 12), (3, 36)])
def test_number_of_trees(classes: int, expected: int) -> None:
    """There is one tree per round, or one per round and class with more than two classes."""
    assert expected == lgb.Booster(model_str=Trees.from_booster(booster(classes)).text).num_trees()


@pytest.mark.parametrize("classes", [2, 3])
def test_no_rows(classes: int) -> None:
    """Without rows, the result is empty and has the usual shape."""
    assert (0, classes) == Trees.from_booster(booster(classes)).scores(rows(classes)[:0]).shape


@pytest.mark.parametrize("classes", [2, 3])
def test_any_company(classes: int) -> None:
    """The scores of a row are the same bits alone, among others, and in any memory layout."""
    trees, X = Trees.from_booster(booster(classes)), rows(classes)
    expected = trees.scores(X)
    for size in (1, 7, 69):
        pieces = [trees.scores(X[start : start + size]) for start in range(0, len(X), size)]
        np.testing.assert_array_equal(expected, np.concatenate(pieces))
    for same in (np.asfortranarray(X), np.repeat(X, 2, axis=1)[:, ::2]):
        np.testing.assert_array_equal(expected, trees.scores(same))


def test_text_is_text() -> None:
    """The text of a model is printable, and contains no path of this machine and no number of threads."""
    text = Trees.from_booster(booster(3)).text
    assert text.replace("\n", "").isprintable()
    assert str(Path.home()) not in text
    assert str(Path.cwd()) not in text
    assert "[num_threads: 0]" in text
