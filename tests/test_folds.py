"""Folds: every row is held out once, and rows that belong together stay in one fold."""

from dataclasses import replace

import numpy as np
import pytest

from tests.rooms import numbers_part
from tests.training import train_plan
from veritable.errors import UserError
from veritable.tables.encoding.parts import Part, Shards
from veritable.training.folds import Fold, split_folds

TRAIN, VALID = numbers_part(120, 1, 3), replace(numbers_part(40, 2, 3), row=np.arange(1000, 1040))


def split(n_splits: int, train: Part = TRAIN, valid: Part = VALID, seed: int = 42, *, fewer: bool = False) -> list[Fold]:
    """Split into folds; `fewer` as `auto` plans it."""
    plan = train_plan(n_splits=n_splits, seed=seed).model_copy(update={"fewer_splits": fewer})
    return list(split_folds(train, valid, plan))


def test_none() -> None:
    """Without folds, the parts are unchanged."""
    (fold,) = split(0)
    assert fold.train is TRAIN
    assert fold.valid is VALID


@pytest.mark.parametrize("folds", [2, 3, 5, 10])
def test_every_row_is_valid_once(folds: int) -> None:
    """Each row of train and valid is valid once, in the fit on all others."""
    found = split(folds)
    assert folds == len(found)
    everyone = sorted([*TRAIN.row, *VALID.row])
    assert everyone == sorted(np.concatenate([fold.valid.row for fold in found]))
    for fold in found:
        assert everyone == sorted([*fold.train.row, *fold.valid.row])


def test_rows_are_unchanged() -> None:
    """A row keeps its class, features and weight."""
    train, valid = (replace(part, weight=part.row + 0.5) for part in (TRAIN, VALID))
    known = {
        int(row): (int(y), X.tolist()) for part in (TRAIN, VALID) for row, y, X in zip(part.row, part.y, part.X, strict=True)
    }
    for fold in split(4, train, valid):
        for part in (fold.train, fold.valid):
            assert part.weight is not None
            np.testing.assert_array_equal(part.row + 0.5, part.weight)
            assert all(known[int(r)] == (y, X.tolist()) for r, y, X in zip(part.row, part.y, part.X, strict=True))


def test_shares_of_classes() -> None:
    """Every fold has about the same share of each class."""
    counts = np.array([np.bincount(fold.valid.y, minlength=3) for fold in split(5)])
    assert (np.ptp(counts, axis=0) <= 1).all()


def test_seed() -> None:
    """The same seed gives the same folds; another seed gives others."""
    one, two, other = (split(5, seed=seed)[0].valid.row.tolist() for seed in (1, 1, 2))
    assert one == two != other


def test_groups_stay_together() -> None:
    """The rows of a group are in one fold, even if they come from both train and valid."""
    train, valid = (replace(part, unit=(part.row % 17).astype(np.uint64)) for part in (TRAIN, VALID))
    homes: dict[int, set[int]] = {}
    for i, fold in enumerate(split(4, train, valid)):
        assert fold.valid.unit is not None
        for unit in fold.valid.unit.tolist():
            homes.setdefault(unit, set()).add(i)
    assert 17 == len(homes)
    assert all(1 == len(folds) for folds in homes.values())


def test_equal_rows_stay_together() -> None:
    """Rows with equal features are in one fold."""
    double = Part(TRAIN.row + 5000, TRAIN.y, TRAIN.X)
    for fold in split(4, Part.together([TRAIN, double])):
        held = set(fold.valid.row.tolist())
        assert all(row + 5000 in held for row in TRAIN.row if row in held)


def test_frequent_rows_are_in_all_folds() -> None:
    """Rows that are so frequent that folds would differ are dealt one by one, class by class."""
    often = Part(np.arange(5000, 5060), np.arange(60) % 3, np.zeros((60, 4), dtype=np.float32))
    for fold in split(4, Part.together([TRAIN, often])):
        own = fold.valid.y[fold.valid.row >= 5000]
        assert [5, 5, 5] == pytest.approx(np.bincount(own, minlength=3).tolist(), abs=3)


def test_too_few() -> None:
    """More folds than distinct rows are refused."""
    same = replace(TRAIN, X=TRAIN.X.repeat(8, axis=0)[: len(TRAIN)])
    with pytest.raises(UserError, match=r"train\.n_splits must be at most .* most frequent class, 2\d, but is 150\."):
        split(150, same)


@pytest.mark.parametrize(("distinct", "expected"), [(2, 2), (3, 3), (5, 4), (1, 1)])
def test_fewer_splits(distinct: int, expected: int) -> None:
    """With `auto`, there are as many folds as distinct rows of the most frequent class, or the parts if there is only one."""
    train, valid = (replace(part, unit=np.arange(len(part)).astype(np.uint64) % distinct) for part in (TRAIN, VALID))
    found = split(4, train, valid, fewer=True)
    assert expected == len(found)
    if distinct == 1:
        assert (train.row.tolist(), valid.row.tolist()) == (found[0].train.row.tolist(), found[0].valid.row.tolist())
    with pytest.raises(UserError, match=rf"most frequent class, {distinct}, but is 7\."):
        split(7, train, valid)


def test_parts_on_disk() -> None:
    """Folds of a part that does not fit in memory are refused."""
    shards = Shards.__new__(Shards)
    with pytest.raises(UserError, match=r"train\.n_splits must be 0 or auto if train and valid do not fit .*, but is 3\."):
        list(split_folds(shards, VALID, train_plan(n_splits=3)))


def test_a_rare_class() -> None:
    """A class with fewer rows than folds is in as many folds as it has rows, without a warning."""
    rare = replace(TRAIN, y=np.where(np.arange(len(TRAIN)) < 2, 3, TRAIN.y))
    assert 2 == sum((fold.valid.y == 3).any() for fold in split(5, rare))
