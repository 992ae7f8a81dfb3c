"""The report as page and text: complete, the same bytes each time, and proof against any name."""

import copy
import re
import subprocess
import sys
from html.parser import HTMLParser
from typing import Any

import pytest

from tests.reports import facts, summary
from tests.rooms import HOSTILE, ROOT, TEMPLATES
from veritable.reporting.render import dotted, interval, markdown_safe, number, render_html, render_markdown

SECTIONS = ["verdict", "cards", "findings", "metrics", "confusion", "curves", "explanation", "table", "provenance"]
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
    assert [] == [
        each for each in [*classes, "age", "colour", "ROC AUC", "MCC", "train.mlp.max_epochs", "2.13.0"] if each not in text
    ]


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
    undefined = copy.deepcopy(summary())
    roc_auc = undefined["metrics"]["roc_auc"]
    roc_auc["models"]["classifier"] |= {"value": None, "low": None, "high": None}
    roc_auc["models"]["majority"] |= {"low": None, "high": None}
    assert "–" in page(undefined).texts
    row = next(row for row in tables(render_markdown(undefined, TEMPLATES))[0] if row[0] == "ROC AUC")
    assert "–" == row[1]
    assert re.fullmatch(r"\d\.\d{3}", row[4])
    assert "None" not in render_html(undefined, TEMPLATES)


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
        "import hashlib; from tests.reports import facts, summary; from tests.rooms import TEMPLATES, HOSTILE;"
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


FINDINGS = [
    {
        "code": f"code_{n}",
        "level": ("error", "warning", "note")[n % 3],
        "column": name,
        "sentence": f"Of {name}.",
        "numbers": {},
    }
    for n, name in enumerate(HOSTILE)
]


def test_findings() -> None:
    """Each finding stands in the page and the text with its level, sentence and code, all of it text."""
    found = summary(findings=FINDINGS)
    parsed, text = page(found), render_markdown(found, TEMPLATES)
    tags = [attributes["class"] for _, attributes in parsed.tags if (attributes.get("class") or "").startswith("tag ")]
    assert [f"tag {each['level']}" for each in FINDINGS] == tags
    assert {"script"}.isdisjoint(tag for tag, _ in parsed.tags)
    words, listed = " ".join(parsed.texts), [line for line in text.splitlines() if line.startswith("- ")]
    for each, line in zip(FINDINGS, listed, strict=True):
        assert f"{each['sentence']} " in words
        assert each["code"] in parsed.texts
        assert f"- **{each['level']}** {markdown_safe(each['sentence'])} ({markdown_safe(each['code'])})" == line


def test_nothing_found() -> None:
    """Where nothing was found, one sentence says so and what was looked for."""
    nothing = summary(findings=[])
    for text in (" ".join(page(nothing).texts), render_markdown(nothing, TEMPLATES)):
        assert "Nothing was found. Looked for: columns that give the target away" in text


def test_too_many_findings() -> None:
    """Of 250 findings a hundred are listed, the others counted."""
    many = summary(findings=FINDINGS[:1] * 250)
    assert 100 == len([1 for _, attributes in page(many).tags if attributes.get("class") == "tag error"])
    assert "- 150 more stand in reports/findings.json." in render_markdown(many, TEMPLATES).splitlines()


GROUPS = {"sex": ["f", "m", "m", None], HOSTILE[0]: [HOSTILE[1], HOSTILE[3], HOSTILE[4]]}


@pytest.mark.parametrize("classes", [["no", "yes"], ["a", "b", "c"]], ids=len)
def test_for_whom(classes: list[str]) -> None:
    """Each sensitive column has a table with a line per group, small ones marked; names are text."""
    found = summary(classes, rows=112, sensitive=GROUPS)
    parsed, text = page(found), render_markdown(found, TEMPLATES)
    assert "groups" in [attributes.get("data-test") for _, attributes in parsed.tags]
    for word in ("For whom", "sex", "missing", *GROUPS[HOSTILE[0]], HOSTILE[0], "too few rows"):
        assert word in parsed.texts, word
    assert 2 == parsed.texts.count("too few rows")
    width = 2 + 5 + (2 if len(classes) == 2 else 0)
    by_column = [table for table in tables(text) if table[0][0] == "group"]
    assert [{width}] * 2 == [{len(row) for row in table} for table in by_column]
    assert [["group", "---", "m", "f", "missing"]] == [[row[0] for row in by_column[0]]]
    assert ["56", "28", "28"] == [row[1] for row in by_column[0][2:]]
    assert {"–"} == set(by_column[0][-1][2:])
    assert [] == parsed.open


def test_for_nobody() -> None:
    """Without sensitive columns there is no such section."""
    assert "For whom" not in render_html(summary(), TEMPLATES)
    assert "For whom" not in render_markdown(summary(), TEMPLATES)


def test_further_groups() -> None:
    """Groups that are too many are counted."""
    found = summary(rows=300, sensitive={"town": [f"t{n}" for n in range(25)]})
    for text in (" ".join(page(found).texts), render_markdown(found, TEMPLATES)):
        assert "5 rarer groups with 60 rows in all are left out." in text


def test_weights_and_samples_are_said() -> None:
    """Where rows have weights, and where the simple models saw a sample, page and text say so; else they do not."""
    plain = facts(["no", "yes"], ["x"], "target", 120)
    results = plain["results"] | {"weighted": True, "fitted": {"rows": 1000, "of_rows": 23_456}}
    params = plain["params"] | {"data": plain["params"]["data"] | {"weight": HOSTILE[0]}}
    said = summary(results=results, params=params)
    html, text = " ".join(page(said).texts), render_markdown(said, TEMPLATES)
    for words, name in ((html, HOSTILE[0]), (text, markdown_safe(HOSTILE[0]))):
        assert re.search(rf"counts by its weight in the column\s+{re.escape(name)}", words)
        assert "were fitted on 1,000 of the 23,456 train rows" in words
    for words in (" ".join(page().texts), render_markdown(summary(), TEMPLATES)):
        assert "weight in the column" not in words
        assert "were fitted on" not in words
        assert "is left out with so many classes" not in words


def test_many_classes_and_columns_stay_small() -> None:
    """With 1,000 classes and 10,000 columns the page stays below 1 MB and the text below 50 kB; both say what is left out."""
    classes, columns = [f"class {n:04}" for n in range(1000)], [f"column {n:05}" for n in range(10_000)]
    many = summary(classes, columns, rows=2000)
    html, text = render_html(many, TEMPLATES), render_markdown(many, TEMPLATES)
    assert len(html) < 1_000_000
    assert len(text) < 50_000
    words = " ".join(Page(html).texts)
    for each in ("and 970 rarer ones", "10,000 columns, the first 500 of them", "The 30 commonest of 1,000 classes"):
        assert each in words
    for each in (words, text):
        assert "Gradient boosting, which grows a tree per class and round, is left out with so many classes." in each
        assert "(970 others)" in each.replace("\\", "")
