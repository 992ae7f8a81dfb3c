"""Evaluate the classifier and the baselines with the same code on the same rows."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import pandas as pd

from veritable.evaluation.params import EvaluateParams
from veritable.evaluation.predictions import PartPredictions
from veritable.evaluation.verdict import Candidate, compare_losses, describe_opacity
from veritable.metrics import curves
from veritable.metrics.intervals import FloatArray
from veritable.metrics.losses import log_losses
from veritable.metrics.metrics import compute_metrics
from veritable.progress import progress


def compare_models(
    classifier: PartPredictions, baselines: Iterable[tuple[str, PartPredictions]], params: EvaluateParams
) -> dict[str, Any]:
    """Compute the metrics of each model with intervals, and compare the classifier with the best baseline.

    Parameters
    ----------
    classifier, baselines
        Predictions for the same rows in the same order. Baselines are given by name and consumed one at a time, because with
        many classes the probabilities of one model take gigabytes.

    Returns
    -------
    A dict for JSON: `classifier` and `baselines` (metrics by name), `verdict`, `opacity` (a sentence: see
    `describe_opacity`; empty without that baseline) and `confidence`.
    """
    metrics, candidates = {}, {}
    with progress() as bar:

        def compute(name: str, predictions: PartPredictions) -> None:
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
            candidates[name] = Candidate(losses, intervals["roc_auc"].value)

        compute("classifier", classifier)
        for name, predictions in baselines:
            compute(name, predictions)
    own, rule = candidates.pop("classifier"), params.model_dump()
    verdict = compare_losses(own, candidates, weight=classifier.weight, **rule)
    readable = candidates.get("explainable_boosting")
    return {
        "classifier": metrics.pop("classifier"),
        "baselines": metrics,
        "verdict": asdict(verdict),
        "opacity": describe_opacity(own, readable, weight=classifier.weight, **rule) if readable else "",
        "confidence": params.confidence_level,
    }


def make_curves(
    classifier: PartPredictions,
    classes: list[str],
    *,
    costs: FloatArray | None = None,
    held_out: PartPredictions | None = None,
) -> dict[str, pd.DataFrame]:
    """Return the points of every curve by name: roc, pr, calibration, confusion and, for two classes, thresholds.

    With `held_out`, the rows that the threshold was chosen on, thresholds_held_out has the same for them.
    """
    y, p, weight = classifier.y_true, classifier.y_prob, classifier.weight
    frames = {
        "roc": curves.roc_curve_frame(y, p, classes, weight),
        "pr": curves.pr_curve_frame(y, p, classes, weight),
        "calibration": curves.calibration_frame(y, p, classes, weight),
        "confusion": curves.confusion_frame(y, classifier.y_pred, classes),
    }
    for name, rows in (("thresholds", classifier), ("thresholds_held_out", held_out)):
        if len(classes) == 2 and rows is not None:
            frames[name] = curves.threshold_frame(rows.y_true, rows.y_prob, rows.weight, costs)
    return frames
