"""Compare two versions of which each was trained several times: with other seeds, or on other splits of the table.

A single run of each cannot tell a better version from a luckier seed. Here the difference is the mean over pairs of runs with
the same seeds, and its interval says how much another seed, and other test rows, would change it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

from veritable.errors import UserError
from veritable.evaluation.comparison import Judged, find_outcome, sort_by_row, why_unpaired
from veritable.evaluation.params import EvaluateParams
from veritable.evaluation.verdict import Outcome
from veritable.metrics.intervals import FloatArray, Interval
from veritable.metrics.metrics import METRICS, Resampled, resample_metrics


@dataclass(frozen=True)
class RepeatedChange:
    """A metric of both versions over all runs.

    Attributes
    ----------
    old, new
        Mean of the metric over the runs; None if it is undefined in one of them.
    difference
        Mean of new minus old over the pairs, with its interval; `n` is the number of splits, or of pairs if there is one split.
    outcome
        "better" or "worse" if the interval excludes 0, "tied" if it does not; None without a difference.
    """

    old: float | None
    new: float | None
    difference: Interval
    outcome: Outcome | None


@dataclass(frozen=True)
class RepeatedComparison:
    """The comparison of two versions over several runs.

    Attributes
    ----------
    pairs, splits
        Number of pairs of runs, and of the different test parts that they were judged on.
    changes
        The change of each metric by name.
    """

    pairs: int
    splits: int
    changes: Mapping[str, RepeatedChange]


def compare_repeats(
    pairs: Sequence[tuple[Judged, Judged]], params: EvaluateParams, *, test_to_train: float
) -> RepeatedComparison:
    """Compare two versions by pairs of runs, the old version first.

    With one split, the variance of the mean difference is that over bootstrap resamples of the test rows plus that over the
    pairs. With several, whose parts overlap, it is the variance over the splits with the correction of Nadeau and Bengio,
    "Inference for the generalization error" (Machine Learning, 2003). Both intervals use Student's t distribution.

    Parameters
    ----------
    test_to_train
        Number of test rows divided by the number of rows that are trained on.

    Raises
    ------
    UserError
        There are fewer than two pairs, or the two runs of a pair were not judged on the same rows.
    """
    if len(pairs) < 2:
        raise UserError(
            f"A comparison over repeated runs must have at least two pairs of runs with the same seeds, but has {len(pairs)}. "
            "Run both versions with the same values of train.seed, or of data.seed."
        )
    sorted_pairs = [(sort_by_row(old), sort_by_row(new)) for old, new in pairs]
    for number, (old, new) in enumerate(sorted_pairs, start=1):
        if reason := why_unpaired(old, new):
            raise UserError(f"Both runs of a pair must be judged on the same rows, but pair {number} is not: {reason}")
    split_of = _number_splits([old for old, _ in sorted_pairs])
    runs = [(_resample(old, params), _resample(new, params)) for old, new in sorted_pairs]
    changes = {name: _compare(name, runs, split_of, params.confidence_level, test_to_train) for name in METRICS}
    return RepeatedComparison(len(pairs), int(split_of.max()) + 1, changes)


def _resample(judged: Judged, params: EvaluateParams) -> Resampled:
    rows = judged.predictions
    predicted = (rows.y_true, rows.y_prob, rows.y_pred)
    return resample_metrics(*predicted, weight=rows.weight, n_resamples=params.n_resamples, seed=params.seed)


def _number_splits(judged: Sequence[Judged]) -> np.ndarray:
    """Return the number of the split of each run: runs with the same test rows have the same. Shape: (pairs,)"""
    firsts: list[Judged] = []
    numbers = []
    for each in judged:
        known = next((i for i, first in enumerate(firsts) if not why_unpaired(first, each)), None)
        if known is None:
            known = len(firsts)
            firsts.append(each)
        numbers.append(known)
    return np.array(numbers)


def _compare(
    name: str, runs: Sequence[tuple[Resampled, Resampled]], split_of: np.ndarray, level: float, test_to_train: float
) -> RepeatedChange:
    values = np.array([[old.values[name], new.values[name]] for old, new in runs])
    n_splits = int(split_of.max()) + 1
    if np.isnan(values).any():
        return RepeatedChange(None, None, Interval(None, None, None, n_splits), None)
    old, new = (float(each) for each in values.mean(axis=0))
    differences = values[:, 1] - values[:, 0]
    if n_splits > 1:
        differences = np.array([differences[split_of == split].mean() for split in range(n_splits)])
        error, freedom = np.sqrt(differences.var(ddof=1) * (1 / n_splits + test_to_train)), n_splits - 1.0
    else:
        resampled = np.mean([second.resampled[name] - first.resampled[name] for first, second in runs], axis=0)
        error, freedom = _combine(resampled[~np.isnan(resampled)].var(), differences)
    mean = float(differences.mean())
    reach = float(student.ppf((1 + level) / 2, freedom) * error) if error > 0 else 0.0
    difference = Interval(mean, mean - reach, mean + reach, len(differences))
    return RepeatedChange(old, new, difference, find_outcome(name, difference.low, difference.high))


def _combine(rows_variance: float, differences: FloatArray) -> tuple[float, float]:
    """Return the standard error of the mean difference over rows and runs, and its degrees of freedom (Satterthwaite 1946)."""
    runs_variance = float(differences.var(ddof=1)) / len(differences)
    total = float(rows_variance) + runs_variance
    freedom = (len(differences) - 1) * (total / runs_variance) ** 2 if runs_variance > 0 else np.inf
    return float(np.sqrt(total)), float(freedom)
