"""The learning curve: would more rows make a classifier better?

It is that of gradient boosting, which is fitted in seconds where the classifier takes minutes. The samples are nested and have
the same class shares.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from veritable.errors import UserError
from veritable.evaluation.baselines import MAX_BOOSTED_CLASSES, Baselines, gradient_boosting, stratified_sample
from veritable.evaluation.params import EvaluateParams
from veritable.evaluation.predictions import PartPredictions
from veritable.metrics.intervals import Interval, paired_difference
from veritable.metrics.losses import log_losses
from veritable.progress import progress
from veritable.tables.encoding.parts import Part


def fit_learning_curve(
    train: Part, shares: Sequence[float], *, n_classes: int, categorical: NDArray[np.bool_], seed: int
) -> Iterator[tuple[int, Baselines]]:
    """Fit gradient boosting on samples of the train part, the smallest first, and yield the number of rows and the model.

    Parameters
    ----------
    shares
        Share of the rows in each sample, above 0 and at most 1. A sample has at least one row of each class.
    categorical
        Whether each encoded column holds category codes. Shape: (d,)

    Raises
    ------
    UserError
        There are more than 100 classes.
    """
    if shares and n_classes > MAX_BOOSTED_CLASSES:
        raise UserError(
            f"'baselines.learning_curve' in params.yaml must be [] with more than {MAX_BOOSTED_CLASSES} classes, for which "
            f"gradient boosting is not fitted, but there are {n_classes:,}. Set it to []."
        )
    train = train if train.weight is None else train.take(np.flatnonzero(train.weight))
    sizes = {max(round(share * len(train)), len(np.unique(train.y))) for share in shares}
    with progress() as bar:
        for rows in bar.track(sorted(sizes), description="fitting the learning curve"):
            part = train.take(stratified_sample(train.y, rows, seed))
            weight = None if part.weight is None else part.weight / part.weight.mean()
            with threadpool_limits(1):  # as in `fit_baselines`
                model = gradient_boosting(part.X.astype(np.float64), part.y, weight, categorical, seed=seed)
            yield rows, Baselines({"gradient_boosting": model}, n_classes, rows, rows)


def measure_learning_curve(
    predicted: Iterable[tuple[int, PartPredictions]], weight: NDArray[Any] | None, params: EvaluateParams
) -> dict[str, Any]:
    """Compute the log loss by number of train rows.

    Parameters
    ----------
    predicted
        Predictions for the same test rows by number of train rows, ascending; there must be one.
    weight
        Weight of each test row; None if all rows count the same. Shape: (n,)

    Returns
    -------
    A dict for JSON: `points`, each with `rows`, `log_loss` and `gain`, by how much the log loss is below that of the point
    before (None for the first); and `sentence`, which says whether the last step helped.
    """
    points: list[dict[str, Any]] = []
    before = None
    gain: Interval | None = None
    for rows, each in predicted:
        losses = log_losses(each.y_true, each.y_prob)
        gain = None if before is None else paired_difference(losses, before, weight=weight, **params.model_dump())
        mean = float(np.average(losses, weights=weight))
        points.append({"rows": rows, "log_loss": mean, "gain": None if gain is None else asdict(gain)})
        before = losses
    return {"points": points, "sentence": _describe(points, gain)}


def _describe(points: Sequence[dict[str, Any]], gain: Interval | None) -> str:
    if gain is None:
        return "A learning curve needs at least two numbers of rows: add a share to baselines.learning_curve."
    value, low, high = (float(each or 0) for each in (gain.value, gain.low, gain.high))
    step = f"from {points[-2]['rows']:,} to {points[-1]['rows']:,} train rows"
    interval = f"(by {value:.4f} [{low:.4f}, {high:.4f}])"
    if low > 0:
        return f"The log loss of gradient boosting falls {step} {interval}: more rows would probably help."
    return f"The log loss of gradient boosting is not shown to fall {step} {interval}: more rows are not shown to help."
