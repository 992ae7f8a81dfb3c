"""Judge the network and the simple models by the same code on the same rows."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import pandas as pd

from veritable.evaluation import curves
from veritable.evaluation.metrics import compute_metrics
from veritable.evaluation.params import EvaluateParams
from veritable.evaluation.predictions import PartPredictions
from veritable.evaluation.verdict import judge


def compare_models(
    network: PartPredictions, baselines: Mapping[str, PartPredictions], params: EvaluateParams
) -> dict[str, Any]:
    """Metrics with intervals of each model, and whether the network earns its place.

    Parameters
    ----------
    network, baselines
        Predictions of the same part, in the same order of rows.
    """

    def measure(predictions: PartPredictions) -> dict[str, Any]:
        intervals = compute_metrics(
            predictions.y_true,
            predictions.y_prob,
            predictions.y_pred,
            resamples=params.resamples,
            seed=params.seed,
            confidence=params.confidence,
        )
        return {name: asdict(interval) for name, interval in intervals.items()}

    verdict = judge(
        network.y_true,
        network.y_prob,
        {name: each.y_prob for name, each in baselines.items()},
        resamples=params.resamples,
        seed=params.seed,
        confidence=params.confidence,
    )
    return {
        "network": measure(network),
        "baselines": {name: measure(each) for name, each in baselines.items()},
        "verdict": asdict(verdict),
        "confidence": params.confidence,
    }


def draw_curves(network: PartPredictions, classes: list[str]) -> dict[str, pd.DataFrame]:
    """The points of every curve by name: roc, pr, calibration, confusion, and for two classes thresholds."""
    y, p = network.y_true, network.y_prob
    frames = {
        "roc": curves.roc_curve_frame(y, p, classes),
        "pr": curves.pr_curve_frame(y, p, classes),
        "calibration": curves.calibration_frame(y, p, classes),
        "confusion": curves.confusion_frame(y, network.y_pred, classes),
    }
    return frames | ({"thresholds": curves.threshold_frame(y, p)} if len(classes) == 2 else {})
