"""Metrics of each class against the rest, with intervals in closed form: for 1,000 classes a bootstrap would take minutes."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from veritable.metrics.checks import check_codes, check_probabilities, check_weight
from veritable.metrics.intervals import FloatArray, Interval
from veritable.metrics.ranking import Ranking
from veritable.metrics.shares import Shares, effective_rows, make_intervals, normal_quantile, weigh_groups

_BISECTIONS = 50  # halve the interval from 0 to 1 down to the resolution of float64


def compute_class_metrics(
    y_true: NDArray[Any],
    y_prob: NDArray[Any],
    y_pred: NDArray[Any],
    *,
    weight: NDArray[Any] | None = None,
    confidence_level: float = 0.95,
) -> dict[str, list[Interval]]:
    """Compute metrics of each class against the rest, in the order of the classes.

    The metrics are `actual` and `predicted` (shares of all rows), `precision`, `recall`, `f1` and `roc_auc`. Each is None where
    it is undefined, and has as `n` the number of rows that it is computed from.

    Shares have Wilson's interval. F1 = 2 s / (1 + s) has the transformed interval of s, the share of hits among the rows that
    are of the class or predicted as the class. ROC AUC has the score interval with the variance of Hanley & McNeil (1982). None
    of them shrinks to a point if a class has few rows that are all predicted right, as the interval of a bootstrap does.

    Parameters
    ----------
    y_true, y_pred
        Class codes, 0 to K - 1. Shape: (n,)
    y_prob
        Probabilities; each row sums to 1. Shape: (n, K)
    weight
        Weight of each row; None: all weights are 1. Intervals then use Kish's effective number of rows. Shape: (n,)

    Raises
    ------
    ValueError
        The shapes do not match, there is no row, a code is out of range or a probability is invalid.
    UserError
        A weight is negative or not finite, or all are 0.
    """
    y_true, y_prob = check_probabilities(y_true, y_prob)
    n, k = y_prob.shape
    y_pred = check_codes("y_pred", y_pred, n=n, n_classes=k)
    weight = check_weight(weight, n)
    right = y_true == y_pred
    actual, predicted = (weigh_groups(codes, k, weight) for codes in (y_true, y_pred))
    both = weigh_groups(y_true[right], k, weight[right])
    either = (actual[0] + predicted[0] - both[0], actual[1] + predicted[1] - both[1], actual[2] + predicted[2] - both[2])
    everything = (np.full(k, weight.sum()), np.full(k, np.square(weight).sum()), np.full(k, np.count_nonzero(weight)))
    shares = {
        "actual": Shares.from_sums(actual[0], *everything),
        "predicted": Shares.from_sums(predicted[0], *everything),
        "precision": Shares.from_sums(both[0], *predicted),
        "recall": Shares.from_sums(both[0], *actual),
    }
    metrics = {name: share.intervals(confidence_level) for name, share in shares.items()}
    concerned = Shares.from_sums(both[0], *either)
    metrics["f1"] = concerned.intervals(confidence_level, transform=lambda share: 2 * share / (1 + share))
    ranked = [Ranking(y_true == code, y_prob[:, code]).measure(weight[:, None])[0][0] for code in range(k)]
    auc = np.array(ranked)
    positives, negatives = effective_rows(*actual[:2]), effective_rows(everything[0] - actual[0], everything[1] - actual[1])
    low, high = auc_limits(auc, positives, negatives, normal_quantile(confidence_level))
    return metrics | {"roc_auc": make_intervals(auc, low, high, everything[2])}


def auc_limits(auc: FloatArray, positives: FloatArray, negatives: FloatArray, z: float) -> tuple[FloatArray, FloatArray]:
    """Compute the values of ROC AUC from which the observed one is z standard errors away. Shape: (k,) each

    The standard error is that of Hanley & McNeil (1982) at the value itself, not at the observed one, so that the interval of
    an ROC AUC of 1 has a width. Where there are no rows of one kind, the result has no meaning.
    """
    positives, negatives = np.maximum(positives, 1), np.maximum(negatives, 1)
    ends = []
    for side in (0.0, 1.0):
        near, far = auc.copy(), np.full_like(auc, side)  # the end lies between the observed value and 0 or 1
        for _ in range(_BISECTIONS):
            middle = (near + far) / 2
            error = np.sqrt(_auc_variance(middle, positives, negatives))
            inside = np.abs(middle - auc) <= z * error
            near, far = np.where(inside, middle, near), np.where(inside, far, middle)
        ends.append(near)
    return ends[0], ends[1]


def _auc_variance(auc: FloatArray, positives: FloatArray, negatives: FloatArray) -> FloatArray:
    """Compute the variance of ROC AUC if scores are exponential: Hanley & McNeil (1982). Shape: (k,)"""
    both_positive, both_negative = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    pairs = (positives - 1) * (both_positive - auc**2) + (negatives - 1) * (both_negative - auc**2)
    variance: FloatArray = (auc * (1 - auc) + pairs) / (positives * negatives)
    return variance
