"""Compare two versions of a classifier by their predictions for the test part: differences with intervals, and flipped rows.

The difference of two metrics has a paired interval only if both versions predicted the same rows with the same actual classes.
Otherwise each version is resampled on its own rows, and the comparison says why.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from veritable.evaluation.groups import MAX_GROUPS, MIN_ROWS, assign_groups
from veritable.evaluation.params import EvaluateParams
from veritable.evaluation.predictions import PartPredictions
from veritable.evaluation.verdict import Outcome
from veritable.metrics.intervals import Interval
from veritable.metrics.metrics import METRICS, Resampled, resample_metrics
from veritable.metrics.paired import subtract
from veritable.metrics.thresholds import predict_classes
from veritable.progress import progress

LOWER_IS_BETTER = frozenset({"log_loss", "brier"})
_ASPECTS = {"roc_auc": "ranking", "log_loss": "probabilities", "accuracy": "accuracy"}  # what the headline speaks of


@dataclass(frozen=True)
class Judged:
    """What a comparison needs of a version.

    Attributes
    ----------
    predictions
        Predictions for the test part.
    classes
        Names of the classes, in the order of their codes.
    threshold
        Threshold of a binary classifier; None with more classes.
    """

    predictions: PartPredictions
    classes: Sequence[str]
    threshold: float | None


@dataclass(frozen=True)
class Change:
    """A metric of both versions.

    Attributes
    ----------
    old, new
        The metric with its interval.
    difference
        New minus old; all None if the versions cannot be compared or a metric is undefined.
    outcome
        "better" or "worse" if the interval of the difference excludes 0, "tied" if it does not; None without a difference.
    """

    old: Interval
    new: Interval
    difference: Interval
    outcome: Outcome | None


@dataclass(frozen=True)
class Flips:
    """Test rows that the two versions predict as different classes.

    Attributes
    ----------
    became_wrong, became_right, stayed_wrong
        Number of rows whose prediction was right and is wrong, the reverse, and that have another wrong class.
    by_threshold
        Number of these rows that would have kept their class with the earlier threshold; None if the threshold is the same or
        there are more than two classes.
    """

    became_wrong: int
    became_right: int
    stayed_wrong: int
    by_threshold: int | None

    @property
    def rows(self) -> int:
        """Number of all flipped rows."""
        return self.became_wrong + self.became_right + self.stayed_wrong


@dataclass(frozen=True)
class GroupChange:
    """A group of a sensitive column; `changes` is None if it has too few rows or no weight."""

    group: str | None
    rows: int
    changes: Mapping[str, Change] | None


@dataclass(frozen=True)
class Comparison:
    """The comparison of two versions.

    Attributes
    ----------
    unpaired
        Sentence that says why the intervals are not paired; empty if they are.
    identical
        Whether all predictions are equal.
    changes
        The change of each metric by name.
    flips
        Flipped rows; None if the intervals are not paired.
    groups
        The groups of each sensitive column of the new version, the largest 20; empty if the intervals are not paired.
    thresholds
        The threshold of the old and of the new version.
    rows
        Number of test rows of the old and of the new version.
    """

    unpaired: str
    identical: bool
    changes: Mapping[str, Change]
    flips: Flips | None
    groups: Mapping[str, Sequence[GroupChange]]
    thresholds: tuple[float | None, float | None]
    rows: tuple[int, int]
    confidence_level: float

    def to_json(self) -> dict[str, Any]:
        """Return the comparison as a dict for JSON."""
        return asdict(self)


def compare_predictions(old: Judged, new: Judged, params: EvaluateParams, min_count: int = 1) -> Comparison:
    """Compare two versions on their test rows, which are matched by their row number.

    Parameters
    ----------
    min_count
        Number of rows that a group must have to be named.

    Examples
    --------
    >>> y_prob = np.array([[0.9, 0.1], [0.4, 0.6], [0.7, 0.3], [0.2, 0.8]])
    >>> rows = PartPredictions(np.arange(4), np.array([0, 1, 0, 1]), y_prob.argmax(axis=1), y_prob)
    >>> version = Judged(rows, ["no", "yes"], 0.5)
    >>> compare_predictions(version, version, EvaluateParams(n_resamples=100, confidence_level=0.95, seed=0)).identical
    True
    """
    old, new = sort_by_row(old), sort_by_row(new)
    unpaired = why_unpaired(old, new)
    comparable, level = old.classes == new.classes, params.confidence_level
    with progress() as bar:
        versions = []
        for name, judged, shift in (("old", old, 1 if unpaired else 0), ("new", new, 0)):
            task = bar.add_task(f"resampling the {name} version", total=params.n_resamples)
            versions.append(
                _resample(judged.predictions, params, shift, advance=lambda done, task=task: bar.advance(task, done))
            )
        first, second = versions
        groups = {} if unpaired else _compare_groups(old.predictions, new.predictions, params, min_count)
    identical = not unpaired and all(
        np.array_equal(getattr(old.predictions, name), getattr(new.predictions, name)) for name in ("y_pred", "y_prob")
    )
    return Comparison(
        unpaired=unpaired,
        identical=identical,
        changes=_changes(first, second, level, comparable=comparable),
        flips=None if unpaired else _count_flips(old, new),
        groups=groups,
        thresholds=(old.threshold, new.threshold),
        rows=(len(old.predictions.row), len(new.predictions.row)),
        confidence_level=level,
    )


def write_headline(comparison: Comparison, name: str) -> str:
    """Say in one sentence how the new version differs from the old one.

    Parameters
    ----------
    name
        Name of the old version.
    """
    if comparison.identical:
        return f"All predictions equal those of {name}."
    outcomes = {metric: comparison.changes[metric].outcome for metric in _ASPECTS}
    if all(outcome is None for outcome in outcomes.values()):
        return f"No metric can be compared with {name}: {comparison.unpaired}"
    said = [_claim(metric, comparison.changes[metric]) for metric in _ASPECTS if outcomes[metric] in ("better", "worse")]
    tied = [aspect for metric, aspect in _ASPECTS.items() if outcomes[metric] == "tied"]
    if said:
        said[0] = f"{said[0][0].upper()}{said[0][1:]} than {name}"
        tail = f"; {_join(tied)} not told apart" if tied else ""
        sentence = f"{', '.join(said)}{tail}"
    else:
        sentence = f"Not told apart from {name} in {_join(tied)}"
    return f"{sentence}{' (intervals are not paired)' if comparison.unpaired else ''}."


def overall_outcome(comparison: Comparison) -> Outcome:
    """Return "better" or "worse" if ranking, probabilities and accuracy that differ agree on it, else "tied"."""
    outcomes = {comparison.changes[metric].outcome for metric in _ASPECTS} & {"better", "worse"}
    return "better" if outcomes == {"better"} else "worse" if outcomes == {"worse"} else "tied"


def describe_flips(comparison: Comparison) -> str:
    """Say how many rows changed class and how many of them because of the threshold; empty if the rows are not the same."""
    flips, (old, new) = comparison.flips, comparison.thresholds
    if flips is None:
        return ""
    moved = f" The threshold moved from {old:.3f} to {new:.3f}" if old is not None and new is not None and old != new else ""
    if flips.rows == 0:
        return f"None of {comparison.rows[1]:,} test rows changed class.{moved}{'.' if moved else ''}"
    parts = [f"{flips.became_wrong:,} became wrong", f"{flips.became_right:,} became right"]
    parts += [f"{flips.stayed_wrong:,} are wrong in another way"] if flips.stayed_wrong else []
    sentence = f"{flips.rows:,} of {comparison.rows[1]:,} test rows changed class: {', '.join(parts)}."
    if flips.by_threshold is None:
        return f"{sentence}{moved}{'.' if moved else ''}"
    kept = f"{flips.by_threshold:,}" if flips.by_threshold else "none"
    return f"{sentence}{moved}; with the earlier threshold, {kept} of them would have kept their class."


def describe_caution(comparison: Comparison) -> str:
    """Say what weakens the comparison; empty if nothing does."""
    sentences = [comparison.unpaired] if comparison.unpaired else []
    rows = min(comparison.rows)
    if rows < MIN_ROWS:
        sentences.append(f"With {rows:,} test rows, the intervals are too narrow to rely on.")
    return " ".join(sentences)


def _claim(metric: str, change: Change) -> str:
    better = change.outcome == "better"
    if metric == "roc_auc":
        return "better ranked" if better else "worse ranked"
    if metric == "log_loss":
        return "with better probabilities" if better else "with worse probabilities"
    points = 100 * abs(change.difference.value or 0)
    return f"{points:.{'2g' if points < 10 else '0f'}} points {'more' if better else 'less'} accurate"


def _join(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def sort_by_row(judged: Judged) -> Judged:
    """Sort the rows by their number. Two versions may hold the same test rows in a different order."""
    predictions = judged.predictions
    order = np.argsort(predictions.row, kind="stable")
    sensitive = {name: each[order] for name, each in predictions.sensitive.items()}
    return Judged(replace(predictions.take(order), sensitive=sensitive), list(judged.classes), judged.threshold)


def why_unpaired(old: Judged, new: Judged) -> str:
    """Say why two versions, both sorted by row, cannot be compared row by row; empty if they can."""
    if old.classes != new.classes:
        if set(old.classes) == set(new.classes):
            return "The order of the classes differs, and with it the positive class."
        return f"The classes differ: {_listed(old.classes)} against {_listed(new.classes)}."
    first, second = old.predictions, new.predictions
    if not np.array_equal(first.row, second.row):
        common = len(np.intersect1d(first.row, second.row))
        return f"The test rows differ: {common:,} of {len(first.row):,} and {len(second.row):,} rows are the same."
    if differing := int((first.y_true != second.y_true).sum()):
        return f"The actual classes of {differing:,} of {len(first.row):,} test rows differ."
    if (first.weight is None) != (second.weight is None) or not np.array_equal(_weight(first), _weight(second)):
        return "The weights of the test rows differ."
    return ""


def _listed(classes: Sequence[str]) -> str:
    return ", ".join(classes[:5]) + (f" and {len(classes) - 5:,} more" if len(classes) > 5 else "")


def _weight(predictions: PartPredictions) -> np.ndarray:
    return np.ones(len(predictions.row)) if predictions.weight is None else predictions.weight


def _resample(predictions: PartPredictions, params: EvaluateParams, shift: int = 0, **options: Any) -> Resampled:
    return resample_metrics(
        predictions.y_true,
        predictions.y_prob,
        predictions.y_pred,
        weight=predictions.weight,
        n_resamples=params.n_resamples,
        seed=params.seed + shift,  # unpaired versions must not share their resamples
        **options,
    )


def _changes(old: Resampled, new: Resampled, level: float, *, comparable: bool) -> dict[str, Change]:
    first, second = old.intervals(level), new.intervals(level)
    if comparable:
        differences = subtract(new, old, level)
    else:
        differences = dict.fromkeys(METRICS, Interval(None, None, None, min(old.n, new.n)))
    return {
        name: Change(first[name], second[name], each, find_outcome(name, each.low, each.high))
        for name, each in differences.items()
    }


def find_outcome(metric: str, low: float | None, high: float | None) -> Outcome | None:
    """Say what the interval of a difference of a metric means; None without an interval."""
    if low is None or high is None:
        return None
    sign = -1 if metric in LOWER_IS_BETTER else 1
    low, high = sorted((sign * low, sign * high))
    return "better" if low > 0 else "worse" if high < 0 else "tied"


def _count_flips(old: Judged, new: Judged) -> Flips:
    y_true, before, after = old.predictions.y_true, old.predictions.y_pred, new.predictions.y_pred
    flipped, was_right, is_right = before != after, before == y_true, after == y_true
    by_threshold = None
    if None not in (old.threshold, new.threshold) and old.threshold != new.threshold:
        kept = predict_classes(new.predictions.y_prob, old.threshold) == before
        by_threshold = int((flipped & kept).sum())
    return Flips(
        became_wrong=int((flipped & was_right).sum()),
        became_right=int((flipped & is_right).sum()),
        stayed_wrong=int((flipped & ~was_right & ~is_right).sum()),
        by_threshold=by_threshold,
    )


def _compare_groups(
    old: PartPredictions, new: PartPredictions, params: EvaluateParams, min_count: int
) -> dict[str, Sequence[GroupChange]]:
    """Compare the versions on each group of the sensitive columns. Both must have the same rows in the same order."""
    by_column: dict[str, Sequence[GroupChange]] = {}
    for column, values in new.sensitive.items():
        names, group = assign_groups(values, min_count)
        rows = [np.flatnonzero(group == code) for code in range(min(len(names), MAX_GROUPS))]
        by_column[column] = [
            _compare_group(name, own, old, new, params) for name, own in zip(names, rows, strict=False) if len(own) >= min_count
        ]
    return by_column


def _compare_group(
    name: str | None, rows: np.ndarray, old: PartPredictions, new: PartPredictions, params: EvaluateParams
) -> GroupChange:
    if len(rows) < MIN_ROWS or not _weight(new)[rows].any():
        return GroupChange(name, len(rows), None)
    first, second = (_resample(each.take(rows), params) for each in (old, new))
    return GroupChange(name, len(rows), _changes(first, second, params.confidence_level, comparable=True))
