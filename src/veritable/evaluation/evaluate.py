"""Judge the classifier and the simple models by the same code on the same rows."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import pandas as pd

from veritable.evaluation.params import EvaluateParams
from veritable.evaluation.predictions import PartPredictions
from veritable.evaluation.verdict import Judged, judge
from veritable.metrics import curves
from veritable.metrics.losses import log_losses
from veritable.metrics.metrics import compute_metrics
from veritable.progress import progress


def compare_models(
    classifier: PartPredictions, baselines: Iterable[tuple[str, PartPredictions]], params: EvaluateParams
) -> dict[str, Any]:
    """Metrics with intervals of each model, and whether the classifier earns its place.

    Parameters
    ----------
    classifier, baselines
        Predictions of the same part, in the same order of rows. Baselines by name, each asked for after the last was done
        with: with many classes, the probabilities of one model fill gigabytes.
    """
    metrics, judged = {}, {}
    with progress() as bar:

        def measure(name: str, predictions: PartPredictions) -> None:
            task = bar.add_task(f"resampling {name.replace('_', ' ')}", total=params.n_resamples)
            intervals = compute_metrics(
                predictions.y_true,
                predictions.y_prob,
                predictions.y_pred,
                weight=classifier.weight,
                n_resamples=params.n_resamples,
                seed=params.seed,
                confidence_level=params.confidence_level,
                advance=lambda resamples: bar.advance(task, resamples),
            )
            metrics[name] = {key: asdict(interval) for key, interval in intervals.items()}
            losses = log_losses(predictions.y_true, predictions.y_prob)
            judged[name] = Judged(losses, intervals["roc_auc"].value)

        measure("classifier", classifier)
        for name, predictions in baselines:
            measure(name, predictions)
    verdict = judge(
        judged.pop("classifier"),
        judged,
        weight=classifier.weight,
        n_resamples=params.n_resamples,
        seed=params.seed,
        confidence_level=params.confidence_level,
    )
    return {
        "classifier": metrics.pop("classifier"),
        "baselines": metrics,
        "verdict": asdict(verdict),
        "confidence": params.confidence_level,
    }


def draw_curves(classifier: PartPredictions, classes: list[str]) -> dict[str, pd.DataFrame]:
    """The points of every curve by name: roc, pr, calibration, confusion, and for two classes thresholds."""
    y, p, weight = classifier.y_true, classifier.y_prob, classifier.weight
    frames = {
        "roc": curves.roc_curve_frame(y, p, classes, weight),
        "pr": curves.pr_curve_frame(y, p, classes, weight),
        "calibration": curves.calibration_frame(y, p, classes, weight),
        "confusion": curves.confusion_frame(y, classifier.y_pred, classes),
    }
    return frames | ({"thresholds": curves.threshold_frame(y, p, weight)} if len(classes) == 2 else {})
