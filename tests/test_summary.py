"""The summary holds all facts of a run, and the metrics file the few that git tracks."""

import json
import math
from typing import Any

import pandas as pd
import pytest

from tests.reports import facts, predictions, summary
from tests.rooms import TEMPLATES
from veritable.evaluation.evaluate import compare_models
from veritable.evaluation.folds import compute_fold_metrics
from veritable.evaluation.params import EvaluateParams
from veritable.metrics.labels import LABELS
from veritable.reporting.render import render_html, render_markdown
from veritable.reporting.summary import make_summary, parse_versions, select_metrics


def plain(value: Any) -> Any:
    """Return frames as lists of rows, in which a missing value is None."""
    if isinstance(value, pd.DataFrame):
        return value.astype(object).where(value.notna(), None).to_dict("records")
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [plain(each) for each in value]
    return value


@pytest.mark.parametrize("classes", [["no", "yes"], ["a", "b", "c"]], ids=len)
def test_json_without_nan(classes: list[str]) -> None:
    """Summary and metrics file are JSON: no NaN, no infinity, no numpy number."""
    for content in (plain(summary(classes)), select_metrics(summary(classes))):
        assert content == json.loads(json.dumps(content, allow_nan=False))


def test_undefined_metrics() -> None:
    """A metric that is undefined on the test rows is None, not NaN."""
    gathered = facts(["no", "yes"], ["age"], "target", 20)
    one_class = predictions(2, 20, 1)
    one_class.y_true[:] = 0
    judged = compare_models(
        one_class, [("majority", one_class)], EvaluateParams(n_resamples=100, confidence_level=0.95, seed=0)
    )
    gathered["results"] |= judged
    content = select_metrics(make_summary(**gathered))
    assert content["roc_auc"] is None
    json.dumps(content, allow_nan=False)


def test_metrics_file() -> None:
    """The metrics file has the classifier's metrics, its threshold and its lead over the best baseline, and fits a screen."""
    gathered = facts(["no", "yes"], ["age"], "target", 120)
    content = select_metrics(make_summary(**gathered))
    results = gathered["results"]
    best = min(results["baselines"].values(), key=lambda metrics: metrics["log_loss"]["value"])
    lead = best["log_loss"]["value"] - results["classifier"]["log_loss"]["value"]
    assert content == {
        **{key: results["classifier"][key]["value"] for key in LABELS}, "threshold": 0.42, "lead": pytest.approx(lead),
    }  # fmt: skip


def test_folds() -> None:
    """For a cross-validated classifier, page and text have the mean and the spread of each metric."""
    gathered = facts(["no", "yes"], ["age"], "target", 120)
    gathered["results"]["folds"] = folds = compute_fold_metrics([predictions(2, 50, seed) for seed in (1, 2, 3)])
    cross_validated = make_summary(**gathered)
    auc = folds["roc_auc"]
    html, text = render_html(cross_validated, TEMPLATES), render_markdown(cross_validated, TEMPLATES)
    assert f"| ROC AUC | {auc['mean']:.3f} | {auc['spread']:.3f} |" in text
    assert all(f"<td>{value:.3f}</td>" in html for value in [auc["spread"], *auc["values"]])
    assert "Cross-validation" not in render_html(summary(), TEMPLATES)


KEPT = "Epoch 2 of 3 of {} was kept, with a validation loss of 0.5500."


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {},
            "A blend, by share of the weights: 1 network (tabm) with 44 % and 4 boosted-tree models with 56 %. Temperature "
            "0.95.",
        ),
        (
            {"blend": [{"kind": "network", "models": 3, "share": 1.0}], "temperature": 1.0},
            "3 networks (tabm). Temperature 1.",
        ),
        (
            {
                "network": "resnet",
                "blend": [
                    {"kind": "network", "models": 5, "share": 0.5},
                    {"kind": "trees", "models": 1, "share": 0.25},
                    {"kind": "forest", "models": 1, "share": 0.15},
                    {"kind": "linear", "models": 1, "share": 0.1},
                ],
            },
            "A blend, by share of the weights: 5 networks (resnet) with 50 %, 1 boosted-tree model with 25 %, 1 forest of "
            "random trees with 15 % and 1 linear model with 10 %. Temperature 0.95.",
        ),
    ],
)
def test_classifier_sentence(changes: dict[str, Any], sentence: str) -> None:
    """Page and text say in one sentence what the classifier consists of."""
    gathered = facts(["no", "yes"], ["age"], "target", 120)
    gathered["results"]["members"] |= changes
    made = make_summary(**gathered)
    several = gathered["results"]["members"]["blend"][0]["models"] > 1
    kept = KEPT.format("the network with the lowest validation loss" if several else "the network")
    assert all(f"{sentence} {kept}" in render(made, TEMPLATES) for render in (render_html, render_markdown))


def test_every_metric_has_a_label() -> None:
    """The report shows every metric that evaluate computes."""
    assert set(facts(["a", "b"], ["x"], "t", 40)["results"]["classifier"]) == set(LABELS)


def test_confusion() -> None:
    """The confusion matrix counts actual by predicted, with shares of the actual class."""
    network, names = predictions(3, 90, 1), ["a", "b", "c"]
    rows = summary(names, rows=90)["confusion"]
    assert names == [row["actual"] for row in rows]
    for i, row in enumerate(rows):
        expected = [int(((network.y_true == i) & (network.y_pred == j)).sum()) for j in range(3)]
        assert expected == [cell["rows"] for cell in row["cells"]]
        assert 1 == pytest.approx(math.fsum(cell["share"] for cell in row["cells"]))
        assert ["right" if i == j else "wrong" for j in range(3)] == [cell["kind"] for cell in row["cells"]]


def test_best_epoch() -> None:
    """The epoch that was kept has the lowest validation loss."""
    assert {"epoch": 2, "epochs": 3, "valid_loss": 0.55} == summary()["best"]


def test_positive_class() -> None:
    """Of two classes the second is the positive one; with more classes there is none."""
    assert "yes" == summary(["no", "yes"])["positive"]
    assert summary(["a", "b", "c"])["positive"] is None


def test_versions() -> None:
    """Versions come from the stage's code file, and the report shows the most important ones."""
    text = "python 3.11\nmodule veritable.files 0123\npackage torch 2.13.0\npackage scikit-learn 1.9.1\n"
    assert {"python": "3.11", "torch": "2.13.0", "scikit-learn": "1.9.1"} == parse_versions(text)
    assert ["python", "torch", "numpy"] == list(summary()["versions"])


def test_many_classes() -> None:
    """With 1,000 classes the confusion matrix has a row for each of the 100 most frequent and one for all others."""
    facts_ = summary([f"c{n:03}" for n in range(1000)], rows=1000)
    rows = facts_["confusion"]
    assert {*(f"c{n:03}" for n in range(100)), "(900 others)"} == {row["actual"] for row in rows}
    assert "(900 others)" == rows[-1]["actual"]
    assert 1000 == sum(cell["rows"] for row in rows for cell in row["cells"])
    assert ["wrong"] * 100 + ["mixed"] == [cell["kind"] for cell in rows[-1]["cells"]]
    assert 30 == len(facts_["listed_classes"])
    assert "gradient_boosting" not in facts_["models"]


@pytest.mark.parametrize(("share", "first"), [(0.02, "average_precision"), (0.3, "roc_auc")])
def test_cards(share: float, first: str) -> None:
    """The first card is ROC AUC or, with a rare positive class, average precision; then there is no accuracy and no Brier."""
    cards = summary(rows=500, positive_share=share)["cards"]
    assert (first, 5) == (cards[0], len(cards))
    assert (first == "roc_auc") == ("accuracy" in cards) == ("brier" in cards)
    assert set(cards) <= set(LABELS)


def test_cards_of_a_common_positive_class() -> None:
    """If the negative class is rare, the cards are the usual ones."""
    assert "roc_auc" == summary(rows=500, positive_share=0.98)["cards"][0]
