"""The explanation of test rows has one value per row, column and explained class, and facts that agree with it."""

from functools import cache

import numpy as np
import pytest

from tests.rooms import params, prepared
from tests.test_classifier import classifier
from tests.test_explainer import with_background
from veritable.explanation.explain import Explained, explain_test
from veritable.explanation.params import ExplainParams
from veritable.models.background import Background

FRAMES = {"points", "effects", "interactions", "deletion", "waterfall", "importance_by_class"}


@cache
@cache
def explained(classes: int = 2, **changes: object) -> Explained:
    background = with_background(classes).background
    assert background is not None
    knobs = params(ExplainParams, "explain", **{"rows": 12, **changes})
    return explain_test(classifier(classes, kind="blend"), background, prepared(300, classes).parts["test"], knobs)


@pytest.mark.parametrize("classes", [2, 3])
def test_long_form(classes: int) -> None:
    """Each row, column and class has one line; for two classes, only the positive one is explained."""
    done, outputs = explained(classes), 1 if classes == 2 else classes
    frame = done.values
    assert ["row", "column", "class", "value", "standard_error"] == list(frame.columns)
    assert 12 * 4 * outputs == len(frame) == len(frame.drop_duplicates(["row", "column", "class"]))
    assert ["age", "colour", "member", "score"] == frame["column"].unique().tolist()
    assert (frame["standard_error"] >= 0).all()
    if classes == 3:  # centered scores sum to 0
        assert 0 == pytest.approx(frame.groupby(["row", "column"])["value"].sum().abs().max(), abs=1e-9)


@pytest.mark.parametrize("classes", [2, 3])
def test_frames(classes: int) -> None:
    """All tables for the report are there, and none has a missing name or an infinite number."""
    done = explained(classes)
    assert FRAMES == set(done.frames)
    for frame in (done.importance, *done.frames.values()):
        assert len(frame)
        assert np.isfinite(frame.select_dtypes("number").drop(columns=["number", "rank"], errors="ignore")).all(axis=None)
    assert {"column", "importance", "low", "high", "loss_increase", "loss_increase_low", "loss_increase_high"} == set(
        done.importance
    )
    assert set(range(3)) >= set(done.frames["importance_by_class"]["class"].str.removeprefix("class ").astype(int))


def test_nearest_change() -> None:
    """The nearest change of the worst row turns its decision, and leaves fixed columns as they are."""
    worst = explained().facts["worst"]
    changed = {each["column"] for each in worst["change"]["columns"]}
    assert changed
    assert all(each["before"] != each["after"] for each in worst["change"]["columns"])
    done = prepared(300, 2)
    background = with_background().background
    assert background is not None
    knobs = params(ExplainParams, "explain", rows=12).model_copy(update={"fixed": sorted(changed)})
    fixed = explain_test(classifier(kind="blend"), background, done.parts["test"], knobs).facts["worst"]["change"]
    assert fixed is None or changed.isdisjoint(each["column"] for each in fixed["columns"])


def test_facts() -> None:
    """The facts say how many rows were compared, and how large the errors are."""
    facts, values = explained().facts, explained().values
    assert (12, 40, 180) == (facts["rows"], facts["background_rows"], facts["train_rows"])
    assert facts["gap"] < 1e-9
    assert values["standard_error"].mean() / values["value"].abs().mean() == pytest.approx(facts["errors"]["mean"])
    assert facts["errors"]["mean"] <= facts["errors"]["worst_row"] < 0.2
    assert 0 < facts["errors"]["background"]
    assert {"difference", "low", "high"} == set(facts["deletion"])


def test_rows_do_not_depend_on_others() -> None:
    """If more rows are explained, the values and errors of the first ones stay the same."""
    few = explained(rows=5).values
    assert few.equals(explained().values.iloc[: len(few)])


def test_fewer_rows_than_asked_for() -> None:
    """If the test part has fewer rows than asked for, each of them is explained once."""
    assert 60 == explained(rows=1000).values["row"].nunique()


@pytest.mark.parametrize("change", [{"rows": 11}, {"error": 0.01}, {"output": "probability"}, {"seed": 1}], ids=str)
def test_every_knob_matters(change: dict[str, object]) -> None:
    """The same params give the same values; each param changes them."""
    assert explained().values.equals(explained.__wrapped__().values)
    assert not explained().values.equals(explained(**change).values)


@pytest.mark.parametrize("rows", [1, 2])
def test_few_rows(rows: int) -> None:
    """One row can be explained, compared with two."""
    done = prepared(300, 2)
    background = Background.draw(done.parts["train"], 2, 0)
    assert background is not None
    knobs = params(ExplainParams, "explain", rows=rows)
    found = explain_test(classifier(kind="blend"), background, done.parts["test"], knobs)
    assert rows == found.values["row"].nunique()
