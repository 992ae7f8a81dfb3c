"""One sentence: does the classifier earn its place beside the simple models?"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from veritable.metrics.intervals import Interval, paired_difference

Outcome = Literal["earns", "tied", "loses"]

_SENTENCES: dict[Outcome, str] = {
    "earns": "The classifier earns its place: its log loss of {classifier} is {gap} [{low}, {high}] below that of {best}, "
    "the best simple model, on {rows} test {row_word}{auc}.",
    "tied": "The classifier does not show that it earns its place: its log loss of {classifier} and the {other} of {best}, "
    "the best simple model, cannot be told apart on {rows} test {row_word} (a gain of {gap} [{low}, {high}]){auc}.",
    "loses": "The classifier does not earn its place: its log loss of {classifier} is {gap} [{low}, {high}] above that of "
    "{best}, the best simple model, on {rows} test {row_word}{auc}.",
}
_SPOKEN = {"majority": "always predicting the class shares"}


@dataclass(frozen=True)
class Verdict:
    """What came of the comparison.

    Attributes
    ----------
    sentence
        The whole of it in plain words.
    outcome
        "earns" when the interval of the difference lies above 0, "loses" when below, else "tied".
    best_baseline
        The baseline with the lowest log loss on these rows.
    difference
        How much lower the classifier's log loss is than that baseline's, in nats; positive: the classifier is better.
    """

    sentence: str
    outcome: Outcome
    best_baseline: str
    difference: Interval


@dataclass(frozen=True)
class Judged:
    """What the verdict needs to know of a model.

    Attributes
    ----------
    losses
        Each test row's log loss. Shape (n,).
    roc_auc
        None where it is undefined.
    """

    losses: NDArray[Any]
    roc_auc: float | None


def judge(
    classifier: Judged,
    baselines: Mapping[str, Judged],
    *,
    weight: NDArray[Any] | None = None,
    n_resamples: int = 1000,
    seed: int,
    confidence_level: float = 0.95,
) -> Verdict:
    """Compare the classifier with the best baseline by log loss, in a paired bootstrap over the same rows.

    The best baseline is picked on the rows that judge it, which favours it a little: the classifier has to beat it regardless.

    Parameters
    ----------
    baselines
        By name; the same rows in the same order.
    weight
        How much each row counts; None: all the same. Shape (n,).

    Raises
    ------
    ValueError
        There is no baseline, or the rows differ.
    """
    if not baselines:
        raise ValueError("baselines must hold at least one simple model, however it is empty")
    mean = {name: float(np.average(each.losses, weights=weight)) for name, each in baselines.items()}
    best = min(mean, key=lambda name: mean[name])
    rival = baselines[best]
    difference = paired_difference(
        classifier.losses, rival.losses, weight=weight, n_resamples=n_resamples, seed=seed, confidence_level=confidence_level
    )
    ends = (float(difference.low or 0), float(difference.high or 0))
    outcome: Outcome = "earns" if ends[0] > 0 else "loses" if ends[1] < 0 else "tied"
    sentence = _sentence(
        outcome,
        best,
        losses=(float(np.average(classifier.losses, weights=weight)), mean[best]),
        gap=(float(difference.value or 0), *ends),
        aucs=(classifier.roc_auc, rival.roc_auc),
        rows=difference.n,
    )
    return Verdict(sentence, outcome, best, difference)


def _sentence(
    outcome: Outcome,
    best: str,
    *,
    losses: tuple[float, float],
    gap: tuple[float, float, float],
    aucs: tuple[float | None, float | None],
    rows: int,
) -> str:
    if outcome == "loses":
        gap = (-gap[0], -gap[2], -gap[1])
    digits = _digits(outcome, *gap[1:])
    words = {key: f"{round(number, digits) + 0:.{digits}f}" for key, number in zip(("gap", "low", "high"), gap, strict=True)}
    classifier, other = (f"{loss:.{digits}f}" for loss in losses)
    auc = "" if None in aucs else f"; its ROC AUC is {aucs[0]:.3f} against {aucs[1]:.3f}"
    return _SENTENCES[outcome].format(
        classifier=classifier,
        other=other,
        best=_SPOKEN.get(best, best.replace("_", " ")),
        rows=f"{rows:,}",
        row_word="row" if rows == 1 else "rows",
        auc=auc,
        **words,
    )


def _digits(outcome: Outcome, low: float, high: float) -> int:
    """Three decimals, or as many as it takes to see how far the interval lies from 0 or, around 0, how wide it is."""
    smallest = high - low if outcome == "tied" else min(abs(low), abs(high))
    return next((digits for digits in range(3, 7) if smallest >= 0.5 * 10.0**-digits), 6)
