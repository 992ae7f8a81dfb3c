"""The page about checked rows is self-contained, escapes all texts, and its histograms have the heights of the shares."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import veritable
from tests.checking import save_checkable
from tests.rooms import HOSTILE, prepare_frame
from tests.test_check import fresh, model
from veritable.serving.checking.columns import compare
from veritable.serving.checking.page import MAX_COLUMNS, draw, render_check


def hostile(folder: Path, shift: float = 0.0) -> str:
    """Return the page about rows of a table whose names, levels and classes are hostile."""
    draw = np.random.default_rng(0)
    frame = pd.DataFrame(
        {name: draw.choice(HOSTILE, 900) if i % 2 else draw.normal(size=900) for i, name in enumerate(HOSTILE)}
    )
    frame = frame.assign(target=np.where(frame[HOSTILE[2]] > 0, HOSTILE[0], HOSTILE[1]))
    one = veritable.load(save_checkable(prepare_frame(frame), folder / "classifier"))
    new = frame.head(400).assign(**{HOSTILE[2]: frame[HOSTILE[2]] + shift, HOSTILE[1]: "<b>unseen & 'new'</b>"})
    return render_check(one.check(new, truth="target"))


def test_heights() -> None:
    """Bars and outline are as high as the shares, relative to the highest of both."""
    shift = compare("c", "category", ["other", "a", "b", "missing"], np.array([0, 50, 50, 0]), np.array([0, 25, 75, 0]))
    found = draw(shift)
    assert ["40", "0"] == re.findall(r"V([\d.]+)H", found.bars)
    assert ["60", "20", "20", "60"] == re.findall(r"V([\d.]+)H", found.outline)
    assert [("other", 0, 0), ("a", 0.5, 0.25), ("b", 0.5, 0.75), ("missing", 0, 0)] == found.bins


def test_many_levels() -> None:
    """Of many levels, the thirty most frequent are drawn, and the rest is counted."""
    counts = np.arange(100)
    found = draw(compare("c", "category", [f"{i}" for i in range(100)], counts, counts))
    assert (30, 70) == (len(found.bins), found.hidden)
    assert [f"{i}" for i in range(70, 100)] == [label for label, *_ in found.bins]


@pytest.mark.parametrize("counts", [[0, 0, 0], [0, 5, 0], [10**9, 1, 0]])
def test_any_counts(counts: list[int]) -> None:
    """Counts of any size, and columns without rows, are drawn within the box."""
    found = draw(compare("c", "number", ["a", "b", "missing"], np.array([3, 3, 3]), np.array(counts)))
    heights = [float(each) for each in re.findall(r"V(-?[\d.e+-]+)", found.bars + found.outline)]
    assert all(0 <= each <= 60 for each in heights)


def test_page() -> None:
    """The page has the answer, the reasons, the metrics with their differences, and drifted columns first."""
    page = render_check(model().check(fresh(300, noise=lambda frame: frame["noise"] + 1), truth="target"))
    for words in ("Retrain: these rows differ", "<h2>Metrics</h2>", "rows held out", "ROC AUC"):
        assert words in page
    names = re.findall(r"<h3><bdi>(.*?)</bdi></h3>", page)
    assert ["score", "predicted class", "noise"] == names[:3]
    assert {"age", "colour", "member", "score", "noise", "opened"} == set(names[2:])


def test_hostile_texts(tmp_path: Path) -> None:
    """No text of the table becomes markup; the page loads and runs nothing."""
    page = hostile(tmp_path, shift=9.0)
    assert "default-src 'none'; style-src 'unsafe-inline'" in page
    for markup in ("<script", "<img", "<b>unseen", "onerror=alert(1)>", 'say "hi"'):
        assert markup not in page
    assert "{{ 7 * 7 }} {% raw %}" in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "&lt;b&gt;unseen &amp; &#39;new&#39;&lt;/b&gt;" in page
    known = "html head meta title style body header p h1 main section h2 ul li h3 div table caption thead tr th td span bdi svg"
    assert set(re.findall(r"<(\w+)", page)) <= {*known.split(), "path", "details", "summary"}


def test_many_columns() -> None:
    """The page shows at most 200 columns, those with the largest shifts, and names the number of others."""
    check = model().check(fresh())
    many = [replace(check.columns[0], name=f"c{i}", index=i / 1000) for i in range(MAX_COLUMNS + 50)]
    page = render_check(replace(check, columns=many))
    assert "50 more columns with smaller shifts" in page
    assert "c249<" in page
    assert "c49<" not in page
