"""The page about explained rows is self-contained, escapes all texts, and its bars have the lengths of the values."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.explaining import explainable, of_table
from tests.rooms import HOSTILE, mixed_table, prepare_frame
from tests.test_explain_rows import run, saved
from tests.test_predict import new_rows
from veritable.serving.page import render_page, visible, waterfall
from veritable.serving.row_report import Bar, Change, RowReport, Similar


def report(values: list[float], base: float | None = 0.5, **changes: object) -> RowReport:
    bars = [Bar(f"c{i}", f"{i}", value, 0.1 if base is not None else None) for i, value in enumerate(values)]
    fields = {
        "number": 3, "ids": {}, "predicted": "no", "explained": "yes", "probability": 0.25, "threshold": 0.5, "bars": bars,
        "base": base, "output": None if base is None else base + sum(values), "fidelity": 0.7 if base is None else None,
        "change": None, "compared": [], "similar": [],
    }  # fmt: skip
    return RowReport(**fields | changes)


def render(*reports: RowReport, **facts: object) -> str:
    return render_page(reports, **{"target": "churn", "values": "values", "n_rows": 5, "has_more": False} | facts)


def test_bars_lead_from_the_base_to_the_output() -> None:
    """Each bar begins where the last one ended, is as long as its value, and the last ends at the output."""
    values = [2.0, -1.0, 0.5]
    found = waterfall(report(values))
    widths = np.array([step.width for step in found.steps])
    np.testing.assert_allclose(np.abs(values) / 2.0, widths / widths[0], rtol=1e-3)
    place, scale = found.base, widths[0] / 2
    for step, value in zip(found.steps, values, strict=True):
        left, right = sorted((place, place + value * scale))
        np.testing.assert_allclose((left, right), (step.left, step.left + step.width), atol=0.01)
        assert (value >= 0) == step.rises
        np.testing.assert_allclose(
            (-0.1 * scale, 0.1 * scale), (step.low - place - value * scale, step.high - place - value * scale), atol=0.01
        )
        place += value * scale
    np.testing.assert_allclose(found.output, place, atol=0.01)
    assert all(0 <= each <= 100 for step in found.steps for each in (step.left, step.low, step.high))


def test_bars_of_lime_begin_at_0() -> None:
    """Without a base value, all bars begin at the same place."""
    found = waterfall(report([2.0, -1.0], base=None))
    assert found.base is None
    np.testing.assert_allclose(found.steps[0].left, found.steps[1].left + found.steps[1].width, atol=0.01)


@pytest.mark.parametrize("values", [[0.0], [0.0, 0.0], [1e-9], [1e9, -1e9]])
def test_any_values(values: list[float]) -> None:
    """Values of any size are drawn within the picture."""
    steps = waterfall(report(values, bars=[Bar("c", "1", value, None) for value in values])).steps
    assert all(0 <= step.left <= 100 and 0 < step.width <= 100 for step in steps)


def test_many_columns() -> None:
    """The twelve strongest columns have bars of their own; one bar is the sum of the others."""
    values = [20.0 - i for i in range(20)]
    steps = waterfall(report(values)).steps
    assert 13 == len(steps)
    assert ("8 other columns", "+36") == (steps[-1].column, steps[-1].text)


def test_sentences() -> None:
    """The page has decision, reasons, change and similar rows, with the texts of the table in bold."""
    change = Change([("c0", "0", "7")], "yes", 0.6)
    page = render(report([2.0, -1.0], change=change, compared=[("c0", "0")], similar=[Similar("no", 0.125, ["1"])]))
    for words in (
        "<b>yes</b> has a probability of 0.250 (threshold 0.5), so <b>no</b> is predicted.",
        "Raised by <b>c0</b> = <b>0</b> (+2 ± 0.1); lowered by <b>c1</b> = <b>1</b> (-1 ± 0.1).",
        "<b>yes</b> would be predicted if <b>c0</b> were <b>7</b> instead of <b>0</b>; the probability of <b>yes</b> would",
        "would then be 0.600.",
        "<td>no</td><td>0.125</td><td>1</td>",
    ):
        assert words in page
    assert "No change of at most three columns was found" in render(report([1.0]))


def test_more_rows() -> None:
    """If the table has more rows than the page, the page says so."""
    assert "The page shows the first 2 rows of 5." in render(report([1.0]), report([1.0], number=4), has_more=True)
    assert "The page shows the first 1 rows of a table with more." in render(report([1.0]), n_rows=None, has_more=True)
    assert "The page shows" not in render(report([1.0]))


def test_long_and_unprintable_texts() -> None:
    """A long text is cut, and control characters and marks that change the direction of writing are made visible."""
    assert "x" * 200 + "…" == visible("x" * 300)
    assert "a\\nb\\x1b\\u202e" == visible("a\nb\x1b\u202e")


def test_hostile_names(tmp_path: Path) -> None:
    """Names, cells, classes and ids are texts of the page, never markup."""
    draw = np.random.default_rng(0)
    frame = pd.DataFrame(
        {name: draw.choice(HOSTILE, 300) if i % 2 else draw.normal(size=300) for i, name in enumerate(HOSTILE)}
    )
    frame = frame.assign(
        target=np.where(frame[HOSTILE[2]] > 0, HOSTILE[0], HOSTILE[1]), customer=HOSTILE[1] + frame.index.astype(str)
    )
    one = of_table(prepare_frame(frame, id="customer"))
    run(saved(one, tmp_path), new_rows(tmp_path / "new.parquet", frame.head(5)), "--html", tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert "<script" not in page
    assert "<img" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "{{ 7 * 7 }} {% raw %}" in page
    tags = set(re.findall(r"<([a-z0-9]+)", page))
    assert not tags & {"script", "img", "i", "link", "iframe", "object", "form", "input"}


def test_self_contained(tmp_path: Path) -> None:
    """The page loads nothing, runs no script, knows light and dark screens, and has the same bytes each time."""
    table, folder = new_rows(tmp_path / "new.csv", mixed_table(250)), saved(explainable(), tmp_path)
    for name in ("a", "b"):
        run(folder, table, "--html", tmp_path / f"{name}.html", "--error", 0.5)
    page = (tmp_path / "a.html").read_text()
    assert "default-src 'none'" in page
    assert not re.search(r"(src|href)=\"(?!#)|url\(|@import|<script|<link", page)
    assert "prefers-color-scheme:dark" in page
    assert 200 == page.count("<section id=")
    assert "The page shows the first 200 rows of a table with more." in page
    assert page == (tmp_path / "b.html").read_text()


def test_threshold_is_only_for_two_classes() -> None:
    """With more classes, the predicted one is the most probable, and no threshold is mentioned."""
    found = replace(report([1.0]), threshold=None, explained="no").decision()
    assert "'no' is predicted, with a probability of 0.250." == found
