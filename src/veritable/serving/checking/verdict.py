"""What the check of new rows has found, and whether to retrain."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from veritable.metrics.outcomes import Outcomes
from veritable.serving.checking.columns import MIN_ROWS, Shift
from veritable.serving.checking.truth import Truth
from veritable.serving.checking.two_sample import ToldApart
from veritable.serving.rows import plural
from veritable.tables.reading.source import quoted

_NAMED = 5  # columns that a sentence describes


@dataclass(frozen=True)
class Check:
    """Result of the check of new rows.

    Attributes
    ----------
    n_rows
        Number of new rows.
    n_units
        Number of groups or ids among them; None without such a column.
    n_predicted
        Number of rows, drawn at random, for which predictions were computed.
    columns
        Comparison of each column with the train part.
    predicted
        Comparison of the scores and of the predicted classes with those of the rows held out.
    seen
        Whether most of the train rows that the classifier was saved with are among these rows, and a good part of them.
    background_rows
        Number of train rows that the classifier was saved with.
    problems
        Sentences about absent, unknown and unreadable values.
    """

    target: str
    classes: Sequence[str]
    n_rows: int
    n_units: int | None
    n_predicted: int
    columns: Sequence[Shift]
    predicted: Sequence[Shift]
    told_apart: ToldApart | None
    truth: Truth | None
    held_out: Outcomes
    seen: bool
    background_rows: int
    problems: Sequence[str]

    @property
    def few(self) -> bool:
        """Whether there are too few rows to judge."""
        return (self.n_rows if self.n_units is None else self.n_units) < MIN_ROWS

    @property
    def drifted(self) -> list[Shift]:
        """Columns whose shift is a reason to retrain, the largest shift first."""
        return sorted((each for each in self.columns if each.drifted and each.counts), key=lambda each: -each.index)

    @property
    def differences(self) -> list[str]:
        """Sentences about what differs clearly between the new rows and those of training."""
        found = [f"{quoted(each.name)} is distributed differently ({each.describe()})" for each in self.drifted[:_NAMED]]
        if more := self.drifted[_NAMED:]:
            found.append(f"{plural(len(more), 'more column')} distributed differently")
        if not self.seen:
            names = {"score": "The predicted probabilities are", "class": "The predicted classes are"}
            found += [
                f"{names[each.kind]} distributed differently ({each.describe()})" for each in self.predicted if each.drifted
            ]
        if self.told_apart is not None and self.told_apart.differ:
            auc, columns = self.told_apart.auc, ", ".join(quoted(name) for name, _ in self.told_apart.columns)
            found.append(
                f"A model tells these rows from train rows with a ROC AUC of {auc.value:.2f} [{auc.low:.2f}, {auc.high:.2f}], "
                f"mostly by {columns}"
            )
        return found

    @property
    def faults(self) -> list[str]:
        """Sentences about what is worse than on the rows held out."""
        return [] if self.truth is None else self.truth.faults

    @property
    def retrain(self) -> bool:
        """Whether to retrain. Known classes count for more than differences between the rows."""
        return bool(self.faults) or (not self.few and not self.holds and bool(self.differences))

    @property
    def holds(self) -> bool:
        """Whether it is shown that the classifier predicts these rows as well as the rows held out."""
        return self.truth is not None and self.truth.held and not self.seen

    @property
    def sentence(self) -> str:
        """The recommendation."""
        differ = len(self.differences)
        if self.faults:
            return "Retrain: the classifier predicts these rows worse than the rows held out when it was trained."
        if self.few:
            what = (
                f"{self.n_rows:,} rows" if self.n_units is None else f"{self.n_rows:,} rows of {self.n_units:,} groups or ids"
            )
            return f"Nothing can be said: {MIN_ROWS} independent rows or more are needed to judge, but the table has {what}."
        if self.retrain:
            known = " Their classes are not known: with them, --truth says whether the predictions are worse."
            return "Retrain: these rows differ from those that the classifier was trained on." + (
                known if self.truth is None else ""
            )
        if self.holds:
            although = ", although they differ from those that it was trained on" if differ else ""
            return f"No reason to retrain: the classifier predicts these rows as well as the rows held out{although}."
        return "No reason to retrain: no large difference from the rows that the classifier was trained on was found."

    @property
    def notes(self) -> list[str]:
        """Sentences about what limits this check."""
        found = []
        later = [each for each in self.columns if not each.counts and each.drifted]
        if later:
            names = ", ".join(quoted(each.name) for each in later[:_NAMED])
            found.append(f"Dates are no reason to retrain, because time moves on; their distribution has changed: {names}.")
        if self.seen:
            found.append(
                "Most of the train rows that the classifier was saved with are among these rows. Predictions for train rows "
                "are too good, so they are not compared; check rows that are newer."
            )
        if self.background_rows == 0:
            found.append(
                "Whether a model can tell these rows from train rows was not tested: the classifier was saved without any."
            )
        elif self.told_apart is None and not self.few:
            found.append(
                "Whether a model can tell these rows from train rows was not tested: there are too few, or only dates."
            )
        if self.truth is not None:
            if self.truth.unlabeled:
                found.append(f"{self.truth.unlabeled:,} of the predicted rows have no class and are left out of the metrics.")
            if self.truth.few:
                found.append("There are too few rows of each class to compare the metrics.")
            elif not self.truth.held and not self.faults:
                found.append(
                    "There are too few rows with a class to exclude that the log loss has increased by "
                    f"{self.truth.margin:.3f} or more, a tenth of what the classifier gains over the shares of the classes."
                )
        return found

    def to_json(self) -> dict[str, Any]:
        """Return a dict of JSON types."""
        return {
            "retrain": self.retrain,
            "sentence": self.sentence,
            "reasons": [*self.faults, *self.differences],
            "notes": self.notes,
            "problems": list(self.problems),
            "rows": {"table": self.n_rows, "groups": self.n_units, "predicted": self.n_predicted},
            "columns": [each.to_json() for each in self.columns],
            "predicted": [each.to_json() for each in self.predicted],
            "told_apart": None if self.told_apart is None else asdict(self.told_apart),
            "truth": None if self.truth is None else self.truth.to_json(),
            "held_out": self.held_out.to_json(),
        }

    def __str__(self) -> str:
        """Return the recommendation with its reasons, notes and problems, a line each."""
        lines = [self.sentence, *(f"  {each}" for each in (*self.faults, *self.differences))]
        lines += [f"  Note: {each}" for each in self.notes]
        lines += [f"  Problem: {each}" for each in self.problems]
        return "\n".join(lines)
