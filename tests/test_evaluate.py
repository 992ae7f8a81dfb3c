"""The facts of the classifier and the baselines together."""

import json

import numpy as np
import pytest

from tests.reports import predictions
from veritable.evaluation.evaluate import compare_models, make_baseline_curves, make_curves
from veritable.evaluation.params import EvaluateParams
from veritable.metrics.metrics import METRICS
from veritable.metrics.paired import paired_metrics

PARAMS = EvaluateParams(n_resamples=100, confidence_level=0.9, seed=3)


def test_every_baseline_has_its_differences():
    """For each baseline there is the paired difference of every metric: the classifier's minus that of the baseline."""
    own, others = predictions(2, 150, 1), {"majority": predictions(2, 150, 2, 0.5), "plain_network": predictions(2, 150, 3)}
    results = compare_models(own, others.items(), PARAMS)
    assert set(others) == set(results["differences"])
    for name, other in others.items():
        expected = paired_metrics(
            own.y_true,
            own.y_prob,
            own.y_pred,
            other.y_prob,
            other.y_pred,
            n_resamples=100,
            seed=3,
            confidence_level=0.9,
        )
        assert {metric: vars(interval) for metric, interval in expected.items()} == results["differences"][name]
        for metric in METRICS:
            values = results["classifier"][metric]["value"], results["baselines"][name][metric]["value"]
            assert values[0] - values[1] == pytest.approx(results["differences"][name][metric]["value"])
    json.dumps(results, allow_nan=False)


@pytest.mark.parametrize("classes", [2, 3])
def test_the_curves_of_the_classifier(classes):
    """There are frames for every curve, and thresholds for two classes only."""
    names = {"roc", "pr", "gain", "calibration", "calibration_histogram", "confusion"}
    frames = make_curves(predictions(classes, 60, 1), list("abc")[:classes])
    assert names | ({"thresholds"} if classes == 2 else set()) == set(frames)


def test_the_curves_of_the_baselines_are_those_of_each_model():
    """The curves of a baseline are those that it would have as the classifier, weighted, with its name in front."""
    weight = np.random.default_rng(0).exponential(size=80)
    models = {name: predictions(2, 80, seed) for seed, name in enumerate(["majority", "plain_network"])}
    frames = make_baseline_curves(models.items(), ["no", "yes"], weight)
    assert {"roc_baselines", "pr_baselines", "calibration_baselines"} == set(frames)
    for name, model in models.items():
        weighted = type(model)(model.row, model.y_true, model.y_pred, model.y_prob, weight)
        expected = make_curves(weighted, ["no", "yes"])
        for curve in ("roc", "pr", "calibration"):
            frame = frames[f"{curve}_baselines"]
            own = frame[frame["model"] == name].drop(columns="model").reset_index(drop=True)
            assert "model" == frame.columns[0]
            assert expected[curve].equals(own)
