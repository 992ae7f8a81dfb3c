"""The summary: all facts of a run in one dict, and the few that git holds."""

import json
import math
from typing import Any

import pandas as pd
import pytest

from tests.reports import facts, predictions, summary
from tests.rooms import TEMPLATES
from veritable.evaluation.evaluate import compare_models
from veritable.evaluation.folds import measure_folds
from veritable.evaluation.params import EvaluateParams
from veritable.reporting.render import render_html, render_markdown
from veritable.reporting.summary import LABELS, headline, summarise, versions_in


def plain(value: Any) -> Any:
    """Frames as lists of rows, bytes as their length."""
    if isinstance(value, pd.DataFrame):
        return value.to_dict("records")
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [plain(each) for each in value]
    return len(value) if isinstance(value, bytes) else value


@pytest.mark.parametrize("classes", [["no", "yes"], ["a", "b", "c"]], ids=len)
def test_json_without_nan(classes: list[str]) -> None:
    """Summary and headline are JSON: no NaN, no infinity, no numpy number."""
    for content in (plain(summary(classes)), headline(summary(classes))):
        assert content == json.loads(json.dumps(content, allow_nan=False))


def test_undefined_metrics() -> None:
    """What is undefined on these rows is None in summary and headline, not NaN."""
    gathered = facts(["no", "yes"], ["age"], "target", 20)
    one_class = predictions(2, 20, 1)
    one_class.y_true[:] = 0
    judged = compare_models(
        one_class, [("majority", one_class)], EvaluateParams(n_resamples=100, confidence_level=0.95, seed=0)
    )
    gathered["results"] |= judged
    content = headline(summarise(**gathered))
    assert content["classifier"]["roc_auc"]["value"] is None
    json.dumps(content, allow_nan=False)


def test_headline() -> None:
    """The headline has rows, threshold, the classifier's metrics with their intervals, and the values of the simple models."""
    gathered = facts(["no", "yes"], ["age"], "target", 120)
    content = headline(summarise(**gathered))
    assert (120, 0.42) == (content["rows"], content["threshold"])
    assert set(LABELS) == set(content["classifier"])
    for key, metric in content["classifier"].items():
        assert {end: gathered["results"]["classifier"][key][end] for end in ("value", "low", "high")} == metric
        assert metric["low"] <= metric["value"] <= metric["high"]
    assert {"gradient_boosting", "logistic_regression", "majority"} == set(content["baselines"])
    for name, metrics in content["baselines"].items():
        assert metrics == {key: gathered["results"]["baselines"][name][key]["value"] for key in LABELS}


def test_folds() -> None:
    """Of a cross-validated classifier page and text show mean and spread of each metric; the headline holds them."""
    gathered = facts(["no", "yes"], ["age"], "target", 120)
    gathered["results"]["folds"] = folds = measure_folds([predictions(2, 50, seed) for seed in (1, 2, 3)])
    cross_validated = summarise(**gathered)
    assert {key: {"mean": folds[key]["mean"], "spread": folds[key]["spread"]} for key in LABELS} == headline(cross_validated)[
        "folds"
    ]
    auc = folds["roc_auc"]
    html, text = render_html(cross_validated, TEMPLATES), render_markdown(cross_validated, TEMPLATES)
    assert f"| ROC AUC | {auc['mean']:.3f} | {auc['spread']:.3f} |" in text
    assert all(f"<td>{value:.3f}</td>" in html for value in [auc["spread"], *auc["values"]])
    assert "Cross-validation" not in render_html(summary(), TEMPLATES)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({}, "One network (tabm), 44 %, and 4 models of boosted trees, 56 %; temperature 0.95."),
        ({"networks": 3, "trees": 0, "share": 1.0, "temperature": 1.0}, "3 networks (tabm); temperature 1."),
        (
            {"trees": 1, "network": "resnet"},
            "One network (resnet), 44 %, and one model of boosted trees, 56 %; temperature 0.95.",
        ),
    ],
)
def test_made_of(changes: dict[str, Any], sentence: str) -> None:
    """What the classifier is made of is told in a sentence, on the page and in the text."""
    gathered = facts(["no", "yes"], ["age"], "target", 120)
    gathered["results"]["members"] |= changes
    made = summarise(**gathered)
    assert sentence == made["made_of"]
    assert all(sentence in render(made, TEMPLATES) for render in (render_html, render_markdown))


def test_every_metric_has_a_label() -> None:
    """No metric that evaluate measures is left out of the report."""
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
    """The epoch that was kept is that of the least validation loss."""
    assert {"epoch": 2, "epochs": 3, "valid_loss": 0.55} == summary()["best"]


def test_positive_class() -> None:
    """Of two classes the second is the positive one; more have none."""
    assert "yes" == summary(["no", "yes"])["positive"]
    assert summary(["a", "b", "c"])["positive"] is None


def test_versions() -> None:
    """Versions are those of the stage's code file, and the page shows the few that matter."""
    text = "python 3.11\nmodule veritable.files 0123\npackage torch 2.13.0\npackage scikit-learn 1.9.1\n"
    assert {"python": "3.11", "torch": "2.13.0", "scikit-learn": "1.9.1"} == versions_in(text)
    assert ["python", "torch", "numpy"] == list(summary()["versions"])


def test_many_classes() -> None:
    """Of 1,000 classes the confusion matrix has a line for the 30 commonest and one for the rest, which is right nor wrong."""
    facts_ = summary([f"c{n:03}" for n in range(1000)], rows=1000)
    rows = facts_["confusion"]
    assert [*(f"c{n:03}" for n in range(30)), "(970 others)"] == [row["actual"] for row in rows]
    assert 1000 == sum(cell["rows"] for row in rows for cell in row["cells"])
    assert ["wrong"] * 30 + ["mixed"] == [cell["kind"] for cell in rows[-1]["cells"]]
    assert 30 == len(facts_["listed_classes"])
    assert "gradient_boosting" not in facts_["models"]


@pytest.mark.parametrize(("share", "first"), [(0.02, "average_precision"), (0.3, "roc_auc")])
def test_cards(share: float, first: str) -> None:
    """The first card is ROC AUC, of a rare positive class average precision; then neither accuracy nor Brier is among them."""
    cards = summary(rows=500, positive_share=share)["cards"]
    assert (first, 5) == (cards[0], len(cards))
    assert (first == "roc_auc") == ("accuracy" in cards) == ("brier" in cards)
    assert set(cards) <= set(LABELS)


def test_cards_of_a_common_positive_class() -> None:
    """Where the other class is the rare one, the cards are the usual ones."""
    assert "roc_auc" == summary(rows=500, positive_share=0.98)["cards"][0]
