"""One sentence: does the network earn its place beside the simple models?"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from veritable.evaluation.intervals import Interval, paired_difference
from veritable.evaluation.metrics import Predictions, row_losses

Outcome = Literal["earns", "tied", "loses"]

_SENTENCES: dict[Outcome, str] = {
    "earns": "The network earns its place: its log loss of {network} is {gap} [{low}, {high}] below that of {best}, "
    "the best simple model, on {rows} test {row_word}{auc}.",
    "tied": "The network does not show that it earns its place: its log loss of {network} and the {other} of {best}, "
    "the best simple model, cannot be told apart on {rows} test {row_word} (a gain of {gap} [{low}, {high}]){auc}.",
    "loses": "The network does not earn its place: its log loss of {network} is {gap} [{low}, {high}] above that of {best}, "
    "the best simple model, on {rows} test {row_word}{auc}.",
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
        How much lower the network's log loss is than that baseline's, in nats; positive: the network is better.
    """

    sentence: str
    outcome: Outcome
    best_baseline: str
    difference: Interval


def judge(
    y_true: NDArray[Any],
    network_prob: NDArray[Any],
    baselines: Mapping[str, NDArray[Any]],
    *,
    resamples: int = 1000,
    seed: int,
    confidence: float = 0.95,
) -> Verdict:
    """Compare the network with the best baseline by log loss, in a paired bootstrap over the same rows.

    The best baseline is picked on the rows that judge it, which favours it a little: the network has to beat it regardless.

    Parameters
    ----------
    y_true
        Codes of the classes of the test part. Shape (n,).
    network_prob
        Shape (n, K).
    baselines
        Name -> probabilities, Shape (n, K).

    Raises
    ------
    ValueError
        There is no baseline, shapes do not match, a code is out of range or a probability is not one.
    """
    if not baselines:
        raise ValueError("baselines must hold at least one simple model, however it is empty")
    network_losses = row_losses(y_true, network_prob)["log_loss"]
    baseline_losses = {name: row_losses(y_true, y_prob)["log_loss"] for name, y_prob in baselines.items()}
    best = min(baseline_losses, key=lambda name: float(baseline_losses[name].mean()))
    difference = paired_difference(network_losses, baseline_losses[best], resamples=resamples, seed=seed, confidence=confidence)
    ends = (float(difference.low or 0), float(difference.high or 0))
    outcome: Outcome = "earns" if ends[0] > 0 else "loses" if ends[1] < 0 else "tied"
    sentence = _sentence(
        outcome,
        best,
        losses=(float(network_losses.mean()), float(baseline_losses[best].mean())),
        gap=(float(difference.value or 0), *ends),
        aucs=(_roc_auc(y_true, network_prob), _roc_auc(y_true, baselines[best])),
        rows=difference.n,
    )
    return Verdict(sentence, outcome, best, difference)


def _sentence(
    outcome: Outcome,
    best: str,
    *,
    losses: tuple[float, float],
    gap: tuple[float, float, float],
    aucs: tuple[float, float],
    rows: int,
) -> str:
    if outcome == "loses":
        gap = (-gap[0], -gap[2], -gap[1])
    digits = _digits(outcome, *gap[1:])
    words = {key: f"{round(number, digits) + 0:.{digits}f}" for key, number in zip(("gap", "low", "high"), gap, strict=True)}
    network, other = (f"{loss:.{digits}f}" for loss in losses)
    auc = "" if np.isnan(aucs).any() else f"; its ROC AUC is {aucs[0]:.3f} against {aucs[1]:.3f}"
    return _SENTENCES[outcome].format(
        network=network,
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


def _roc_auc(y_true: NDArray[Any], y_prob: NDArray[Any]) -> float:
    predictions = Predictions(y_true, y_prob, np.asarray(y_prob).argmax(axis=1))
    return float(predictions.measure(np.ones((1, predictions.n)))["roc_auc"][0])
