"""The report as page and text: complete, the same bytes each time, and proof against any name."""

import copy
import re
import subprocess
import sys
from html.parser import HTMLParser
from typing import Any

import pytest

from tests.reports import summary
from tests.rooms import HOSTILE, ROOT, TEMPLATES
from veritable.reporting.render import dotted, interval, markdown_safe, number, render_html, render_markdown

SECTIONS = ["verdict", "cards", "metrics", "confusion", "curves", "explanation", "table", "provenance"]
MANY = [f"class {i:02}" for i in range(26)]


class Page(HTMLParser):
    """The tags, attributes and texts of a page, and whether its tags are closed in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert tag == self.open.pop()

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] != "style":
            self.texts.append(data)


def page(facts: dict[str, Any] | None = None) -> Page:
    return Page(render_html(facts or summary(), TEMPLATES))


def tables(markdown: str) -> list[list[list[str]]]:
    """The cells of each Markdown table."""
    found: list[list[list[str]]] = [[]]
    for line in markdown.splitlines():
        if line.startswith("|"):
            found[-1].append([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
        elif found[-1]:
            found.append([])
    return [table for table in found if table]


@pytest.mark.parametrize("classes", [["no", "yes"], ["a", "b", "c"], MANY], ids=len)
def test_sections(classes: list[str]) -> None:
    """The page has every section, once and in order, with every class, column and metric in it."""
    parsed = page(summary(classes))
    assert SECTIONS == [attributes["data-test"] for _, attributes in parsed.tags if "data-test" in attributes]
    assert [] == parsed.open
    text = " ".join(parsed.texts)
    assert [] == [each for each in [*classes, "age", "colour", "ROC AUC", "MCC", "train.epochs", "2.13.0"] if each not in text]


def test_needs_nothing_else() -> None:
    """The page fetches nothing and runs nothing: no script, no link, all images in it, and a policy that says so."""
    parsed = page()
    assert {"script", "link", "iframe", "object"}.isdisjoint(tag for tag, _ in parsed.tags)
    sources = [value or "" for _, attributes in parsed.tags for key, value in attributes.items() if key in ("src", "href")]
    assert 2 == len(sources)
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    policies = [attributes.get("content") or "" for _, attributes in parsed.tags if attributes.get("http-equiv")]
    assert ["default-src 'none'; style-src 'unsafe-inline'; img-src data:"] == policies


def test_hostile_names_in_html() -> None:
    """Any target, class or column name is shown as the text that it is, and adds no tag, attribute or section."""
    tame = summary([f"c{i}" for i in range(len(HOSTILE))], [f"x{i}" for i in range(len(HOSTILE))])
    wild = summary(HOSTILE, HOSTILE, HOSTILE[0])
    one, two = page(tame), page(wild)
    outline = [
        [
            (tag, sorted(attributes))
            for tag, attributes in each.tags
            if tag in ("p", "th", "td", "section", "b", "h1", "img", "div")
        ]
        for each in (one, two)
    ]
    assert outline[0] == outline[1]
    assert {"script"}.isdisjoint(tag for tag, _ in two.tags)
    assert 1 == len(
        [tag for tag, attributes in two.tags if tag == "img" and "beeswarm" in (attributes.get("alt") or "").lower()]
    )
    assert [] == [name for name in HOSTILE if name not in two.texts]


def test_hostile_names_in_markdown() -> None:
    """In the text, tables keep their shape whatever the names, and no name is HTML, a link or code."""
    tame = render_markdown(summary(["a", "b"], ["x"] * len(HOSTILE)), TEMPLATES)
    for positive in HOSTILE:
        wild = render_markdown(summary(["a", positive], HOSTILE, positive), TEMPLATES)
        assert [[len(row) for row in t] for t in tables(tame)] == [[len(row) for row in table] for table in tables(wild)]
        assert len(tame.splitlines()) == len(wild.splitlines())
        assert not re.search(r"(?<!\\)[<>`]|(?<!\\)\]\(", wild)


def test_markdown_tables() -> None:
    """The text's tables are rectangular, with a row per metric, class and column."""
    shapes = [(len(table), {len(row) for row in table}) for table in tables(render_markdown(summary(), TEMPLATES))]
    assert [(2 + 10, {5}), (2 + 2, {3}), (2 + 2, {2})] == shapes


@pytest.mark.parametrize("text", HOSTILE)
def test_markdown_safe(text: str) -> None:
    """Escaped text is one line, and without the backslashes it is the text again."""
    safe = markdown_safe(text)
    assert "\n" not in safe
    assert " ".join(text.split()) == re.sub(r"\\(.)", r"\1", safe)


def test_undefined_metrics_are_dashes() -> None:
    """A metric that is undefined is a dash in page and text."""
    facts = copy.deepcopy(summary())
    roc_auc = next(metric for metric in facts["metrics"] if metric["key"] == "roc_auc")
    roc_auc["models"]["network"] |= {"value": None, "low": None, "high": None}
    roc_auc["models"]["majority"] |= {"low": None, "high": None}
    assert "–" in page(facts).texts
    row = next(row for row in tables(render_markdown(facts, TEMPLATES))[0] if row[0] == "ROC AUC")
    assert "–" == row[1]
    assert re.fullmatch(r"\d\.\d{3}", row[4])
    assert "None" not in render_html(facts, TEMPLATES)


def test_numbers() -> None:
    """Numbers have three decimals, intervals stand in brackets."""
    assert ("0.912", "–", "0.91") == (number(0.9123), number(None), number(0.9123, 2))
    assert "0.912 [0.905, 0.919]" == interval({"value": 0.9121, "low": 0.9049, "high": 0.9191})
    assert ("0.500", "–") == tuple(interval({"value": value, "low": None, "high": None}) for value in (0.5, None))


def test_dotted() -> None:
    """Nested params are listed by their whole names."""
    assert [("a.b", 1), ("a.c.d", []), ("e", None)] == dotted({"a": {"b": 1, "c": {"d": []}}, "e": None})


def test_same_bytes() -> None:
    """The same facts are the same bytes, also in processes that hash texts in another way."""
    code = (
        "import hashlib; from tests.reports import summary; from tests.rooms import TEMPLATES, HOSTILE;"
        "from veritable.reporting.render import *; s = summary(HOSTILE, HOSTILE);"
        "print(hashlib.sha256((render_html(s, TEMPLATES) + render_markdown(s, TEMPLATES)).encode()).hexdigest())"
    )
    hashes = {
        subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert 1 == len(hashes)
