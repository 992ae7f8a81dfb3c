"""A figure is safe as SVG and as CSV, whatever the names in it."""

import csv
import io
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from tests.pictures import SVG
from tests.rooms import HOSTILE
from veritable.figures.svg import Figure, dots, element, legend, path, picture, text


@given(st.text(max_size=80), st.floats(0, 300))
def test_any_text(content: str, room: float) -> None:
    """Any text is drawn as text, and its whole is its tooltip if it was cut."""
    root = ElementTree.fromstring(Figure(picture(content, content, 300, 20, [text(0, 10, content, room)])).document)
    [drawn] = root.iter(f"{SVG}text")
    assert {"svg", "style", "title", "desc", "text"} >= {each.tag.removeprefix(SVG) for each in root.iter()}
    assert ("…" in (drawn.text or "") and len(list(drawn)) == 1) or len(list(drawn)) == 0 or "…" in content


def test_has_name_and_description() -> None:
    """A picture has a role, a title and a description for screen readers."""
    root = ElementTree.fromstring(Figure(picture("ROC", "A curve.", 10, 10, [])).document)
    assert ("img", "ROC", "A curve.") == (root.get("role"), root[1].text, root[2].text)


def test_csv_has_no_formula() -> None:
    """Texts that a spreadsheet would run are made texts; numbers stay, and a missing one is empty."""
    names = [*HOSTILE, "=1+1", "@x", "-5"]
    figure = Figure("", {"=name": names, "value": [-1.5] * (len(names) - 1) + [float("nan")]})
    lines = list(csv.reader(io.StringIO(figure.csv)))
    assert ["'=name", "value"] == lines[0]
    assert not [cell for line in lines for cell in line if cell[:1] in "=@+" and cell]
    assert ["-5", ""] == lines[-1]
    assert "-1.5" == lines[1][1]


def test_elements() -> None:
    """Attributes are escaped and rounded, and ones without a value are omitted."""
    assert '<rect x="1.2" class="a&quot;b"/>' == element("rect", x=1.25, class_='a"b', width=None)


def test_paths() -> None:
    """A path omits points that repeat the one before, dots do not; nothing is drawn for no point."""
    assert '<path d="M1 2L3 4" class="line"/>' == path([(1, 2), (1.01, 2), (3, 4)], "line")
    assert 2 == dots([(1, 2), (1, 2)], "c1").count("h0")
    assert ("", "") == (path([], "line"), dots([], "c1"))


def test_legend_wraps() -> None:
    """A legend has as many rows as its names need, and cuts names that are longer than half its width."""
    short, one = legend([("a", "line c1"), ("b", "line c2")], 0, 0, 300)
    many, rows = legend([(f"{'name ' * 30}{i}", "dots c1") for i in range(6)], 0, 0, 300)
    assert (18, 54) == (one, rows)
    assert (4, 12) == (len(short), len(many))
