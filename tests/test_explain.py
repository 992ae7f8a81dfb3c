"""An explanation has one value per raw column, in long form, and reproducible figures."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from matplotlib import image

from tests.rooms import HOSTILE, params, prepared
from tests.test_classifier import classifier
from veritable.explanation import figures
from veritable.explanation.explain import Explained, explain_rows
from veritable.explanation.library import shap
from veritable.explanation.params import ExplainParams

SMALL = {"rows": 12, "background_rows": 10, "n_permutations": 2}


@cache
def explained(classes: int = 2, **changes: int) -> Explained:
    done, knobs = prepared(300, classes), params(ExplainParams, "explain", **{**SMALL, **changes})
    return explain_rows(classifier(classes), done.parts["train"], done.parts["test"], knobs)


@pytest.mark.parametrize("classes", [2, 3])
def test_long_form(classes: int) -> None:
    """Each row, raw column and class has one line, and the lines of a row and class sum to its probability."""
    done, test = explained(classes), prepared(300, classes).parts["test"]
    frame = done.attributions
    assert ["row", "column", "class", "attribution", "standard_error"] == list(frame.columns)
    assert (frame["standard_error"] >= 0).all()
    assert 12 * 4 * classes == len(frame) == len(frame.drop_duplicates(["row", "column", "class"]))
    assert ["age", "colour", "member", "score"] == frame["column"].unique().tolist()
    sums = frame.groupby(["class", "row"])["attribution"].sum().unstack(0).add(done.facts["base_values"])
    X = test.X[[test.row.tolist().index(row) for row in sums.index]]
    np.testing.assert_allclose(classifier(classes).predict_proba(X), sums, atol=1e-6)


def test_values_shown() -> None:
    """For two classes, the values of the positive one are shown, with the raw values of the rows."""
    done = explained()
    assert "class 1" == done.facts["class"]
    frame = done.attributions
    expected = frame[frame["class"] == "class 1"]["attribution"].to_numpy().reshape(12, 4)
    np.testing.assert_array_equal(expected, done.values.values)
    assert {"red", "green", "blue", "missing"} >= set(done.values.display_data[:, 1])
    assert {"yes", "no"} >= set(done.values.display_data[:, 2])


def test_class_shown_of_many() -> None:
    """For more classes, the class that is predicted most often is shown."""
    frame = explained(3).attributions
    sums = frame.groupby(["row", "class"])["attribution"].sum().add(0).reset_index()
    sums["probability"] = sums["attribution"] + sums["class"].map(explained(3).facts["base_values"])
    likeliest = sums.loc[sums.groupby("row")["probability"].idxmax(), "class"]
    assert likeliest.mode()[0] == explained(3).facts["class"]


def test_importance() -> None:
    """The importance of a column is its mean absolute value; columns are in descending order."""
    done = explained(3)
    expected = done.attributions["attribution"].abs().groupby(done.attributions["column"]).mean()
    assert done.importance["importance"].is_monotonic_decreasing
    np.testing.assert_allclose(expected[done.importance["column"]], done.importance["importance"])


def test_facts() -> None:
    """The facts have the number of rows, and the row whose actual class has the lowest probability."""
    facts, test = explained().facts, prepared().parts["test"]
    assert (12, 10) == (facts["rows"], facts["background_rows"])
    assert 0 <= facts["additivity_error"] < 1e-14
    assert 0 < facts["worst_relative_error"] < 2
    assert 1 == pytest.approx(sum(facts["base_values"].values()))
    rows = [test.row.tolist().index(row) for row in explained().attributions["row"].unique()]
    probabilities = classifier().predict_proba(test.X[rows])
    worst = rows[probabilities[np.arange(12), test.y[rows]].argmin()]
    assert test.row[worst] == facts["shown_row"]
    assert classifier().classes[test.y[worst]] == facts["shown_actual"]
    assert probabilities[rows.index(worst), 1] == pytest.approx(facts["shown_probability"])


def test_fewer_rows_than_asked_for() -> None:
    """If a part has fewer rows than requested, each of them is explained once."""
    done = explained(rows=1000, background_rows=1000, n_permutations=1)
    assert (60, 180) == (done.facts["rows"], done.facts["background_rows"])
    assert 60 == done.attributions["row"].nunique()


def test_rows_do_not_depend_on_others() -> None:
    """If more rows are explained, the attributions and errors of the first ones stay the same."""
    few = explained(rows=5).attributions
    assert few.equals(explained().attributions.iloc[: len(few)])


@pytest.mark.parametrize("change", [{"rows": 11}, {"background_rows": 11}, {"n_permutations": 3}, {"seed": 1}], ids=str)
def test_every_knob_matters(change: dict[str, int]) -> None:
    """The same params give the same attributions; each param changes them."""
    assert explained().attributions.equals(explained.__wrapped__().attributions)
    assert not explained().attributions.equals(explained(**change).attributions)


@pytest.mark.parametrize("classes", [2, 3])
def test_figures(tmp_path: Path, classes: int) -> None:
    """Three figures are drawn, are not blank, and are the same bytes each time."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        explained(classes).draw(tmp_path / name)
    one, two = ({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("one", "two"))
    assert {"importance.png", "beeswarm.png", "waterfall.png"} == set(one)
    assert one == two
    for path in (tmp_path / "one").iterdir():
        pixels = image.imread(path)
        assert min(pixels.shape[:2]) > 200
        assert pixels[:, :, :3].std() > 0.01


def test_hostile_names(tmp_path: Path) -> None:
    """Any column name and value can be drawn; text between dollar signs is not a formula."""
    draw = np.random.default_rng(0)
    data = draw.normal(size=(11, len(HOSTILE)))
    shown = data.astype(object)
    shown[:, 0] = HOSTILE
    data[2, 1] = np.nan
    values = shap.Explanation(data / 2, np.zeros(11), data=data, display_data=shown, feature_names=HOSTILE)
    figures.draw_importance(values, tmp_path / "importance.png")
    figures.draw_beeswarm(values, tmp_path / "beeswarm.png")
    for row in (0, 3, 8, 9):
        figures.draw_waterfall(values[row], tmp_path / f"{row}.png")
    assert 6 == len([path for path in tmp_path.iterdir() if path.stat().st_size > 5000])
