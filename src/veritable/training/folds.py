"""Cross-validation folds of the rows of train and valid, so that each row is predicted by models that have not seen it."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from veritable.errors import UserError
from veritable.tables.encoding.parts import Part, Shards
from veritable.tables.splitting.split import separate_frequent
from veritable.training.plan import TrainPlan


@dataclass(frozen=True)
class Fold:
    """The rows of one fit.

    Attributes
    ----------
    train
        Rows to fit on.
    valid
        Rows that stop each fit and weigh the members.
    """

    train: Part | Shards
    valid: Part | Shards


def split_folds(train: Part | Shards, valid: Part | Shards, plan: TrainPlan) -> Iterator[Fold]:
    """Yield the parts as a single fold if `n_splits` is 0, otherwise `n_splits` stratified folds of their pooled rows.

    Each fold is valid once, in the fit on the others. Rows with the same group or id, and equal rows, are in the same fold;
    frequent rows are dealt one by one, as in `preprocess`.

    Raises
    ------
    UserError
        There are fewer rows or groups than folds, and the plan wants exactly as many, or a part does not fit in memory.
    """
    n_splits = plan.n_splits
    if not n_splits:
        yield Fold(train, valid)
        return
    if not isinstance(train, Part) or not isinstance(valid, Part):
        raise UserError(
            f"train.n_splits must be 0 or auto if train and valid do not fit in train.memory_gib, but is {n_splits}. Increase "
            "train.memory_gib, or set train.n_splits to auto."
        )
    pool = Part.together([train, valid])
    unit = pool.unit
    if unit is None:
        equal = pd.util.hash_pandas_object(pd.DataFrame(pool.X), index=False).to_numpy()
        unit = separate_frequent(equal, pool.y, len(pool) / n_splits)
    if (n_units := len(np.unique(unit[pool.y == np.bincount(pool.y).argmax()]))) < n_splits:
        if not plan.fewer_splits:
            raise UserError(
                f"train.n_splits must be at most the number of distinct rows or groups of the most frequent class, {n_units}, "
                f"but is {n_splits}. Decrease it."
            )
        if n_units < 2:
            yield Fold(train, valid)
            return
        n_splits = n_units
    if grouped := len(np.unique(unit)) < len(unit):
        splitter: StratifiedKFold | StratifiedGroupKFold = StratifiedGroupKFold(n_splits, shuffle=True, random_state=plan.seed)
    else:
        splitter = StratifiedKFold(n_splits, shuffle=True, random_state=plan.seed)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The least populated class")  # it is absent from some folds
        folds = list(splitter.split(pool.X, pool.y, unit if grouped else None))
    for rows, held_out in folds:
        yield Fold(pool.take(rows), pool.take(held_out))
