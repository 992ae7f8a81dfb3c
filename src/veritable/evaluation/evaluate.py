"""Evaluate the classifier and the baselines with the same code on the same rows."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from veritable.evaluation.params import EvaluateParams
from veritable.evaluation.predictions import PartPredictions
from veritable.evaluation.verdict import Candidate, compare_losses, describe_opacity
from veritable.metrics import curves
from veritable.metrics.intervals import FloatArray, Interval
from veritable.metrics.losses import log_losses
from veritable.metrics.metrics import Resampled, resample_metrics
from veritable.metrics.paired import subtract
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
    A dict for JSON: `classifier` and `baselines` (metrics by name), `differences` (each metric of the classifier minus that of
    the baseline, by baseline, with paired intervals), `verdict`, `opacity` (a sentence: see
    `describe_opacity`; empty without that baseline) and `confidence`.
    """
    resampled: dict[str, Resampled] = {}
    candidates = {}
    with progress() as bar:

        def compute(name: str, predictions: PartPredictions) -> None:
            task = bar.add_task(f"resampling {name.replace('_', ' ')}", total=params.n_resamples)
            resampled[name] = resample_metrics(
                predictions.y_true,
                predictions.y_prob,
                predictions.y_pred,
                weight=classifier.weight,
                n_resamples=params.n_resamples,
                seed=params.seed,
                advance=lambda resamples: bar.advance(task, resamples),
            )
            losses, roc_auc = log_losses(predictions.y_true, predictions.y_prob), resampled[name].values["roc_auc"]
            candidates[name] = Candidate(losses, None if np.isnan(roc_auc) else roc_auc)

        compute("classifier", classifier)
        for name, predictions in baselines:
            compute(name, predictions)
    own, rule = candidates.pop("classifier"), params.model_dump()
    verdict = compare_losses(own, candidates, weight=classifier.weight, **rule)
    readable = candidates.get("explainable_boosting")
    first = resampled.pop("classifier")
    level = params.confidence_level
    return {
        "classifier": _to_dicts(first.intervals(level)),
        "baselines": {name: _to_dicts(each.intervals(level)) for name, each in resampled.items()},
        "differences": {name: _to_dicts(subtract(first, each, level)) for name, each in resampled.items()},
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
    """Return the points of every curve by name.

    The names are roc, pr, gain, calibration, calibration_histogram, confusion and, for two classes, thresholds.
    With `held_out`, the rows that the threshold was chosen on, thresholds_held_out has the same for them.
    """
    y, p, weight = classifier.y_true, classifier.y_prob, classifier.weight
    frames = {
        "roc": curves.roc_curve_frame(y, p, classes, weight),
        "pr": curves.pr_curve_frame(y, p, classes, weight),
        "gain": curves.gain_frame(y, p, classes, weight),
        "calibration": curves.calibration_frame(y, p, classes, weight),
        "calibration_histogram": curves.score_histogram_frame(y, p, classes, weight),
        "confusion": curves.confusion_frame(y, classifier.y_pred, classes),
    }
    for name, rows in (("thresholds", classifier), ("thresholds_held_out", held_out)):
        if len(classes) == 2 and rows is not None:
            frames[name] = curves.threshold_frame(rows.y_true, rows.y_prob, rows.weight, costs)
    return frames


def make_baseline_curves(
    baselines: Iterable[tuple[str, PartPredictions]], classes: list[str], weight: NDArray[Any] | None
) -> dict[str, pd.DataFrame]:
    """Return the curves of the baselines for two classes: roc_baselines, pr_baselines and calibration_baselines.

    The first column `model` is the name of the baseline; the others are those of the classifier's curve.
    """
    frames: dict[str, list[pd.DataFrame]] = {"roc_baselines": [], "pr_baselines": [], "calibration_baselines": []}
    makers = (curves.roc_curve_frame, curves.pr_curve_frame, curves.calibration_frame)
    for name, each in baselines:
        for made, make in zip(frames.values(), makers, strict=True):
            frame = make(each.y_true, each.y_prob, classes, weight)
            frame.insert(0, "model", name)
            made.append(frame)
    return {name: pd.concat(made, ignore_index=True) for name, made in frames.items()}


def _to_dicts(intervals: Mapping[str, Interval]) -> dict[str, dict[str, Any]]:
    return {name: asdict(interval) for name, interval in intervals.items()}
