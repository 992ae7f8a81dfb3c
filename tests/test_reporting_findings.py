"""Findings of the same kind are one, with lines that params.yaml takes."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from veritable.reporting.findings import group_findings
from veritable.tables.checking.findings import CODES

DATA: dict[str, Any] = {"drop": [], "missing_codes": {"age": [-9]}}


def finding(code: str, column: str | None, level: str = "warning", **numbers: Any) -> dict[str, Any]:
    return {"code": code, "level": level, "column": column, "sentence": f"about {column}", "numbers": numbers}


def test_same_kind_is_one() -> None:
    """Eight findings of the same code and level are one entry that names the columns; other levels and codes stay apart."""
    findings = [finding("drift", f"x{i}") for i in range(8)] + [finding("drift", "x9", "note"), finding("mixed", "x0")]
    groups = group_findings(findings, DATA)
    assert [("drift", "warning"), ("drift", "note"), ("mixed", "warning")] == [(each["code"], each["level"]) for each in groups]
    assert groups[0]["sentence"].startswith("8 columns: a column is distributed differently")
    assert "'x6' and 'x7'" in groups[0]["sentence"]
    assert [f"About x{i}" for i in range(8)] == groups[0]["sentences"]
    assert ("About x9", []) == (groups[1]["sentence"], groups[1]["sentences"])


def test_long_lists_end() -> None:
    """Of many columns, twelve are named and the others counted."""
    (group,) = group_findings([finding("constant", f"x{i}") for i in range(40)], DATA)
    assert group["sentence"].endswith("'x11' and 28 more.")


def test_findings_about_the_table() -> None:
    """Findings without a column are counted."""
    (group,) = group_findings([finding("class_rare", None), finding("class_rare", None)], DATA)
    assert f"2 times: {CODES['class_rare']}." == group["sentence"]


def test_lines_keep_what_is_set() -> None:
    """The lines add to the values that params.yaml has."""
    (group,) = group_findings([finding("sentinel", "income", value=99999.0)], DATA)
    assert {"data": {"missing_codes": {"age": [-9], "income": [99999.0]}}} == YAML(typ="safe").load(group["params"])


@given(st.lists(st.text(min_size=1), min_size=1, max_size=5, unique=True))
def test_lines_hold_any_name(names: list[str]) -> None:
    """The lines are YAML with exactly the names, whatever characters they have."""
    (group,) = group_findings([finding("gives_target_away", name) for name in names], {"drop": ["old"]})
    loaded = YAML(typ="safe").load(group["params"])
    assert {"data": {"drop": ["old", *(name for name in names if name != "old")]}} == loaded
