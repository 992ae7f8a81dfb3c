"""Folds: the rows of train and valid dealt anew, so that each of them is judged by a classifier that has not seen it."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from veritable.errors import UserError
from veritable.tables.encoding.parts import Part, Shards
from veritable.tables.splitting.split import separate_frequent


@dataclass(frozen=True)
class Fold:
    """What one classifier is made of.

    Attributes
    ----------
    train
        It is fitted on these rows.
    valid
        They end each fit and choose its best epoch or round.
    held
        They judge it; without folds they are the rows of valid.
    """

    train: Part | Shards
    valid: Part | Shards
    held: Part | Shards


def deal_folds(train: Part | Shards, valid: Part | Shards, folds: int, seed: int) -> Iterator[Fold]:
    """Without folds the parts as they are; else so many folds with equal shares of each class, of which each is held back once
    and is valid once, for the classifier before.

    Rows of one group or id, and rows that are equal, are in one fold; frequent rows are dealt one by one, as in `preprocess`.

    Raises
    ------
    UserError
        There are fewer rows than folds, or too many to be in memory.
    """
    if not folds:
        yield Fold(train, valid, valid)
        return
    if not isinstance(train, Part) or not isinstance(valid, Part):
        raise UserError(
            f"'train.n_splits' in params.yaml must be 0 where train and valid do not fit in train.memory_gib, however it is "
            f"{folds}. Raise train.memory_gib, or set train.n_splits to 0."
        )
    pool = Part.together([train, valid])
    unit = pool.unit
    if unit is None:
        equal = pd.util.hash_pandas_object(pd.DataFrame(pool.X), index=False).to_numpy()
        unit = separate_frequent(equal, pool.y, len(pool) / folds)
    if (most := len(np.unique(unit[pool.y == np.bincount(pool.y).argmax()]))) < folds:
        raise UserError(
            f"'train.n_splits' in params.yaml must be at most the number of different rows or groups of the commonest class, "
            f"however it is {folds} and they are {most}."
        )
    if grouped := len(np.unique(unit)) < len(unit):
        dealer: StratifiedKFold | StratifiedGroupKFold = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    else:
        dealer = StratifiedKFold(folds, shuffle=True, random_state=seed)
    place = np.empty(len(pool), dtype=np.int64)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The least populated class")  # is then in as many folds as it has rows
        for i, (_, held) in enumerate(dealer.split(pool.X, pool.y, unit if grouped else None)):
            place[held] = i
    for i in range(folds):
        chosen = (i + 1) % folds
        rows = (np.flatnonzero((place != i) & (place != chosen)), np.flatnonzero(place == chosen), np.flatnonzero(place == i))
        yield Fold(*map(pool.take, rows))
