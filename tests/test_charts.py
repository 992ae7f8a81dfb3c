"""The figures of the report show what the summary holds, for any names and any number of classes."""

import math

import numpy as np
import pandas as pd
import pytest

from tests.pictures import SVG, assert_readable, count, count_dots, parse, texts
from tests.reports import facts, predictions, summary
from tests.rooms import HOSTILE
from veritable.evaluation.evaluate import make_curves
from veritable.reporting.charts import LIFT, MAX_CLASSES, draw

EXPLANATION = {"importance", "permutation", "beeswarm", "interactions", "deletion", "waterfall"}
MANY = [f"class {i:02}" for i in range(26)]


@pytest.mark.parametrize("classes", [["no", "yes"], ["a", "b", "c"], MANY, HOSTILE], ids=["2", "3", "26", "hostile"])
def test_complete_and_readable(classes: list[str]) -> None:
    """Each figure is well-formed, has the titles of its axes, its numbers, and no text that is cut or covered."""
    drawn = draw(summary(classes, columns=HOSTILE if classes is HOSTILE else None, rows=260))
    own = {"thresholds", "scores"} if len(classes) == 2 else {"confusion"} if len(classes) > 10 else set()
    pairs = range(1, 1 + min(4, len(HOSTILE) if classes is HOSTILE else 2))
    kinds = {f"{kind} {i}" for kind in ("dependence", "effect") for i in pairs}
    assert {"roc", "pr", "gain", "lift", "calibration", "training"} | EXPLANATION | own | kinds == set(drawn)
    for figure in drawn.values():
        assert_readable(figure)
        assert len(figure.svg) < 60_000
        assert figure.csv.count("\n") > 1
    assert {"False positive rate", "True positive rate"} <= set(texts(drawn["roc"]))
    assert {"Epoch", "Loss", "train", "valid"} <= set(texts(drawn["training"]))


def test_classes_drawn() -> None:
    """Each class has a curve with its name; of too many classes, the most frequent ones."""
    assert {"a", "b", "c"} <= set(texts(draw(summary(["a", "b", "c"]))["roc"]))
    named = [each for each in texts(draw(summary(MANY, rows=265))["roc"]) if each.startswith("class ")]
    assert [f"class {i:02}" for i in range(5)] == named[:5]  # 265 rows: these have one row more
    assert MAX_CLASSES == len(named)


def test_names_that_differ_at_their_ends() -> None:
    """Classes whose long names begin alike are told apart in the legend."""
    shown = texts(draw(summary([f"{'class number ' * 5}{i:02}" for i in range(26)], rows=260))["roc"])
    assert MAX_CLASSES == len({each for each in shown if "…" in each})


@pytest.mark.parametrize(("figure", "x", "y"), [("roc", "fpr", "tpr"), ("pr", "recall", "precision")])
def test_threshold_is_marked(figure: str, x: str, y: str) -> None:
    """The point that the classifier decides at is marked on the curves, near the counts of its predictions."""
    facts = summary(rows=400)
    facts["threshold"] = 0.3
    drawn = draw(facts)[figure]
    assert "threshold 0.300" in texts(drawn)
    frame = facts["curves"][figure]
    above = frame[frame["threshold"] >= 0.3].iloc[-1]
    [mark, _] = [each.get("d", "") for each in parse(drawn).iter(f"{SVG}path") if "mark" in (each.get("class") or "")]
    [line] = [each.get("d", "") for each in parse(drawn).iter(f"{SVG}path") if each.get("class") == "line c1"]
    points = [tuple(map(float, each.split())) for each in line[1:].split("L")]
    left, right = min(point[0] for point in points), 408.0
    place = float(mark[1:].split(" ")[0])
    width = right - left if x == "fpr" else right - (left - frame[x].min() * (right - left) / (1 - frame[x].min()))
    assert right - (1 - above[x]) * width == pytest.approx(place, abs=1)
    assert 0 < above[y] <= 1


def test_baselines_are_faint() -> None:
    """With two classes, the curves of the baselines are drawn behind that of the classifier, but not the class shares."""
    facts = summary()
    rivals = [facts["curves"]["roc"].assign(model=name) for name in ("gradient_boosting", "logistic_regression", "majority")]
    facts["curves"]["roc_baselines"] = pd.concat(rivals)
    drawn = draw(facts)["roc"]
    assert ["classifier", "gradient boosting", "logistic regression", "threshold 0.420"] == texts(drawn)[-4:]
    drawn_paths = [each.get("class") for each in parse(drawn).iter(f"{SVG}path")]
    assert ["line faint f1", "line faint f2", "line c1"] == drawn_paths[:3]
    assert_readable(drawn)


def test_gain_and_scores() -> None:
    """Gain and the histogram of the probabilities show the numbers of the evaluation."""
    facts = summary()
    flagged = {"class": "yes", "flagged": [0.1, 0.5, 1.0], "found": [0.3, 0.9, 1.0], "lift": 1.0, "threshold": [0.9, 0.5, 0.1]}
    facts["curves"]["gain"] = pd.DataFrame(flagged)
    bins = {"class": "yes", "low": [0.0, 0.5], "high": [0.5, 1.0], "rows": [60, 60], "class_rows": [10, 50]}
    facts["curves"]["calibration_histogram"] = pd.DataFrame(bins)
    drawn = draw(facts)
    assert [0.3, 0.9, 1.0] == list(drawn["gain"].data["Share of the rows of the class that they hold"])
    assert pytest.approx([50 / 60, 10 / 60, 10 / 60, 50 / 60]) == drawn["scores"].data["share"]
    for name in ("gain", "scores"):
        assert_readable(drawn[name])


def test_lift() -> None:
    """The lift is drawn from the highest scores on, and is 1 where all rows are flagged."""
    figure = draw(summary())["lift"]
    assert [1.0, 1.0] == [figure.data[LIFT[name]][-1] for name in ("flagged", "lift")]
    assert max(figure.data[LIFT["lift"]]) == figure.data[LIFT["lift"]][0] > 1.5


def test_baselines_beside_the_calibration() -> None:
    """With two classes, the calibration of the baselines is drawn faintly, without intervals."""
    curves = facts(["no", "yes"], ["age"], "target", 120)["curves"]
    baselines = curves["calibration"].assign(model="gradient_boosting")
    figure = draw(summary(curves=curves | {"calibration_baselines": baselines}))["calibration"]
    assert ["classifier", "gradient boosting"] == list(dict.fromkeys(figure.data["series"]))
    assert "line faint f1" in figure.svg
    n = len(baselines)
    assert [False] * n + [True] * n == [math.isnan(each) for each in figure.data["low"]]


def test_costs() -> None:
    """With costs, the cost of 1,000 rows is drawn for the test rows and for those that the threshold was chosen on."""
    network = predictions(2, 200, 1)
    curves = make_curves(network, ["no", "yes"], costs=np.array([[0.0, 1.0], [5.0, 0.0]]), held_out=predictions(2, 80, 3))
    figure = draw(summary(curves=curves))["costs"]
    assert {"test rows", "rows that chose the threshold"} == set(figure.data["series"])
    own = [
        cost for name, cost in zip(figure.data["series"], figure.data["Cost of 1,000 rows"], strict=True) if name == "test rows"
    ]
    assert curves["thresholds"]["cost"].tolist() == own
    assert "costs" not in draw(summary())


def test_learning_curve() -> None:
    """The learning curve is drawn if it was measured."""
    points = [{"rows": 100, "log_loss": 0.6, "gain": None}, {"rows": 200, "log_loss": 0.5, "gain": None}]
    evaluation = facts(["no", "yes"], ["age"], "target", 120)["evaluation"]
    evaluation["learning_curve"] = {"points": points, "sentence": ""}
    figure = draw(summary(evaluation=evaluation))["learning_curve"]
    assert ([100, 200], [0.6, 0.5]) == (figure.data["Train rows"], figure.data["Log loss"])
    assert "learning_curve" not in draw(summary())


def test_thresholds_are_drawn() -> None:
    """Precision, recall and F1 of a binary classifier are drawn by threshold, with the one that was chosen."""
    facts = summary()
    drawn = draw(facts)["thresholds"]
    assert ["precision", "recall", "F1", "threshold 0.420"] == texts(drawn)[-4:]
    assert 3 * len(facts["curves"]["thresholds"]) == len(drawn.data["Threshold"])
    assert "thresholds" not in draw(summary(["a", "b", "c"]))


def test_all_columns_named_up_to_fifteen() -> None:
    """The importance chart shows at most fifteen columns, in descending order."""
    columns = [f"column {i:02}" for i in range(20)]
    assert columns[:15] == [each for each in texts(draw(summary(columns=columns))["importance"]) if each.startswith("column ")]


@pytest.mark.parametrize("epochs", [1, 2, 40])
def test_any_number_of_epochs(epochs: int) -> None:
    """A single epoch is drawn as points, several as lines, with ticks at whole epochs."""
    facts = summary()
    losses = [1 / (1 + epoch) for epoch in range(epochs)]
    facts["history"] = pd.DataFrame({"epoch": range(1, epochs + 1), "train_loss": losses, "valid_loss": losses})
    shown = texts(draw(facts)["training"])
    ticks = shown[: shown.index("Epoch")]
    assert all(tick.isdigit() for tick in ticks if "." not in tick and tick != "Loss")
    assert str(max(2, epochs)) in ticks


def test_only_losses_are_drawn() -> None:
    """The axis of the losses reaches as far as the losses, whatever other columns the history has."""
    facts = summary()
    history = pd.DataFrame({"network": [7, 7], "epoch": [1, 2], "train_loss": [0.3, 0.2], "valid_loss": [0.31, 0.25]})
    drawn = draw(facts | {"history": history})["training"]
    assert {"train", "valid"} == set(drawn.data["series"])
    assert 0.31 == max(drawn.data["Loss"])
    ticks = texts(drawn)
    assert max(float(each) for each in ticks[1 : ticks.index("1")]) < 0.35


def test_same_bytes() -> None:
    """The same summary gives the same figures."""
    one, two = draw(summary()), draw(summary())
    assert [(each.svg, each.csv) for each in one.values()] == [(each.svg, each.csv) for each in two.values()]


def test_every_point_is_drawn() -> None:
    """Each row has a dot per column in the beeswarm, also of a category, and one in each dependence chart of a number."""
    facts = summary(["no", "yes"], columns=["a", "b", "c"])
    drawn = draw(facts)
    assert (3 * 30, 30, 30) == tuple(count_dots(drawn[name]) for name in ("beeswarm", "dependence 1", "dependence 2"))


def test_waterfall_says_what_it_explains() -> None:
    """With more than two classes, the axis of the waterfall names the predicted and the actual class."""
    shown = texts(draw(summary(["a", "b", "c"]))["waterfall"])
    assert "Score of \u2068c\u2069 minus that of \u2068a\u2069" in shown
    assert "Log-odds" in texts(draw(summary())["waterfall"])


def test_a_category_has_a_row_of_dots_per_level() -> None:
    """The effect of a category is shown by level: dots in the dependence chart, bars in the partial dependence."""
    facts = summary(["no", "yes"], columns=["a", "city"])
    points = facts["explained"]["points"]
    points.loc[points["column"] == "city", "text"] = np.resize(["Rome", "Oslo", "Bern"], 30)
    drawn = draw(facts)
    assert {"Rome", "Oslo", "Bern"} <= set(texts(drawn["dependence 2"]))
    assert 30 == count_dots(drawn["dependence 2"])
    assert 3 == count(drawn["effect 2"], "bar")


def test_heat_map_is_in_the_order_of_the_summary() -> None:
    """With more than ten classes, the confusion matrix is a heat map of all test rows, and with ten it is not drawn."""
    facts = summary(MANY, rows=520)
    drawn = draw(facts)["confusion"]
    assert 520 == sum(drawn.data["rows"])
    assert [row["actual"] for row in facts["confusion"]] == texts(drawn)[2::2]
    assert "confusion" not in draw(summary(MANY[:10], rows=520))


def test_calibration_of_rare_classes_fills_the_picture() -> None:
    """If all probabilities of many classes are small, the axes end near the largest; with two classes they end at 1."""
    for classes, end in ((["a", "b", "c"], "0.20"), (["no", "yes"], "1.0")):
        facts = summary(classes)
        facts["curves"]["calibration"][["predicted", "observed", "low", "high"]] /= 6
        shown = texts(draw(facts)["calibration"])
        assert end == shown[shown.index("Predicted probability") - 1]
