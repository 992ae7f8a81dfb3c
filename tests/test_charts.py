"""Charts are well-formed, self-contained SVG for any names and any number of classes."""

import re
from xml.etree import ElementTree

import pandas as pd
import pytest

from tests.reports import summary
from tests.rooms import HOSTILE
from veritable.reporting.charts import MAX_CLASSES, draw

EXPLANATION = {
    "importance", "permutation", "beeswarm", "dependence", "effects", "interactions", "deletion", "waterfall"
}  # fmt: skip
MANY = [f"class {i:02}" for i in range(26)]


def words(svg: str) -> list[str]:
    """Return the texts of a chart."""
    return [each.text or "" for each in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]


@pytest.mark.parametrize("classes", [["no", "yes"], ["a", "b", "c"], MANY, HOSTILE], ids=["2", "3", "26", "hostile"])
def test_well_formed(classes: list[str]) -> None:
    """Each chart is one SVG element without NaN, script or outside address, and has axis titles."""
    drawn = draw(summary(classes, columns=HOSTILE if classes is HOSTILE else None, rows=260))
    assert {"roc", "pr", "calibration", "training"} | EXPLANATION == set(drawn)
    for svg in drawn.values():
        root = ElementTree.fromstring(svg)
        assert "{http://www.w3.org/2000/svg}svg" == root.tag
        assert not re.search(r"NaN|undefined|Infinity|null", re.sub(r">[^<]*<|aria-label=\"[^\"]*\"", "", svg))
        assert {"script", "image", "foreignObject"}.isdisjoint(each.tag.split("}")[1] for each in root.iter())
        assert not [v for each in root.iter() for k, v in each.attrib.items() if k.endswith("href") or k.startswith("on")]
    assert {"false positive rate", "true positive rate"} <= set(words(drawn["roc"]))
    assert {"epoch", "loss", "train", "valid"} <= set(words(drawn["training"]))


def test_classes_drawn() -> None:
    """Each class has a curve with its name; of too many classes, the most frequent ones."""
    assert {"a", "b", "c"} <= set(words(draw(summary(["a", "b", "c"]))["roc"]))
    named = [each for each in words(draw(summary(MANY, rows=265))["roc"]) if each.startswith("class ")]
    assert [f"class {i:02}" for i in range(5)] == named[:5]  # 265 rows: these have one row more
    assert MAX_CLASSES == len(named)


def test_legend_keeps_charts_large() -> None:
    """The legend of many classes with long names does not widen the chart."""
    svg = ElementTree.fromstring(draw(summary(["x" * 120 + name for name in MANY], rows=260))["roc"])
    assert float(svg.attrib["width"]) < 500


def test_all_columns_named_up_to_fifteen() -> None:
    """The importance chart shows at most fifteen columns, in descending order."""
    columns = [f"column {i:02}" for i in range(20)]
    assert columns[:15] == [each for each in words(draw(summary(columns=columns))["importance"]) if each.startswith("column ")]


@pytest.mark.parametrize("epochs", [1, 2, 40])
def test_any_number_of_epochs(epochs: int) -> None:
    """A single epoch is drawn as points, several as lines, with ticks at whole epochs."""
    facts = summary()
    losses = [1 / (1 + epoch) for epoch in range(epochs)]
    facts["history"] = pd.DataFrame({"epoch": range(1, epochs + 1), "train_loss": losses, "valid_loss": losses})
    svg = draw(facts)["training"]
    assert "NaN" not in svg
    shown = words(svg)
    ticks = shown[: shown.index("epoch")]
    assert ticks == sorted(set(ticks), key=int)


def test_same_bytes() -> None:
    """The same summary gives the same charts."""
    assert draw(summary()) == draw(summary())


def test_every_point_is_drawn() -> None:
    """Each row has a dot per column in the beeswarm, also of a category, and one in each dependence chart."""
    facts = summary(["no", "yes"], columns=["a", "b", "c"])
    drawn = draw(facts)
    dots = {
        name: len([each for each in ElementTree.fromstring(drawn[name]).iter() if each.get("aria-roledescription") == "circle"])
        for name in ("beeswarm", "dependence")
    }
    assert {"beeswarm": 3 * 30, "dependence": 3 * 30} == dots
