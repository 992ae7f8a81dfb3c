"""Compare the classifier with the best baseline, and say the result in one sentence."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from veritable.metrics.intervals import Interval, paired_difference

Outcome = Literal["better", "tied", "worse"]

_SENTENCES: dict[Outcome, str] = {
    "better": "The classifier is better than the best baseline: its log loss of {classifier} is {gap} [{low}, {high}] lower "
    "than that of {best}, on {rows} test {row_word}{auc}.",
    "tied": "The classifier ties with the best baseline: its log loss of {classifier} and that of {best}, {other}, do not "
    "differ clearly on {rows} test {row_word} (difference {gap} [{low}, {high}]){auc}.",
    "worse": "The classifier is worse than the best baseline: its log loss of {classifier} is {gap} [{low}, {high}] higher "
    "than that of {best}, on {rows} test {row_word}{auc}.",
}
_PHRASES = {"majority": "always predicting the class shares"}


@dataclass(frozen=True)
class Verdict:
    """Result of the comparison.

    Attributes
    ----------
    sentence
        The result in plain words.
    outcome
        "better" if the interval of the difference lies above 0, "worse" if it lies below, else "tied".
    best_baseline
        Name of the baseline with the lowest log loss on these rows.
    difference
        Log loss of that baseline minus that of the classifier, in nats; positive if the classifier is better.
    """

    sentence: str
    outcome: Outcome
    best_baseline: str
    difference: Interval


@dataclass(frozen=True)
class Candidate:
    """Facts about a model that the comparison uses.

    Attributes
    ----------
    losses
        Log loss of each test row. Shape: (n,)
    roc_auc
        ROC AUC; None where it is undefined.
    """

    losses: NDArray[Any]
    roc_auc: float | None


def compare_losses(
    classifier: Candidate,
    baselines: Mapping[str, Candidate],
    *,
    weight: NDArray[Any] | None = None,
    n_resamples: int = 1000,
    seed: int,
    confidence_level: float = 0.95,
) -> Verdict:
    """Compare the classifier with the best baseline by log loss, in a paired bootstrap over the same rows.

    The best baseline is chosen on the same rows, which favors it slightly; the classifier has to beat it regardless.

    Parameters
    ----------
    baselines
        Baselines by name, with the same rows in the same order.
    weight
        Weight of each row; None if all rows count the same. Shape: (n,)

    Raises
    ------
    ValueError
        There is no baseline, or the rows differ.
    """
    if not baselines:
        raise ValueError("baselines must hold at least one model, but is empty")
    mean = {name: float(np.average(each.losses, weights=weight)) for name, each in baselines.items()}
    best = min(mean, key=lambda name: mean[name])
    difference = paired_difference(
        classifier.losses,
        baselines[best].losses,
        weight=weight,
        n_resamples=n_resamples,
        seed=seed,
        confidence_level=confidence_level,
    )
    ends = (float(difference.low or 0), float(difference.high or 0))
    outcome: Outcome = "better" if ends[0] > 0 else "worse" if ends[1] < 0 else "tied"
    sentence = _format_sentence(
        outcome,
        best,
        losses=(float(np.average(classifier.losses, weights=weight)), mean[best]),
        gap=(float(difference.value or 0), *ends),
        aucs=(classifier.roc_auc, baselines[best].roc_auc),
        rows=difference.n,
    )
    return Verdict(sentence, outcome, best, difference)


def describe_opacity(
    classifier: Candidate,
    readable: Candidate,
    *,
    weight: NDArray[Any] | None = None,
    n_resamples: int = 1000,
    seed: int,
    confidence_level: float = 0.95,
) -> str:
    """Say what the classifier gains over explainable boosting, a model that can be read as one curve per column.

    Parameters
    ----------
    readable
        Explainable boosting, on the same rows in the same order.
    weight
        Weight of each row; None if all rows count the same. Shape: (n,)
    """
    gain = paired_difference(
        classifier.losses,
        readable.losses,
        weight=weight,
        n_resamples=n_resamples,
        seed=seed,
        confidence_level=confidence_level,
    )
    value, low, high = (float(each or 0) for each in (gain.value, gain.low, gain.high))
    digits = _digits("better" if low > 0 else "worse" if high < 0 else "tied", low, high)
    interval = f"({value:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}] lower log loss)"
    readable_model = "explainable boosting, a model that can be read as one curve per column"
    if low > 0:
        return f"The classifier is better than {readable_model} {interval}."
    if high < 0:
        interval = f"({-value:.{digits}f} [{-high:.{digits}f}, {-low:.{digits}f}] higher log loss)"
        return f"The classifier is worse than {readable_model} {interval}: use that model instead."
    return f"The classifier is not shown to be better than {readable_model} {interval}: consider that model instead."


def _format_sentence(
    outcome: Outcome,
    best: str,
    *,
    losses: tuple[float, float],
    gap: tuple[float, float, float],
    aucs: tuple[float | None, float | None],
    rows: int,
) -> str:
    if outcome == "worse":
        gap = (-gap[0], -gap[2], -gap[1])
    digits = _digits(outcome, *gap[1:])
    words = {key: f"{round(number, digits) + 0:.{digits}f}" for key, number in zip(("gap", "low", "high"), gap, strict=True)}
    classifier, other = (f"{loss:.{digits}f}" for loss in losses)
    auc = "" if None in aucs else f"; its ROC AUC is {aucs[0]:.3f} against {aucs[1]:.3f}"
    return _SENTENCES[outcome].format(
        classifier=classifier,
        other=other,
        best=_PHRASES.get(best, best.replace("_", " ")),
        rows=f"{rows:,}",
        row_word="row" if rows == 1 else "rows",
        auc=auc,
        **words,
    )


def _digits(outcome: Outcome, low: float, high: float) -> int:
    """Return 3 decimals, or as many (at most 6) as show the distance of the interval from 0, or its width around 0."""
    smallest = high - low if outcome == "tied" else min(abs(low), abs(high))
    return next((digits for digits in range(3, 7) if smallest >= 0.5 * 10.0**-digits), 6)
