"""Folds: every row is held back once, by a classifier that has not seen it, and rows that belong together stay together."""

from dataclasses import replace

import numpy as np
import pytest

from tests.rooms import numbers_part
from veritable.errors import UserError
from veritable.tables.encoding.parts import Part
from veritable.training.folds import Fold, deal_folds

TRAIN, VALID = numbers_part(120, 1, 3), replace(numbers_part(40, 2, 3), row=np.arange(1000, 1040))


def dealt(folds: int, train: Part = TRAIN, valid: Part = VALID, seed: int = 42) -> list[Fold]:
    return list(deal_folds(train, valid, folds, seed))


def test_none() -> None:
    """Without folds the parts are as they were, and valid is what judges."""
    (fold,) = dealt(0)
    assert (TRAIN, VALID, VALID) == (fold.train, fold.valid, fold.held)


@pytest.mark.parametrize("folds", [3, 5, 10])
def test_every_row_is_held_back_once(folds: int) -> None:
    """Of train and valid together each row is held back once, and chooses once, for the classifier before."""
    found = dealt(folds)
    assert folds == len(found)
    everyone = sorted([*TRAIN.row, *VALID.row])
    for name in ("held", "valid"):
        assert everyone == sorted(np.concatenate([getattr(fold, name).row for fold in found]))
    for fold in found:
        assert everyone == sorted([*fold.train.row, *fold.valid.row, *fold.held.row])
    for before, fold in zip(found, found[1:] + found[:1], strict=True):
        assert before.valid.row.tolist() == fold.held.row.tolist()


def test_rows_stay_whole() -> None:
    """A row keeps its class, its features and its weight."""
    train, valid = (replace(part, weight=part.row + 0.5) for part in (TRAIN, VALID))
    known = {
        int(row): (int(y), X.tolist()) for part in (TRAIN, VALID) for row, y, X in zip(part.row, part.y, part.X, strict=True)
    }
    for fold in dealt(4, train, valid):
        for part in (fold.train, fold.valid, fold.held):
            assert part.weight is not None
            np.testing.assert_array_equal(part.row + 0.5, part.weight)
            assert all(known[int(r)] == (y, X.tolist()) for r, y, X in zip(part.row, part.y, part.X, strict=True))


def test_shares_of_classes() -> None:
    """Every fold has nearly the same share of each class."""
    counts = np.array([np.bincount(fold.held.y, minlength=3) for fold in dealt(5)])
    assert (np.ptp(counts, axis=0) <= 1).all()


def test_seed() -> None:
    """The same seed deals the same folds, another one others."""
    one, two, other = (dealt(5, seed=seed)[0].held.row.tolist() for seed in (1, 1, 2))
    assert one == two != other


def test_groups_stay_together() -> None:
    """Rows of one group are in one fold, though they stood in train and in valid."""
    train, valid = (replace(part, unit=(part.row % 17).astype(np.uint64)) for part in (TRAIN, VALID))
    homes: dict[int, set[int]] = {}
    for i, fold in enumerate(dealt(4, train, valid)):
        assert fold.held.unit is not None
        for unit in fold.held.unit.tolist():
            homes.setdefault(unit, set()).add(i)
    assert 17 == len(homes)
    assert all(1 == len(folds) for folds in homes.values())


def test_equal_rows_stay_together() -> None:
    """Rows that are equal in every feature are in one fold."""
    double = Part(TRAIN.row + 5000, TRAIN.y, TRAIN.X)
    for fold in dealt(4, Part.together([TRAIN, double])):
        held = set(fold.held.row.tolist())
        assert all(row + 5000 in held for row in TRAIN.row if row in held)


def test_frequent_rows_are_in_all_folds() -> None:
    """Rows that are so frequent that folds would differ are dealt one by one, class by class."""
    often = Part(np.arange(5000, 5060), np.arange(60) % 3, np.zeros((60, 4), dtype=np.float32))
    for fold in dealt(4, Part.together([TRAIN, often])):
        own = fold.held.y[fold.held.row >= 5000]
        assert [5, 5, 5] == pytest.approx(np.bincount(own, minlength=3).tolist(), abs=3)


def test_too_few() -> None:
    """More folds than different rows are refused in one sentence."""
    same = replace(TRAIN, X=TRAIN.X.repeat(8, axis=0)[: len(TRAIN)])
    with pytest.raises(
        UserError, match=r"'train\.n_splits' in params\.yaml must be at most .* however it is 150 and they are 2\d\."
    ):
        dealt(150, same)


def test_a_rare_class() -> None:
    """A class of fewer rows than folds is in as many folds as it has rows, without a warning."""
    rare = replace(TRAIN, y=np.where(np.arange(len(TRAIN)) < 2, 3, TRAIN.y))
    assert 2 == sum((fold.held.y == 3).any() for fold in dealt(5, rare))
