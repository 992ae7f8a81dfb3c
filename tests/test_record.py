"""The record identifies a run: hashes, params that differ, the pipeline."""

import json
import re
from typing import Any
from xml.etree import ElementTree

import pytest
from ruamel.yaml import YAML

from tests.reports import summary
from tests.rooms import HOSTILE, ROOT, TEMPLATES
from veritable.reporting.pipeline import draw_pipeline, read_pipeline
from veritable.reporting.record import find_changed_params
from veritable.reporting.render import format_param, render_html, render_markdown
from veritable.stage.pipeline import list_pipeline
from veritable.training.params import TrainParams
from veritable.training.plan import TableFacts, plan_training

DEFAULTS: dict[str, Any] = YAML(typ="safe").load((ROOT / "params.yaml").read_text())
FACTS = TableFacts(n_classes=2, n_rows={"train": 600, "valid": 200}, width=10, weighted=False)


def changes(train: dict[str, Any] | None = None, **data: Any) -> dict[str, tuple[Any, Any]]:
    params = TrainParams.parse("train", DEFAULTS["train"] | (train or {}))
    plan = plan_training(params, FACTS, has_init=False).to_json()
    found = find_changed_params({"train": plan, "data": DEFAULTS["data"] | data}, DEFAULTS, FACTS)
    return {each["key"]: (each["value"], each["default"]) for each in found}


def test_no_param_differs() -> None:
    """With the defaults no param differs, also where `auto` was resolved or written out."""
    assert {} == changes()
    assert {} == changes({"network": "tabm", "n_splits": 4, "blend": ["trees", "forest"]})


def test_params_that_differ() -> None:
    """A changed value is listed with its default, also one of a network that is not the default, and an emptied dict."""
    assert {"data.target": ("y", "target"), "data.drop": (["a"], [])} == changes(target="y", drop=["a"])
    assert {"data.labels.a": ("b", None)} == changes(labels={"a": "b"})
    assert {"train.seed": (1, 42)} == changes({"seed": 1})
    mlp = changes({"network": "mlp", "mlp": DEFAULTS["train"]["mlp"] | {"max_epochs": 3}})
    assert {"train.network": ("mlp", "tabm"), "train.mlp.max_epochs": (3, 10)} == mlp
    assert {"train.blend": (["trees"], ["trees", "forest"])} == changes({"blend": ["trees"]})


def test_defaults_are_the_template() -> None:
    """The defaults are params.yaml. After a change: cp params.yaml src/veritable/reporting/defaults.yaml."""
    assert (ROOT / "params.yaml").read_text() == (ROOT / "src/veritable/reporting/defaults.yaml").read_text()


def test_pipeline() -> None:
    """A stage comes after those whose outputs it uses, be it a file, a folder around it, or the value of a template."""
    stages = {
        "code": {"outs": [{"code": {"cache": False}}]},
        "last": {"deps": ["${data.path}", "code/last.txt", "${unknown.key}"]},
        "make": {"deps": ["code/make.txt"], "outs": ["data/raw"], "metrics": [{"m.json": {"cache": False}}]},
        "each": {"foreach": ["a"], "do": {"deps": ["m.json"]}},
    }
    listed = json.loads(list_pipeline(json.dumps({"stages": stages})))
    expected = [{"name": "make", "after": []}, {"name": "each", "after": ["make"]}, {"name": "last", "after": ["make"]}]
    assert expected == read_pipeline(listed, {"data": {"path": "data/raw/x.csv"}})


def test_the_pipeline_of_veritable() -> None:
    """The stages are those of docs/architecture.md, and `report` comes last."""
    found = read_pipeline(json.loads(list_pipeline((ROOT / "dvc.yaml").read_text())), DEFAULTS)
    named = set(re.findall(r"\w+", (ROOT / "docs/architecture.md").read_text().split("mermaid")[1].split("```")[0]))
    assert {each["name"] for each in found} <= named
    after = {each["name"]: set(each["after"]) for each in found}
    assert {"generate"} == after["preprocess"]
    assert {"baselines", "preprocess", "train"} == after["evaluate"]
    assert {"evaluate", "explain"} <= after["report"]


def test_picture() -> None:
    """The picture is XML with a box and a name per stage inside its view box, and an arrow per edge that no others imply."""
    pipeline = [
        {"name": "a", "after": []},
        {"name": HOSTILE[0], "after": ["a"]},
        {"name": "b", "after": [HOSTILE[0], "a"]},
        {"name": "c", "after": ["a"]},
        {"name": "d", "after": ["b", "c", "a"]},
    ]
    svg = ElementTree.fromstring(draw_pipeline(pipeline))
    boxes = svg.findall("rect")
    assert [each["name"] for each in pipeline] == [each.text for each in svg.findall("text")]
    assert 5 == len([each for each in svg.findall("path") if each.get("class") == "tip"])
    _, _, width, height = map(float, svg.attrib["viewBox"].split())
    for box in boxes:
        x, y, w, h = (float(box.attrib[key]) for key in ("x", "y", "width", "height"))
        assert 0 <= x <= x + w <= width
        assert 0 <= y <= y + h <= height


def test_limits() -> None:
    """The record says where the rows come from, which class is recognized least, and between which groups accuracy differs."""
    made = summary(rows=120, sensitive={"sex": ["f", "m"]})
    text = render_markdown(made, TEMPLATES)
    assert "drawn at random from the table, so they show nothing about later or other sources of rows." in text
    recall = {row["actual"]: row["cells"][i]["rows"] / 60 for i, row in enumerate(made["confusion"])}
    assert f"The class that is recognized least is **{min(recall, key=lambda name: recall[name])}**" in text
    accuracy = {each["group"]: each["metrics"]["accuracy"]["value"] for each in made["groups"]["sex"]["groups"]}
    assert f"the accuracy is lowest for **{min(accuracy, key=lambda name: accuracy[name])}**" in text
    assert "data.sensitive names no column" not in text
    assert "data.sensitive names no column" in render_markdown(summary(), TEMPLATES)


@pytest.mark.parametrize(
    ("key", "words"),
    [("part", "says which rows these are"), ("test_file", "those of the file"), ("time", "the latest rows by")],
)
def test_origin_of_the_test_rows(key: str, words: str) -> None:
    """The record says how the test rows were chosen."""
    made = summary()
    made["params"] = made["params"] | {"data": made["params"]["data"] | {key: "x"}}
    assert words in render_html(made, TEMPLATES)


def test_long_params_are_cut() -> None:
    """A long value is cut, with its length."""
    assert f"[{'1, ' * 99}1, ... (3,000 characters)".removeprefix("[")[:40] in format_param([1] * 1000)
    assert 340 > len(format_param(["x" * 50] * 1000))
