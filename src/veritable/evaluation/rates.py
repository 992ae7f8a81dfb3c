"""Rates of each group, and the clearest difference between two groups in each rate.

Groups have no rows in common, so the interval of a difference follows from those of both rates. It comes from Wilson's
intervals (square-and-add: Newcombe 1998, Donner & Zou 2012) rather than from a bootstrap: the largest gap among several groups
is above 0 in every resample, even between equal groups, and a rate of 0 or 1 has no width there. The intervals hold together
for all pairs that are compared (Bonferroni), because the pair was chosen after seeing all of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from veritable.evaluation.predictions import PartPredictions
from veritable.metrics.checks import check_weight
from veritable.metrics.intervals import FloatArray, Interval, divide
from veritable.metrics.shares import Shares, make_intervals, normal_quantile, sum_by_group

RATES = {  # of two classes; the words complete the sentence "The groups differ in ..."
    "positive": "the share of positive rows",
    "predicted_positive": "the share predicted to be positive",
    "recall": "recall",
    "false_positive_rate": "the false positive rate",
    "precision": "precision",
    "calibration": "calibration (mean probability minus observed share)",
}
RATES_OF_MANY = {"accuracy": "accuracy", "calibration": "calibration (mean probability of the predicted class minus accuracy)"}
MIN_CLASS_ROWS = 10  # of a class in a group: with fewer, no difference in recall could be shown
MAX_CLASS_GAPS = 10


@dataclass(frozen=True)
class Rate:
    """One rate of every group: a share of rows, or a mean prediction minus a share.

    Attributes
    ----------
    expected
        Mean prediction, from which the share is subtracted; None for the share itself. Shape: (G,)
    """

    shares: Shares
    expected: FloatArray | None = None

    @property
    def value(self) -> FloatArray:
        """The rate; NaN where it is undefined. Shape: (G,)"""
        return self.shares.value if self.expected is None else self.expected - self.shares.value

    def limits(self, z: float) -> tuple[FloatArray, FloatArray]:
        """Return the ends of the interval of each group. Shape: (G,) each"""
        low, high = self.shares.limits(z)
        return (low, high) if self.expected is None else (self.expected - high, self.expected - low)


def compare_groups(
    predictions: PartPredictions,
    group: NDArray[np.intp],
    names: Sequence[str | None],
    compared: NDArray[np.bool_],
    classes: Sequence[str],
    confidence_level: float,
) -> dict[str, Any]:
    """Compute the rates of each group, and find the clearest differences.

    Parameters
    ----------
    group
        Number of the group of each row; rows of other groups have the number G. Shape: (n,)
    names
        Names of the groups. Shape: (G,)
    compared
        Whether a group has enough rows to be compared. Shape: (G,)

    Returns
    -------
    A dict for JSON: `rates` (a list with the interval of each rate by group, None where it has no rows), `gaps` (what
    `find_gap` returns, by rate), `recall_gaps` (for more than two classes: see `find_recall_gaps`) and `sentence`.
    """
    z, n_groups = normal_quantile(confidence_level), len(names)
    rates = compute_rates(predictions, group, n_groups)
    intervals = {name: make_intervals(rate.value, *rate.limits(z), rate.shares.rows) for name, rate in rates.items()}
    gaps = {}
    for name, rate in rates.items():
        pairs = count_pairs(int((compared & ~np.isnan(rate.value)).sum()))
        gaps[name] = find_gap(rate, names, compared, confidence_level=confidence_level, comparisons=max(1, pairs))
    recall_gaps = []
    if len(classes) > 2:
        recall_gaps = find_recall_gaps(predictions, group, names, compared, classes, confidence_level)
    return {
        "rates": [{name: asdict(each[code]) for name, each in intervals.items()} for code in range(n_groups)],
        "gaps": gaps,
        "recall_gaps": recall_gaps,
        "sentence": describe_gaps(gaps, recall_gaps, int((~compared).sum())),
    }


def compute_rates(predictions: PartPredictions, group: NDArray[np.intp], n_groups: int) -> dict[str, Rate]:
    """Compute the rates of each group: `RATES` with two classes, `RATES_OF_MANY` with more. Shape: group (n,)"""
    rows = np.flatnonzero(group < n_groups)
    group = group[rows]
    y_true, y_pred = predictions.y_true[rows], predictions.y_pred[rows]
    weight = check_weight(predictions.weight, len(predictions.y_true))[rows]
    mass = sum_by_group(weight, group, n_groups)

    def share(marked: NDArray[np.bool_], among: NDArray[np.bool_] | None = None) -> Rate:
        chosen = slice(None) if among is None else among
        return Rate(Shares.of_groups(marked[chosen], group[chosen], n_groups, weight[chosen]))

    def mean(values: FloatArray) -> FloatArray:
        return divide(sum_by_group(weight * values, group, n_groups), mass)

    if predictions.y_prob.shape[1] > 2:
        accuracy = share(y_true == y_pred)
        confidence = mean(predictions.y_prob[rows, y_pred])
        return {"accuracy": accuracy, "calibration": Rate(accuracy.shares, confidence)}
    positive, flagged = y_true == 1, y_pred == 1
    rates = {
        "positive": share(positive),
        "predicted_positive": share(flagged),
        "recall": share(flagged, positive),
        "false_positive_rate": share(flagged, ~positive),
        "precision": share(positive, flagged),
    }
    return rates | {"calibration": Rate(rates["positive"].shares, mean(predictions.y_prob[rows, 1]))}


def find_gap(
    rate: Rate, names: Sequence[str | None], compared: NDArray[np.bool_], *, confidence_level: float, comparisons: int
) -> dict[str, Any] | None:
    """Find the two groups whose difference in a rate is clearest: its interval has the highest lower end.

    Parameters
    ----------
    compared
        Whether a group takes part; groups without the rate do not. Shape: (G,)
    comparisons
        Number of differences that the intervals hold for together.

    Returns
    -------
    A dict for JSON: names of the `higher` and the `lower` group, their difference as `gap`, the lower rate over the higher as
    `ratio` (None for calibration and where the higher rate is 0), and whether the difference is `shown`, that is, the interval
    lies above 0. None if fewer than two groups can be compared.
    """
    value, (low, high) = rate.value, rate.limits(normal_quantile(confidence_level, comparisons))
    places = np.flatnonzero(compared & ~np.isnan(value))
    if len(places) < 2:
        return None
    value, low, high, rows = value[places], low[places], high[places], rate.shares.rows[places]
    gap = value[:, None] - value
    bottom = gap - np.hypot((value - low)[:, None], high - value)
    np.fill_diagonal(bottom, -np.inf)
    upper, lower = np.unravel_index(np.argmax(bottom), bottom.shape)
    top = gap[upper, lower] + np.hypot(high[upper] - value[upper], value[lower] - low[lower])
    n = int(rows[upper] + rows[lower])
    found = Interval(float(gap[upper, lower]), float(bottom[upper, lower]), float(top), n)
    ratio = None
    if rate.expected is None and value[upper] > 0:
        numerator, denominator = (tuple(float(end[each]) for end in (value, low, high)) for each in (lower, upper))
        ratio = asdict(_ratio(numerator, denominator, n))
    return {
        "higher": names[places[upper]],
        "lower": names[places[lower]],
        "gap": asdict(found),
        "ratio": ratio,
        "shown": bool(bottom[upper, lower] > 0),
    }


def find_recall_gaps(
    predictions: PartPredictions,
    group: NDArray[np.intp],
    names: Sequence[str | None],
    compared: NDArray[np.bool_],
    classes: Sequence[str],
    confidence_level: float,
) -> list[dict[str, Any]]:
    """Find the classes whose recall differs most clearly between two groups, with at least ten rows of the class each.

    Returns
    -------
    For JSON, up to ten classes, the clearest difference first, each with `class` and what `find_gap` returns. The intervals
    hold together for all pairs of groups and all classes.
    """
    k, n_groups = len(classes), len(names)
    rows = np.flatnonzero(group < n_groups)
    weight = check_weight(predictions.weight, len(group))[rows]
    y_true, right = predictions.y_true[rows], (predictions.y_true == predictions.y_pred)[rows]
    cells = Shares.of_groups(right, y_true * n_groups + group[rows], k * n_groups, weight)
    by_class = [
        Rate(Shares(cells.value[cell], cells.effective[cell], cells.rows[cell]))
        for cell in (slice(code * n_groups, (code + 1) * n_groups) for code in range(k))
    ]
    included = [compared & (rate.shares.rows >= MIN_CLASS_ROWS) & ~np.isnan(rate.value) for rate in by_class]
    pairs = sum(count_pairs(int(each.sum())) for each in included)
    found = [
        {"class": name} | gap
        for name, rate, each in zip(classes, by_class, included, strict=True)
        if (gap := find_gap(rate, names, each, confidence_level=confidence_level, comparisons=max(1, pairs)))
    ]
    return sorted(found, key=lambda gap: -gap["gap"]["low"])[:MAX_CLASS_GAPS]


def describe_gaps(gaps: Mapping[str, Any], recall_gaps: Sequence[Mapping[str, Any]], left_out: int) -> str:
    """Say in which rates groups differ, in which no difference is shown, and how many groups are not compared."""
    words = RATES if "recall" in gaps else RATES_OF_MANY
    known = [(words[name], gap) for name, gap in gaps.items() if gap]
    known += [
        (f"the recall of class '{gap['class']}'" if gap["shown"] else "the recall of any class", gap) for gap in recall_gaps[:1]
    ]
    shown = [f"{phrase} ({_describe_gap(gap)})" for phrase, gap in known if gap["shown"]]
    hidden = [phrase for phrase, gap in known if not gap["shown"]]
    sentences = []
    if shown:
        sentences.append(f"The groups differ in {_enumerate(shown, 'and')}.")
    if hidden:
        sentences.append(f"No difference is shown in {_enumerate(hidden, 'or')}; with these rows, a small one cannot be shown.")
    if not known:
        sentences.append("No two groups can be compared.")
    if left_out:
        sentences.append(f"{left_out:,} {'group is' if left_out == 1 else 'groups are'} not compared, having too few rows.")
    return " ".join(sentences)


def count_pairs(n: int) -> int:
    """Return the number of pairs among n groups."""
    return n * (n - 1) // 2


def _ratio(lower: tuple[float, ...], higher: tuple[float, ...], n: int) -> Interval:
    """Compute the interval of a ratio from both values with their ends: Donner & Zou (2012), equation 9."""
    (a, a_low, a_high), (b, b_low, b_high) = lower, higher

    def end(own: float, other: float) -> tuple[float, float, float]:
        first, second = own * (2 * a - own), other * (2 * b - other)
        return first, second, float(np.sqrt(max(0.0, (a * b) ** 2 - first * second)))

    first, _, root = end(a_low, b_high)
    low = first / (a * b + root) if a > 0 else 0.0  # the equation, rationalized: its denominator can be 0
    _, second, root = end(a_high, b_low)
    return Interval(a / b, low, (a * b + root) / second, n)


def _describe_gap(gap: Mapping[str, Any]) -> str:
    value, low, high = (100 * gap["gap"][end] for end in ("value", "low", "high"))
    higher, lower = ("missing" if name is None else f"'{name}'" for name in (gap["higher"], gap["lower"]))
    return f"{higher} {value:.1f} points [{low:.1f}, {high:.1f}] above {lower}"


def _enumerate(phrases: Sequence[str], word: str) -> str:
    return phrases[0] if len(phrases) == 1 else f"{', '.join(phrases[:-1])} {word} {phrases[-1]}"
