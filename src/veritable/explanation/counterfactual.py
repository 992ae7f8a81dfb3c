"""Find the nearest change of a row that turns the decision of a classifier.

A change gives one to three columns of the table values that background rows have. Fewer columns come first, then the smaller
distance (`similarity.py`). All single changes on a grid of values are tried. A change of two or three columns is searched for
among the columns and values whose single changes come closest to turning the decision, so it may be missed if columns act only
together. The cost is at most about 5,000 predictions a row; above 1,000 columns, two more per column.
"""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, product
from typing import Self

import numpy as np

from veritable.errors import UserError
from veritable.explanation.changes import Change, KnownValues, spread, total
from veritable.models.classifier import Classifier

MAX_COLUMNS = 3
_SINGLES = 2_048  # single changes that are tried, at least two per column
_GRID = 32  # values of a column that are tried
_JOINT = {2: (10, 6), 3: (7, 3)}  # by number of changed columns: columns that are combined, and values of each
_REFINED = 5  # columns whose single changes are moved as near as possible
_TINY = 1e-300


@dataclass(frozen=True)
class Counterfactual:
    """A change that turns the decision.

    Attributes
    ----------
    x
        Encoded row after the change. Shape: (width,)
    columns
        Names of the changed columns, in the order of the table.
    decision
        Code of the class that is then predicted.
    y_prob
        Probabilities after the change. Shape: (classes,)
    distance
        Sum of the distances of the changed columns.
    """

    x: np.ndarray
    columns: tuple[str, ...]
    decision: int
    y_prob: np.ndarray
    distance: float


def nearest_change(classifier: Classifier, row: np.ndarray, fixed: Iterable[str] = ()) -> Counterfactual | None:
    """Find the nearest change of at most three columns that turns the decision; None if none is found.

    With two classes, the decision turns at the threshold of the classifier; with more, when another class is predicted.

    Parameters
    ----------
    row
        Encoded row. Shape: (width,)
    fixed
        Columns that do not change.

    Raises
    ------
    UserError
        The classifier was saved without train rows, or does not use a column of `fixed`.
    """
    return ChangeSearch.fit(classifier, fixed).nearest(row)


@dataclass(frozen=True)
class ChangeSearch:
    """The search of `nearest_change`, to be used for several rows.

    Attributes
    ----------
    values
        Values of the background rows.
    free
        Positions of the columns that may change.
    """

    classifier: Classifier
    values: KnownValues
    free: Sequence[int]

    @classmethod
    def fit(cls, classifier: Classifier, fixed: Iterable[str] = ()) -> Self:
        """Prepare the search. Raises the errors of `nearest_change`."""
        names, fixed = list(classifier.encoder.blocks), list(fixed)
        for name in fixed:
            if name not in names:
                near = difflib.get_close_matches(name, names, n=1)
                hint = f"Did you mean '{near[0]}'?" if near else f"The columns are: {', '.join(names[:12])}."
                raise UserError(f"a fixed column must be one that the classifier uses, but '{name}' is not. {hint}")
        if classifier.background is None:
            raise UserError(
                "a classifier must have train rows with it to search for changes, but has none. Set train.background_rows in "
                "params.yaml to 2 or more, and train it again."
            )
        free = [i for i, name in enumerate(names) if name not in fixed]
        return cls(classifier, KnownValues.of(classifier.background.X, classifier.encoder), free)

    def nearest(self, x: np.ndarray) -> Counterfactual | None:
        """Find the nearest change of a row; None if none is found. Shape: (width,)"""
        decision = int(self.classifier.predict(x[None])[0])
        singles = [(change,) for column in self.free for change in self.values.grid(x, column, self._grid_size)]
        turned, gains = self._try(x, singles, decision)
        best = self._best(singles, turned)
        rising = self._rising([change for (change,) in singles], gains) if best is None else {}
        for size, (n_columns, n_values) in _JOINT.items():
            if best is not None or len(rising) < size:
                break
            chosen = {c: [rising[c][i] for i in spread(len(rising[c]), n_values)] for c in list(rising)[:n_columns]}
            joint = [
                each for columns in combinations(chosen, size) for each in product(*(chosen[column] for column in columns))
            ]
            turned, _ = self._try(x, joint, decision)
            best = self._best(joint, turned)
        if best is None:
            return None
        refined = [
            self._refine(x, each, decision) for each in ([best] if len(best) > 1 else self._nearest_by_column(singles, turned))
        ]
        return self._describe(x, min(refined, key=total))

    @cached_property
    def _grid_size(self) -> int:
        return min(_GRID, max(2, _SINGLES // max(1, len(self.free))))

    def _try(self, x: np.ndarray, changes: Sequence[Sequence[Change]], decision: int) -> tuple[np.ndarray, np.ndarray]:
        """Return whether each change turns the decision, and its log of the probability of another class relative to it."""
        if not changes:
            return np.zeros(0, dtype=bool), np.zeros(0)
        y_prob = self.classifier.predict_proba(self.values.apply(x, [(), *changes]))
        turned = self.classifier.decide(y_prob) != decision
        others = np.delete(y_prob, decision, axis=1).max(axis=1)
        margins = np.log(np.maximum(others, _TINY)) - np.log(np.maximum(y_prob[:, decision], _TINY))
        return turned[1:], margins[1:] - margins[0]

    @staticmethod
    def _best(changes: Sequence[tuple[Change, ...]], turned: np.ndarray) -> tuple[Change, ...] | None:
        """Return the change with the smallest distance among those that turn the decision; of equal ones, the first."""
        found = [changes[i] for i in np.flatnonzero(turned).tolist()]
        return min(found, key=total) if found else None

    @staticmethod
    def _nearest_by_column(singles: Sequence[tuple[Change, ...]], turned: np.ndarray) -> list[tuple[Change, ...]]:
        """Return the nearest single change of each column that turns the decision, for the columns with the nearest ones."""
        found: dict[int, tuple[Change, ...]] = {}
        for i in np.flatnonzero(turned).tolist():
            column = singles[i][0].column
            found[column] = min(found.get(column, singles[i]), singles[i], key=total)
        return sorted(found.values(), key=total)[:_REFINED]

    @staticmethod
    def _rising(changes: Sequence[Change], gains: np.ndarray) -> dict[int, list[Change]]:
        """Return the changes of each column that gain more than all nearer ones; columns that gain most come first."""
        rising: dict[int, list[Change]] = {}
        most: dict[int, float] = {}
        for i in np.lexsort((-gains, np.array([change.distance for change in changes]))).tolist():
            if gains[i] > most.get(changes[i].column, 0.0):
                rising.setdefault(changes[i].column, []).append(changes[i])
                most[changes[i].column] = float(gains[i])
        return {column: rising[column] for column in sorted(rising, key=lambda column: (-most[column], column))}

    def _refine(self, x: np.ndarray, best: tuple[Change, ...], decision: int) -> tuple[Change, ...]:
        """Move each number, one after the other, to the nearest known value with which the decision still turns."""
        for i, column in enumerate([change.column for change in best]):
            if not self.values.is_ordered(column):
                continue
            changes = sorted(self.values.changes(x, column), key=lambda change: change.distance)
            low = 0.0
            for size in (_GRID, 4 * _GRID):  # all nearer values, then those beyond the last that fails
                nearer = [change for change in changes if low < change.distance < best[i].distance]
                tried = [(*best[:i], nearer[k], *best[i + 1 :]) for k in spread(len(nearer), size)]
                turned, _ = self._try(x, tried, decision)
                best = self._best([best, *tried], np.array([True, *turned])) or best
                failed = [each[i].distance for each, good in zip(tried, turned, strict=True) if not good]
                low = max((each for each in failed if each < best[i].distance), default=0.0)
        return best

    def _describe(self, x: np.ndarray, changes: Sequence[Change]) -> Counterfactual:
        (changed,) = self.values.apply(x, [changes])
        (y_prob,) = self.classifier.predict_proba(changed[None])
        names = list(self.classifier.encoder.blocks)
        columns = tuple(names[column] for column in sorted(change.column for change in changes))
        decision = int(self.classifier.decide(y_prob[None])[0])
        return Counterfactual(changed, columns, decision, y_prob, total(changes))
