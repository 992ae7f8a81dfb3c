"""Boosted trees of a classifier, stored in LightGBM's text format."""

from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import pytest

from tests.rooms import numbers_part
from tests.training import mean_of
from veritable.models.trees import Trees

SETTINGS = {
    "num_leaves": 5,
    "min_data_in_leaf": 5,
    "verbose": -1,
    "num_threads": 1,
    "deterministic": True,
    "force_row_wise": True,
}


def boosters(classes: int, models: int = 2, *, rounds: int = 12, absent: int | None = None) -> list[lgb.Booster]:
    """Fit models with LightGBM; a class may be absent from train."""
    part = numbers_part(120, 1, classes)
    rows = np.flatnonzero(part.y != absent)
    objective: dict[str, Any] = {"objective": "binary"} if classes == 2 else {"objective": "multiclass", "num_class": classes}
    data = lgb.Dataset(part.X[rows], part.y[rows], free_raw_data=False)
    return [lgb.train({**SETTINGS, **objective, "seed": seed, "bagging_fraction": 0.6, "bagging_freq": 1}, data, rounds)
            for seed in range(models)]  # fmt: skip


def rows(classes: int) -> np.ndarray:
    return numbers_part(70, 2, classes).X


@pytest.mark.parametrize("classes", [2, 3, 7])
@pytest.mark.parametrize("models", [1, 3])
def test_predicts_what_lightgbm_predicts(classes: int, models: int) -> None:
    """Probabilities are those of LightGBM, in float64, one per class, also for two classes."""
    fitted = boosters(classes, models)
    found = mean_of(Trees.from_boosters(fitted), rows(classes))
    expected = np.mean([booster.predict(rows(classes)) for booster in fitted], axis=0)
    assert (70, classes) == found.shape
    assert np.float64 == found.dtype
    np.testing.assert_array_equal(expected, found[:, 1] if classes == 2 else found)
    np.testing.assert_allclose(1, found.sum(axis=1), rtol=1e-12)


@pytest.mark.parametrize("classes", [2, 3])
def test_round_trip(classes: int, tmp_path: Path) -> None:
    """After a round trip through text, also through files, predictions and texts are the same."""
    trees = Trees.from_boosters(boosters(classes))
    for i, text in enumerate(trees.texts):
        (tmp_path / str(i)).write_text(text, encoding="utf-8")
    again = Trees([(tmp_path / str(i)).read_text(encoding="utf-8") for i in range(2)])
    assert trees.texts == again.texts
    np.testing.assert_array_equal(mean_of(trees, rows(classes)), mean_of(again, rows(classes)))


@pytest.mark.parametrize("classes", [3, 4])
@pytest.mark.parametrize("absent", [0, 2])
def test_a_class_absent_from_train(classes: int, absent: int) -> None:
    """A class that train lacks is almost impossible; the others keep their probabilities."""
    found = mean_of(Trees.from_boosters(boosters(classes, absent=absent)), rows(classes))
    assert np.isfinite(found).all()
    assert found[:, absent].max() < 1e-3
    np.testing.assert_allclose(1, found.sum(axis=1), rtol=1e-9)


def test_up_to_the_best_round() -> None:
    """A model that continued after its best round is cut at that round."""
    train, valid = numbers_part(120, 1), numbers_part(60, 2)
    data = lgb.Dataset(train.X, train.y)
    settings = {**SETTINGS, "objective": "binary", "learning_rate": 0.5}
    stop = lgb.early_stopping(5, verbose=False)
    judged = data.create_valid(valid.X, valid.y)
    booster = lgb.train(settings, data, 100, valid_sets=[judged], callbacks=[stop], keep_training_booster=True)
    assert 0 < booster.best_iteration < booster.current_iteration()
    trees = Trees.from_boosters([booster])
    assert booster.best_iteration == lgb.Booster(model_str=trees.texts[0]).num_trees()
    expected = booster.predict(rows(2), num_iteration=booster.best_iteration)
    np.testing.assert_array_equal(expected, mean_of(trees, rows(2))[:, 1])


@pytest.mark.parametrize("classes", [2, 3])
def test_no_rows(classes: int) -> None:
    """Without rows, the result is empty and has the usual shape."""
    assert (0, classes) == mean_of(Trees.from_boosters(boosters(classes)), rows(classes)[:0]).shape


@pytest.mark.parametrize("classes", [2, 3])
def test_any_company(classes: int) -> None:
    """The probabilities of a row are the same bits alone, among others, and in any memory layout."""
    trees, X = Trees.from_boosters(boosters(classes)), rows(classes)
    expected = mean_of(trees, X)
    for size in (1, 7, 69):
        pieces = [mean_of(trees, X[start : start + size]) for start in range(0, len(X), size)]
        np.testing.assert_array_equal(expected, np.concatenate(pieces))
    for same in (np.asfortranarray(X), np.repeat(X, 2, axis=1)[:, ::2]):
        np.testing.assert_array_equal(expected, mean_of(trees, same))


def test_texts_are_texts() -> None:
    """The text of a model is printable and contains no path of this machine."""
    for text in Trees.from_boosters(boosters(3)).texts:
        assert text.replace("\n", "").isprintable()
        assert str(Path.home()) not in text
        assert str(Path.cwd()) not in text
