"""The first screen says what the numbers say."""

import copy
from typing import Any

import pytest

from tests.reports import summary
from veritable.reporting.opening import draw_differences, make_opening, make_slider


def reference(headline: str = "Better ranked than v1.") -> dict[str, Any]:
    difference = {"value": 0.02, "low": 0.01, "high": 0.03}
    return {"old": "v1", "headline": headline, "metrics": [{"key": "roc_auc", "difference": difference}]}


@pytest.mark.parametrize(
    ("outcome", "headline", "advice"),
    [
        ("better", "Better than", "Nothing speaks against using it."),
        ("tied", "A tie with", "is as good"),
        ("worse", "Worse than", "instead."),
    ],
)
def test_headline(outcome: str, headline: str, advice: str) -> None:
    """The headline and the advice follow from the outcome; a tie is said as a tie."""
    found = summary(findings=[])
    found["findings"] = []
    found["verdict"] = found["verdict"] | {"outcome": outcome}
    opening = make_opening(found)
    assert opening["headline"].startswith(headline)
    assert advice in opening["advice"]
    assert outcome == opening["outcome"]


def test_problems_come_before_use() -> None:
    """If the checks found a problem, the advice is to look at it; notes are none."""
    found = summary()
    found["verdict"] = found["verdict"] | {"outcome": "better"}
    assert "Look at what the checks found before you use it." == make_opening(found)["advice"]
    assert "The checks found 1 problem: see Findings." == make_opening(found)["before"][0]
    notes = found | {"findings": [each | {"level": "note"} for each in found["findings"]]}
    assert "The checks found no problem." == make_opening(notes)["before"][0]


def test_reference() -> None:
    """With a reference, the headline is that of the comparison, and the differences are those from it."""
    found = summary(reference=reference())
    opening = make_opening(found)
    assert opening["headline"].startswith("Better ranked than v1; ")
    assert opening["context"].endswith("against v1")
    assert ["ROC AUC"] == list(draw_differences(found).data["name"])
    assert ["better"] == list(draw_differences(found).data["outcome"])


def test_differences_from_the_best_baseline() -> None:
    """Without a reference, the figure shows the differences from the best baseline; lower is better for losses."""
    found = summary()
    best = found["baseline_differences"][found["verdict"]["best_baseline"]]
    drawn = draw_differences(found).data
    assert [best[key]["value"] for key in ("roc_auc", "log_loss", "brier", "accuracy", "recall")] == list(drawn["Difference"])
    place = list(drawn["name"]).index("Log loss")
    expected = "better" if best["log_loss"]["high"] < 0 else "worse" if best["log_loss"]["low"] > 0 else "not shown"
    assert expected == drawn["outcome"][place]


def test_slider_starts_at_the_threshold() -> None:
    """The slider starts at the threshold of the classifier, with the counts of its decisions; they sum to 1,000."""
    found = summary(rows=400)
    slider = make_slider(found)
    assert slider is not None
    points, chosen = slider["points"], slider["chosen"]
    assert found["threshold"] == points["threshold"][chosen]
    assert sorted(points["threshold"]) == points["threshold"]
    assert found["decision"]["of_1000"]["right"]["value"] == pytest.approx(points["tp"][chosen], abs=1e-4)
    for counts in zip(*(points[name] for name in ("tp", "fp", "fn", "tn")), strict=True):
        assert 1000 == pytest.approx(sum(counts), abs=1e-3)
    assert make_slider(summary(["a", "b", "c"])) is None


def test_many_classes() -> None:
    """With more than two classes, the worst class is named with its recall, and accuracy takes the place of the counts."""
    found = summary(["a", "b", "c"], rows=300)
    worst = min(found["class_metrics"], key=lambda each: each["recall"]["value"])
    opening = make_opening(found)
    assert any(each.startswith(f"Worst class: of {worst['rows']} rows of {worst['class']}, ") for each in opening["before"])
    assert opening["counts"].startswith("Of 1,000 rows, ")
    for accuracy, counted in ((0.9, "900"), (0.9996, "999.6"), (1.0, "1,000")):
        found["metrics"]["accuracy"]["models"]["classifier"]["value"] = accuracy
        assert f"Of 1,000 rows, {counted} get the right class." == make_opening(found)["counts"]


def test_groups() -> None:
    """The clearest difference in quality is named with its interval; without one, that is said."""
    found = summary(rows=400, sensitive={"sex": ["f", "m"]})
    gaps = copy.deepcopy(found["groups"])
    for each in gaps["sex"]["gaps"].values():
        each["shown"] = False
    nothing = "sex: no difference in quality between its groups is shown, see Groups."
    assert nothing in make_opening(found | {"groups": gaps})["before"]
    gap = {"value": 0.25, "low": 0.1, "high": 0.4, "n": 400}
    gaps["sex"]["gaps"]["recall"] |= {"shown": True, "higher": "m", "lower": "f", "gap": gap}
    expected = "sex: recall of m is 25.0 points [10.0, 40.0] above f, see Groups."
    assert expected in make_opening(found | {"groups": gaps})["before"]


def test_certainty() -> None:
    """What is known is the accuracy, or with a rare positive class the recall; an undefined one is said to be unknown."""
    assert any("the accuracy of " in each for each in make_opening(summary())["before"])
    rare = summary(rows=600, positive_share=0.05)
    assert any("the recall of " in each for each in make_opening(rare)["before"])
    rare["metrics"]["recall"]["models"]["classifier"] |= {"value": None, "low": None, "high": None}
    assert "With 600 test rows, the recall is not known." in make_opening(rare)["before"]
