"""Collect what is compared from new rows that arrive in batches, in memory that does not grow with them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from veritable.errors import TableError
from veritable.metrics.outcomes import Outcomes, compute_outcomes, sample_rows
from veritable.models.classifier import Classifier
from veritable.serving.checking.columns import Shift, adjust, compare, most_frequent
from veritable.serving.checking.sample import RowSample
from veritable.serving.checking.training import SEED, Training
from veritable.serving.checking.truth import Truth, judge_truth, threshold_gain
from veritable.serving.checking.two_sample import tell_apart
from veritable.serving.checking.verdict import Check
from veritable.serving.rows import InputProblems, Rows
from veritable.tables.profile import Profile
from veritable.tables.reading.source import preview, quoted
from veritable.tables.splitting import hashing
from veritable.tables.typing import parse
from veritable.tables.typing.contract import Column, read_column

_MAX_ROWS, _MAX_CELLS = 20_000, 2**23  # of the sample that is predicted
_BATCH_ROWS = 2_000
_MAX_UNSEEN = 1_000  # distinct levels per column that are counted
_SEEN, _SEEN_PART = 0.5, 0.2
_NEW = "new"


@dataclass(frozen=True)
class Roles:
    """Columns of the new rows that are not features.

    Attributes
    ----------
    truth
        Column with the classes; None if they are not known.
    weight
        Column of row weights; None if the classifier has none, or the classes are not known.
    unit
        Column of groups or ids; None if the table has none.
    """

    truth: str | None = None
    weight: str | None = None
    unit: str | None = None

    @property
    def names(self) -> list[str]:
        """The columns to read."""
        return [name for name in (self.truth, self.weight, self.unit) if name is not None]

    @classmethod
    def find(cls, names: Sequence[str], classifier: Classifier, truth: str | None) -> "Roles":
        """Find the columns of a table with these names.

        Raises
        ------
        TableError
            The column of the classes is absent or a feature, or the weights are absent although the metrics need them.
        """
        by_role = {column.role: column.name for column in classifier.contract.columns}
        unit = by_role.get("group", by_role.get("id"))
        unit = unit if unit in names else None
        if truth is None:
            return cls(unit=unit)
        if truth not in names or truth in [column.name for column in classifier.encoder.columns]:
            what = "is a feature of the classifier" if truth in names else f"does not exist; the columns are: {preview(names)}"
            raise TableError(f"--truth must name the column with the classes, but {quoted(truth)} {what}. Check --truth.")
        weight = by_role.get("weight")
        if weight is not None and weight not in names:
            raise TableError(
                f"the table must have the column of weights {quoted(weight)}, because the metrics of the classifier are "
                "weighted, but does not. Add the column, or check without --truth."
            )
        return cls(truth, weight, unit)


@dataclass
class Collector:
    """What was collected from the batches so far."""

    classifier: Classifier
    training: Training
    roles: Roles
    problems: InputProblems
    n_rows: int = 0
    profile: Profile = field(init=False)
    sample: RowSample = field(init=False)
    units: hashing.DistinctCounter = field(init=False, default_factory=hashing.DistinctCounter)
    unseen: dict[str, Counter[str]] = field(init=False, default_factory=dict)
    _known: np.ndarray = field(init=False)
    _found: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.profile = Profile.empty(self.training.profile.bins, [_NEW])
        width, background = len(self.classifier.encoder.names), self.classifier.background
        self.sample = RowSample.empty(min(_MAX_ROWS, max(1_000, _MAX_CELLS // width)), SEED)
        self._known = np.unique(_hash(background.X)) if background is not None else np.empty(0, dtype=np.uint64)
        self._found = np.zeros(len(self._known), dtype=bool)

    def add(self, rows: Rows, others: Mapping[str, pa.Array]) -> None:
        """Add a batch, and the columns of `roles` by name. Shape: (n,) each"""
        self.problems.count(rows.read.odd)
        self.n_rows += len(rows)
        self.profile.add(rows.read, self.classifier.encoder, np.zeros(len(rows), dtype=np.uint8))
        columns = {"X": rows.X}
        if self.roles.truth is not None:
            columns["y"] = self._read_truth(others[self.roles.truth], rows.first)
        if self.roles.weight is not None:
            columns["weight"] = self._read_weight(others[self.roles.weight])
        self.sample.add(rows.numbers, columns)
        if self.roles.unit is not None:
            self.units.update(self._unit_keys(others[self.roles.unit], rows.numbers), len(rows))
        self._count_unseen(rows)
        if len(self._known):
            keys = _hash(rows.X)
            place = np.minimum(np.searchsorted(self._known, keys), len(self._known) - 1)
            self._found[place[self._known[place] == keys]] = True

    def finish(self) -> Check:
        """Compare what was collected with what the classifier was trained on.

        Raises
        ------
        TableError
            There are no rows.
        """
        if not self.n_rows:
            raise TableError("the table must have rows, but has none. Check the file.")
        n_units = self.units.distinct if self.roles.unit is not None else None
        independent = 1.0 if n_units is None else min(1.0, n_units / self.n_rows)
        X = self.sample.columns["X"]
        y_prob = np.concatenate(
            [self.classifier.predict_proba(X[start : start + _BATCH_ROWS]) for start in range(0, len(X), _BATCH_ROWS)]
        )
        y_pred = self.classifier.decide(y_prob)
        outcomes = compute_outcomes(y_prob, y_pred, bins=self.training.held_out.bins, seed=SEED)
        shifts = adjust([*self._compare_columns(independent), *self._compare_predicted(outcomes, independent)])
        n_columns = len(self.profile.bins)
        background = self.classifier.background
        return Check(
            self.classifier.contract.target,
            self.classifier.classes,
            self.n_rows,
            n_units,
            len(X),
            shifts[:n_columns],
            shifts[n_columns:],
            None if background is None else tell_apart(background.X, X, self.classifier.encoder),
            self._judge_truth(y_prob, y_pred),
            self.training.held_out,
            self._seen,
            0 if background is None else len(background.X),
            self.problems.sentences(),
        )

    @property
    def _seen(self) -> bool:
        """Whether most train rows are among the new rows, and are a good part of them."""
        background = self.classifier.background
        if background is None or not len(self._known):
            return False
        share = float(self._found.mean())
        return share > _SEEN and share * background.n_train > _SEEN_PART * self.n_rows

    def _compare_columns(self, independent: float) -> list[Shift]:
        trained, found, odd = self.training.profile, [], self.problems.values
        for i, bins in enumerate(trained.bins):
            found.append(
                compare(
                    bins.name,
                    bins.kind,
                    bins.labels,
                    trained.counts["train"][i],
                    self.profile.counts[_NEW][i],
                    valid=trained.counts["valid"][i],
                    independent=independent,
                    unreadable=odd["wrong"][bins.name],
                    outside=odd["outside"][bins.name],
                    unseen=most_frequent(self.unseen.get(bins.name, Counter()), trained.min_count),
                )
            )
        return found

    def _compare_predicted(self, outcomes: Outcomes, independent: float) -> list[Shift]:
        held_out, bins = self.training.held_out, self.training.held_out.bins
        return [
            compare("score", "score", bins.labels, held_out.scores, outcomes.scores, independent=independent),
            compare(
                "predicted class",
                "class",
                self.classifier.classes,
                held_out.predicted,
                outcomes.predicted,
                independent=independent,
            ),
        ]

    def _judge_truth(self, y_prob: np.ndarray, y_pred: np.ndarray) -> Truth | None:
        if self.roles.truth is None:
            return None
        y, weight = self.sample.columns["y"], self.sample.columns.get("weight")
        labeled = np.flatnonzero(y >= 0)
        if not len(labeled):
            raise TableError(f"the column {quoted(self.roles.truth)} must hold classes, but holds none. Check --truth.")
        y, y_prob, y_pred = y[labeled], y_prob[labeled], y_pred[labeled]
        weight = None if weight is None else weight[labeled]
        bins, goal = self.training.held_out.bins, self.classifier.goal
        outcomes = compute_outcomes(y_prob, y_pred, y, weight=weight, bins=bins, seed=SEED)
        own = sample_rows(len(y), y_prob.shape[1], SEED)
        kept = None if weight is None else weight[own]
        gain = None if goal is None else threshold_gain(y[own], y_prob[own], y_pred[own], goal, kept)
        return judge_truth(outcomes, self.training.held_out, gain, goal, len(self.sample) - len(labeled))

    def _count_unseen(self, rows: Rows) -> None:
        """Count the levels that train does not have, at most `_MAX_UNSEEN` per column."""
        columns = {column.name: column for column in self.classifier.contract.columns}
        for name, odd in rows.read.odd["unseen"].items():
            texts = self._texts(rows.columns[name].filter(pa.array(odd)), columns[name])
            index = parse.dictionary_index(texts)
            counts, counter = np.bincount(index, minlength=len(texts.dictionary)), self.unseen.setdefault(name, Counter())
            for text, rows_of_text in zip(texts.dictionary.to_pylist(), counts.tolist(), strict=False):
                if text is not None and rows_of_text and (text in counter or len(counter) < _MAX_UNSEEN):
                    counter[text] += rows_of_text

    def _texts(self, array: pa.Array, column: Column | None = None) -> pa.DictionaryArray:
        codes = () if column is None else column.missing_codes
        return parse.clean_texts(parse.plain_array(array), {*self.classifier.contract.reading.missing, *codes})

    def _read_truth(self, array: pa.Array, first: int) -> np.ndarray:
        """Return class codes, -1 where the class is missing. Shape: (n,) int64"""
        contract = self.classifier.contract
        target = next(column for column in contract.columns if column.name == contract.target)
        texts = self._texts(array, target)
        codes = [-1 if text is None else contract.class_code(text) for text in texts.dictionary.to_pylist()]
        index = parse.dictionary_index(texts)
        if None in codes and (unknown := np.flatnonzero(np.isin(index, np.flatnonzero([code is None for code in codes])))).size:
            row = int(unknown[0])
            text = texts.dictionary[int(index[row])].as_py()
            raise TableError(
                f"the column {quoted(self.roles.truth or '')} must hold the classes {preview(contract.classes)}, but row "
                f"{first + row + 1:,} has {quoted(text)}. Correct the table, or check without --truth."
            )
        found: np.ndarray = np.array([*(-1 if code is None else code for code in codes), -1])[index]
        return found

    def _read_weight(self, array: pa.Array) -> np.ndarray:
        """Return the weights. Shape: (n,) float64"""
        contract = self.classifier.contract
        column = next(column for column in contract.columns if column.role == "weight")
        numbers = read_column(array, column, frozenset(contract.reading.missing)).numbers
        if np.isnan(numbers).any() or (numbers < 0).any():
            raise TableError(
                f"the column of weights {quoted(column.name)} must hold numbers of 0 or more in every row, but does not. "
                "Correct the table, or check without --truth."
            )
        return numbers

    def _unit_keys(self, array: pa.Array, numbers: np.ndarray) -> np.ndarray:
        """Return a hash of the group of each row; a row without a group is one of its own. Shape: (n,) uint64"""
        texts = self._texts(array)
        hashes = np.array(
            [0 if text is None else hashing.hash_text(text) for text in texts.dictionary.to_pylist()], dtype=np.uint64
        )
        missing = np.append(texts.dictionary.is_null().to_numpy(zero_copy_only=False), True)
        index = parse.dictionary_index(texts)
        keys = hashing.mix(np.append(hashes, np.uint64(0))[index])
        return np.where(missing[index], hashing.mix(numbers.astype(np.uint64)), keys)


def _hash(X: np.ndarray) -> np.ndarray:
    """Return a hash of each encoded row. Shape: (n, width) -> (n,) uint64"""
    return hashing.hash_rows(hashing.hash_numbers(column.astype(np.float64)) for column in X.T)
