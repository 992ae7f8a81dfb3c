"""Everything that is shown about one explained row, and its sentences."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from veritable.explanation.counterfactual import ChangeSearch
from veritable.explanation.similarity import find_similar
from veritable.figures.waterfall import format_step
from veritable.models.classifier import Classifier
from veritable.serving.attribution import Attributions
from veritable.serving.rows import Rows, cell_texts, value_texts
from veritable.tables.reading.source import quoted

_NAMED = 3  # columns in a sentence, each way
_COMPARED = 6  # columns of the table of similar rows
NO_CHANGE = (
    "No change of at most three columns was found, among the values that the background rows have, that turns the decision."
)
Mark = Callable[[str], str]  # how a text of the table is shown in a sentence


def _plain(text: str) -> str:
    return quoted(text)[1:-1]


@dataclass(frozen=True)
class Bar:
    """A column with its cell in the row, its value, and the standard error of the value (None for LIME)."""

    column: str
    cell: str
    value: float
    error: float | None

    def text(self, show: Mark) -> str:
        """Return, for example, "age = 39 (+0.81 ± 0.02)"."""
        return f"{show(self.column)} = {show(self.cell)} ({format_step(self.value, self.error)})"


@dataclass(frozen=True)
class Change:
    """A counterfactual: columns with their cell and their new value, and the decision and probability that follow."""

    columns: Sequence[tuple[str, str, str]]
    predicted: str
    probability: float


@dataclass(frozen=True)
class Similar:
    """A similar background row: its class, its mean distance, and its values of the compared columns."""

    actual: str
    distance: float
    values: Sequence[str]


@dataclass(frozen=True)
class RowReport:
    """What is shown about a row.

    Attributes
    ----------
    ids
        Values of the id columns.
    explained, probability
        Class whose score is explained, and its probability: the positive one of two, else the predicted one.
    threshold
        Probability from which the positive class is predicted; None if there are more than two classes.
    bars
        Columns in descending order of the absolute value.
    base, output
        Mean output of the background and output of the row, if the values lead from one to the other.
    fidelity
        R2 of LIME's model.
    compared
        Columns of `similar` with the row's own cells.
    """

    number: int
    ids: Mapping[str, str]
    predicted: str
    explained: str
    probability: float
    threshold: float | None
    bars: Sequence[Bar]
    base: float | None
    output: float | None
    fidelity: float | None
    change: Change | None
    compared: Sequence[tuple[str, str]]
    similar: Sequence[Similar]

    @property
    def name(self) -> str:
        """Return, for example, "Row 3 (customer c17)"."""
        ids = ", ".join(f"{quoted(name)[1:-1]} {quoted(text)[1:-1]}" for name, text in self.ids.items())
        return f"Row {self.number:,}{f' ({ids})' if ids else ''}"

    def decision(self, show: Mark = quoted) -> str:
        """State the probability and the decision."""
        if self.threshold is None:
            return f"{show(self.predicted)} is predicted, with a probability of {self.probability:.3f}."
        return (
            f"{show(self.explained)} has a probability of {self.probability:.3f} (threshold {self.threshold:.3g}), so "
            f"{show(self.predicted)} is predicted."
        )

    def reasons(self, show: Mark = _plain) -> str:
        """State what raises and what lowers the probability most."""
        raised = [bar.text(show) for bar in self.bars if bar.value > 0][:_NAMED]
        lowered = [bar.text(show) for bar in self.bars if bar.value < 0][:_NAMED]
        text = f"Raised by {', '.join(raised) or 'nothing'}; lowered by {', '.join(lowered) or 'nothing'}."
        return text if self.fidelity is None else f"{text} Fidelity (R2) {self.fidelity:.2f}."

    def alternative(self, show: Mark = quoted) -> str:
        """State the nearest change that turns the decision."""
        if self.change is None:
            return NO_CHANGE
        changes = [f"{show(name)} were {show(new)} instead of {show(cell)}" for name, cell, new in self.change.columns]
        return (
            f"{show(self.change.predicted)} would be predicted if {' and '.join(changes)}; the probability of "
            f"{show(self.explained)} would then be {self.change.probability:.3f}."
        )


def report_rows(rows: Rows, found: Attributions, classifier: Classifier, search: ChangeSearch) -> list[RowReport]:
    """Collect what is shown about each row."""
    y_prob, cells = classifier.predict_proba(rows.X), cell_texts(rows, classifier)
    decisions = classifier.decide(y_prob)
    explained = np.ones(len(rows), dtype=np.int64) if len(classifier.classes) == 2 else decisions
    ids = {name: array.to_pylist() for name, array in rows.ids.items()}
    reports = []
    for i, (number, code) in enumerate(zip(rows.numbers.tolist(), explained.tolist(), strict=True)):
        output = found.classes[i].tolist().index(code)
        bars = _bars(found, i, output, list(classifier.encoder.blocks), cells[i])
        base = None if found.base is None else float(found.base[i, output])
        compared = [list(classifier.encoder.blocks).index(bar.column) for bar in bars[:_COMPARED]]
        reports.append(
            RowReport(
                number,
                {name: str(values[i]) for name, values in ids.items()},
                classifier.classes[decisions[i]],
                classifier.classes[code],
                float(y_prob[i, code]),
                classifier.threshold,
                bars,
                base,
                None if base is None else base + float(found.values[i, :, output].sum()),
                None if found.fidelity is None else float(found.fidelity[i, output]),
                _change(rows.X[i], cells[i], code, classifier, search),
                [(bars[j].column, bars[j].cell) for j in range(len(compared))],
                _similar(rows.X[i], compared, classifier, search),
            )
        )
    return reports


def _bars(found: Attributions, row: int, output: int, names: Sequence[str], cells: np.ndarray) -> list[Bar]:
    values = found.values[row, :, output]
    errors = [None] * len(values) if found.errors is None else found.errors[row, :, output].tolist()
    order = np.argsort(-np.abs(values), kind="stable")
    return [Bar(names[i], cells[i], float(values[i]), errors[i]) for i in order]


def _change(x: np.ndarray, cells: np.ndarray, code: int, classifier: Classifier, search: ChangeSearch) -> Change | None:
    found = search.nearest(x)
    if found is None:
        return None
    names, (new,) = list(classifier.encoder.blocks), value_texts(found.x[None], classifier.encoder)
    changes = [(name, str(cells[names.index(name)]), str(new[names.index(name)])) for name in found.columns]
    return Change(changes, classifier.classes[found.decision], float(found.y_prob[code]))


def _similar(x: np.ndarray, columns: Sequence[int], classifier: Classifier, search: ChangeSearch) -> list[Similar]:
    assert classifier.background is not None, "ChangeSearch.fit has checked it"
    found = find_similar(search.values.distance, classifier.background, x)
    texts = value_texts(found.X, classifier.encoder)
    lines = zip(found.y.tolist(), found.distance.tolist(), texts[:, columns].tolist(), strict=True)
    return [Similar(classifier.classes[code], distance, values) for code, distance, values in lines]
