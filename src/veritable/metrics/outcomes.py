"""Outcomes: what a classifier predicted for some rows, summed up, so that two sets of rows can be compared."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from veritable.metrics.checks import check_weight
from veritable.metrics.intervals import FloatArray, Interval
from veritable.metrics.metrics import compute_metrics
from veritable.tables.profile import Bins, find_edges

CONFIDENCE = 0.99  # of the intervals: a classifier is checked often, so one alarm in twenty checks would be too many
SCORE = "score"
_MAX_ROWS, _MAX_CELLS = 10_000, 2**20  # rows, and rows times classes, that metrics with intervals are computed from


@dataclass(frozen=True)
class Outcomes:
    """Predictions for some rows, summed up.

    Attributes
    ----------
    rows
        Number of rows.
    predicted
        Number of rows for which each class is predicted. Shape: (K,) int64
    bins
        Bins of the score: of the probability of the positive class, or of the predicted class if there are more than two.
    scores
        Number of rows in each bin. Shape: (bins,) int64
    actual
        Share of each class by weight; None if the classes are not known. Shape: (K,)
    metrics
        Each metric with its interval, from a random sample of at most 10,000 rows; empty if the classes are not known.
    """

    rows: int
    predicted: NDArray[np.int64]
    bins: Bins
    scores: NDArray[np.int64]
    actual: FloatArray | None = None
    metrics: Mapping[str, Interval] = field(default_factory=dict)

    @property
    def gain(self) -> float:
        """By how much the log loss is below that of predicting the shares of the classes for every row, in nats."""
        assert self.actual is not None
        shares = self.actual[self.actual > 0]
        return float(-(shares * np.log(shares)).sum()) - (self.metrics["log_loss"].value or 0.0)

    def to_json(self) -> dict[str, Any]:
        """Return a dict of JSON types."""
        return {
            "rows": self.rows,
            "predicted": self.predicted.tolist(),
            "scores": {"edges": list(self.bins.edges), "counts": self.scores.tolist()},
            "actual": None if self.actual is None else self.actual.tolist(),
            "metrics": {name: asdict(each) for name, each in self.metrics.items()},
        }


def compute_outcomes(
    y_prob: FloatArray,
    y_pred: NDArray[Any],
    y_true: NDArray[Any] | None = None,
    *,
    weight: FloatArray | None = None,
    bins: Bins | None = None,
    seed: int,
) -> Outcomes:
    """Sum up predictions. Shape: y_prob (n, K), y_pred (n,), y_true (n,), weight (n,)

    Parameters
    ----------
    bins
        Bins of the score; None: the twentieths of these rows.
    """
    n, n_classes = y_prob.shape
    score = y_prob[:, 1] if n_classes == 2 else y_prob.max(axis=1)
    bins = bins or Bins(SCORE, "number", find_edges(score, 0.0, 1.0))
    scores = np.bincount(bins.place(score), minlength=len(bins))
    predicted = np.bincount(y_pred, minlength=n_classes)
    if y_true is None:
        return Outcomes(n, predicted, bins, scores)
    masses = np.bincount(y_true, check_weight(weight, n), minlength=n_classes)
    drawn = sample_rows(n, n_classes, seed)
    own = None if weight is None else weight[drawn]
    metrics = compute_metrics(y_true[drawn], y_prob[drawn], y_pred[drawn], weight=own, seed=seed, confidence_level=CONFIDENCE)
    return Outcomes(n, predicted, bins, scores, masses / masses.sum(), metrics)


def sample_rows(n: int, n_classes: int, seed: int) -> NDArray[np.int64]:
    """Draw the rows from which metrics with intervals are computed: all, or a bounded number. Shape: (m,), ascending"""
    rows = min(_MAX_ROWS, max(1, _MAX_CELLS // n_classes))
    return np.sort(np.random.default_rng(seed).permutation(n)[:rows])
