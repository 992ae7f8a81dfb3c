"""The page and the text of a comparison."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.reports import summary
from tests.rooms import TEMPLATES
from tests.test_comparison import PARAMS, changed, version
from veritable.errors import UserError
from veritable.evaluation.evaluate import make_curves
from veritable.reporting.comparison import (
    Side,
    list_differences,
    render_comparison_html,
    render_comparison_markdown,
    summarize_comparison,
)
from veritable.reporting.reference import compare_with_reference
from veritable.reporting.render import render_html, render_markdown

HOSTILE = '<img src=x onerror="alert(1)">|`*'


def side(name: str, seed: int, noise: float, **fields: Any) -> Side:
    """Make a side of a comparison."""
    judged = version(seed, noise)
    importance = pd.DataFrame({"column": ["age", "NA"], "importance": [0.5, 0.1 * seed]})
    params = {"explain": {"output": "log_odds"}, "train": {"seed": seed, "mlp": {"l1": 0.0}}}
    made = Side(
        name, judged, curves=make_curves(judged.predictions, list(judged.classes)), importance=importance, params=params
    )
    return replace(made, **fields)


def test_all_sections_are_there() -> None:
    """The page has the headline, metrics with outcome, curves of both versions, importance and what was changed."""
    facts = summarize_comparison(side("v1", 1, 2.5), side("v2", 2, 1.0), PARAMS)
    page = render_comparison_html(facts)
    for section in ("headline", "metrics", "curves", "importance", "causes"):
        assert f'data-test="comparison-{section}"' in page
    assert 'class="verdict better"' in page
    assert "Better ranked than v1" in page
    assert 3 == page.count("<figure") == len(facts["curves"])
    assert all(page.count(f"\n{name},0,") >= 1 for name in ("v1", "v2"))  # the numbers of the curves
    assert [{"key": "train.seed", "old": "1", "new": "2"}] == facts["params"]
    assert page == render_comparison_html(summarize_comparison(side("v1", 1, 2.5), side("v2", 2, 1.0), PARAMS))


def test_hostile_names_stay_text() -> None:
    """Names of revisions, columns, classes, groups and params stay text on the page and in the comment."""
    old, new = (side(HOSTILE, seed, 1.0, params={"data": {"target": HOSTILE * seed}}) for seed in (1, 2))
    assert new.judged is not None
    grouped = changed(new.judged, sensitive={HOSTILE: np.array([HOSTILE] * 400, dtype=object)})
    names = pd.DataFrame({"column": [HOSTILE], "importance": [0.5]})
    old, new = (replace(each, importance=names, notes=[HOSTILE]) for each in (old, replace(new, judged=grouped)))
    facts = summarize_comparison(old, new, PARAMS)
    page, text = render_comparison_html(facts), render_comparison_markdown(facts)
    assert "<img" not in page
    assert "<img" not in text.replace("\\<", "")
    assert text.count("\\<img") > 5


def test_missing_predictions() -> None:
    """Without the predictions of a version, the headline metrics are compared without intervals, and the page says so."""
    old = side("v1", 1, 1.0, judged=None, metrics={"roc_auc": 0.8}, notes=["v1: files are missing."])
    facts = summarize_comparison(old, side("v2", 2, 1.0, metrics={"roc_auc": 0.9, "f1": 0.7}), PARAMS)
    assert [("roc_auc", 0.8, 0.9, None)] == [
        (each["key"], each["old"]["value"], each["new"]["value"], each["outcome"]) for each in facts["metrics"]
    ]
    for rendered in (render_comparison_html(facts), render_comparison_markdown(facts).replace("\\", "")):
        assert "v2 cannot be told apart from v1, because predictions are missing." in rendered
        assert "v1: files are missing." in rendered


def test_importances_in_different_units_are_not_compared() -> None:
    """Importance in log-odds is not set beside importance in probability."""
    old, new = side("v1", 1, 1.0), side("v2", 2, 1.0, params={"explain": {"output": "probability"}})
    assert [] == summarize_comparison(old, new, PARAMS)["importance"]
    same = summarize_comparison(old, side("v2", 2, 1.0), PARAMS)["importance"]
    assert [("age", 1, 1), ("NA", 2, 2)] == [(each["column"], each["old_rank"], each["new_rank"]) for each in same]


def test_code_is_listed_once() -> None:
    """A module or library that several stages use is one line with all of them."""
    before = {"package torch": "2.12", "module src/a.py": "01"}
    after = {"package torch": "2.13", "module src/b.py": "02"}
    old, new = (side(f"v{n}", 1, 1.0, code={"train": code, "tune": code}) for n, code in enumerate((before, after)))
    assert [
        {"key": "src/a.py", "old": "", "new": "–", "stages": ["train", "tune"]},
        {"key": "src/b.py", "old": "–", "new": "", "stages": ["train", "tune"]},
        {"key": "torch", "old": "2.12", "new": "2.13", "stages": ["train", "tune"]},
    ] == summarize_comparison(old, new, PARAMS)["code"]


@pytest.mark.parametrize(("old", "new"), [({"a": None}, {}), ({"a": None}, {"a": False}), ({"a": "1"}, {"a": 1})])
def test_differences_of_params(old: dict[str, Any], new: dict[str, Any]) -> None:
    """An absent param differs from null, null from false and a text from a number."""
    assert ["a"] == [each["key"] for each in list_differences(old, new)]


def test_nothing_changed() -> None:
    """A version compared with itself says what is the same, as far as it is known."""
    code = {"train": {"package torch": "2.13"}}
    facts = summarize_comparison(side("v1", 1, 1.0, code=code), side("v2", 1, 1.0, code=code), PARAMS)
    for rendered in (render_comparison_html(facts), render_comparison_markdown(facts)):
        assert "Both versions have the same: the params, the code." in rendered
    assert "All predictions equal those of v1." in render_comparison_html(facts)


def test_another_folder_is_no_reference(tmp_path: Path) -> None:
    """A folder without a reference is refused in one sentence; a path that is no folder stands for none."""
    with pytest.raises(UserError, match=r"'report\.reference' in params\.yaml must be a folder that `make promote` wrote"):
        compare_with_reference(tmp_path, side("v2", 2, 1.0), PARAMS)
    (tmp_path / "nothing").write_text("Nothing")
    assert None is compare_with_reference(tmp_path / "nothing", side("v2", 2, 1.0), PARAMS)


def test_the_report_holds_the_comparison() -> None:
    """A report with a reference has the comparison in page and text; one without has neither."""
    compared = summarize_comparison(side("v1", 1, 2.5), side("this version", 2, 1.0), PARAMS)
    with_reference, without = summary(reference=compared), summary()
    assert 'href="#reference"' in render_html(with_reference, TEMPLATES)
    assert "Better ranked than v1" in render_html(with_reference, TEMPLATES)
    assert "## Compared with v1" in render_markdown(with_reference, TEMPLATES)
    assert "comparison-" not in render_html(without, TEMPLATES)
    assert "Compared with" not in render_markdown(without, TEMPLATES)
