"""The HTML page and the Markdown text are complete, reproducible, and safe with any name."""

import base64
import copy
import hashlib
import itertools
import re
import subprocess
import sys
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.reports import facts, summary
from tests.rooms import HOSTILE, ROOT, TEMPLATES
from tests.test_comparison_page import PARAMS, side
from veritable.reporting.comparison import summarize_comparison
from veritable.reporting.render import (
    FIGURE_FILES,
    draw_figures,
    escape_markdown,
    flatten_params,
    format_number,
    render_html,
    render_markdown,
)
from veritable.reporting.sentences import write_sentences
from veritable.reporting.summary import make_summary
from veritable.tables.checking.findings import CODES

OPENING = ["verdict", "counts", "threshold", "before", "cards"]
SECTIONS = ["findings", "metrics", "confusion", "groups", "curves", "slices", "explanation", "table", "provenance", "record"]
MANY = [f"class {i:02}" for i in range(26)]


class Page(HTMLParser):
    """Tags, attributes and texts of a page; checks that its tags are closed in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "input"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert tag == self.open.pop()

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] not in ("style", "script"):
            self.texts.append(data)


def page(facts: dict[str, Any] | None = None) -> Page:
    return Page(render_html(facts or summary(), TEMPLATES))


def tables(markdown: str) -> list[list[list[str]]]:
    """Return the cells of each Markdown table."""
    found: list[list[list[str]]] = [[]]
    for line in markdown.splitlines():
        if line.startswith("|"):
            found[-1].append([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
        elif found[-1]:
            found.append([])
    return [table for table in found if table]


@pytest.mark.parametrize("classes", [["no", "yes"], ["a", "b", "c"], MANY], ids=len)
def test_sections(classes: list[str]) -> None:
    """The page has every section once and in order, with every class, column and metric."""
    parsed = page(summary(classes))
    opening = OPENING if len(classes) == 2 else [name for name in OPENING if name != "threshold"]
    shown = [*opening, *(name for name in SECTIONS if name != "groups")]
    assert shown == [attributes["data-test"] for _, attributes in parsed.tags if "data-test" in attributes]
    assert [] == parsed.open
    text = " ".join(parsed.texts)
    assert [] == [
        each for each in [*classes, "age", "colour", "ROC AUC", "MCC", "train.mlp.max_epochs", "2.13.0"] if each not in text
    ]


def test_needs_nothing_else() -> None:
    """The page loads nothing, and its policy forbids everything but its own styles and its one script."""
    parsed = page()
    tags = [tag for tag, _ in parsed.tags]
    assert {"link", "iframe", "object", "img", "form"}.isdisjoint(tags)
    assert [None, "application/json"] == [attributes.get("type") for tag, attributes in parsed.tags if tag == "script"][::-1]
    links = [value for _, attributes in parsed.tags for key, value in attributes.items() if key in ("src", "href")]
    assert [f"#{attributes['id']}" for tag, attributes in parsed.tags if tag == "section" and "id" in attributes] == links
    digest = base64.b64encode(hashlib.sha256((TEMPLATES / "html" / "report.js").read_bytes()).digest()).decode()
    policies = [attributes.get("content") or "" for _, attributes in parsed.tags if attributes.get("http-equiv")]
    expected = (
        f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    assert [expected] == policies


def test_structure() -> None:
    """Headings descend by one level, tables have captions and their headers a scope, and regions that scroll have a name."""
    parsed = page(summary(MANY, rows=300, sensitive={"sex": ["f", "m"]}))
    levels = [int(tag[1]) for tag, _ in parsed.tags if re.fullmatch(r"h[1-6]", tag)]
    assert 1 == levels[0] == levels.count(1)
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    tags = [tag for tag, _ in parsed.tags]
    assert tags.count("table") == tags.count("caption") > 5
    assert not [attributes for tag, attributes in parsed.tags if tag == "th" and attributes.get("scope") not in ("row", "col")]
    for _, attributes in parsed.tags:
        if attributes.get("class") == "scroll":
            assert ("region", "0") == (attributes["role"], attributes["tabindex"])
            assert attributes["aria-label"]
    assert {"header", "nav", "main"} <= set(tags)
    svgs = [attributes for tag, attributes in parsed.tags if tag == "svg" and "aria-hidden" not in attributes]
    assert {"img"} == {attributes["role"] for attributes in svgs}
    assert len(svgs) == tags.count("figure") == tags.count("desc")


def test_figures_have_numbers() -> None:
    """Below each figure are the numbers that it shows, as CSV in which no name is a formula."""
    parsed = page(summary(["=no", "yes"], ["=1+1", "b"]))
    blocks = [text for text in parsed.texts if text.startswith(("name,", "series,", "column,", "part,", "'=1+1,"))]
    assert len(blocks) == len([1 for tag, attributes in parsed.tags if tag == "pre" and attributes.get("role") == "region"])
    assert "\n'=1+1," in "".join(blocks)
    assert "\n=1+1," not in "".join(blocks)


def test_columns_of_each_class() -> None:
    """With more than two classes, the most important columns of each class are listed, the largest class first."""
    text = " ".join(page(summary(["a", "b", "c"])).texts)
    assert "The most important columns of each class" in text
    assert [{"class": "c", "rows": 7}, {"class": "b", "rows": 6}, {"class": "a", "rows": 5}] == [
        {key: each[key] for key in ("class", "rows")} for each in summary(["a", "b", "c"])["by_class"]
    ]
    assert [["colour", 0.2], ["age", 0.1]] == summary(["a", "b", "c"])["by_class"][0]["columns"]
    assert "The most important columns of each class" not in " ".join(page(summary()).texts)


def test_two_categories_are_gray() -> None:
    """The effect of a category, colored by a category, has no color to be explained; any other pair has."""
    pages = {}
    for categories in (["colour"], ["age", "colour"]):
        gathered = facts(["no", "yes"], ["age", "colour"], "target", 120)
        points = gathered["explained"]["points"]
        points.loc[points["column"].isin(categories), ["number", "rank"]] = None
        pages[len(categories)] = " ".join(page(make_summary(**gathered)).texts)
    assert (True, False) == (", colored by" in pages[1], ", colored by" in pages[2])


@pytest.mark.parametrize("classes", [["no", "yes"], MANY], ids=len)
def test_pictures_beside_the_markdown(classes: list[str]) -> None:
    """The Markdown text shows pictures, and each is drawn as a file that is complete in itself."""
    figures = draw_figures(summary(classes))
    shown = re.findall(r"!\[.+?\]\(figures/(.+?)\.svg\)", render_markdown(summary(classes), TEMPLATES))
    assert sorted(FIGURE_FILES) == sorted(shown)
    for content in (figures[name].document for name in FIGURE_FILES):
        assert "{http://www.w3.org/2000/svg}svg" == ElementTree.fromstring(content).tag
        assert "--card" in content


def test_hostile_names_in_html() -> None:
    """Any target, class or column name is shown as text and adds no tag, attribute or section."""
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
    assert 1 == [tag for tag, _ in two.tags].count("script")  # with two classes there are also the points of the slider
    assert [] == [name for name in HOSTILE if name not in two.texts]


def test_hostile_names_in_markdown() -> None:
    """In the Markdown text, tables keep their shape whatever the names, and no name becomes HTML, a link or code."""
    tame = render_markdown(summary(["a", "b"], ["x"] * len(HOSTILE)), TEMPLATES)
    for positive in HOSTILE:
        wild = render_markdown(summary(["a", positive], HOSTILE, positive), TEMPLATES)
        assert [[len(row) for row in t] for t in tables(tame)] == [[len(row) for row in table] for table in tables(wild)]
        assert len(tame.splitlines()) == len(wild.splitlines())
        without_pictures = re.sub(r"!\[[\w ]+\]\(figures/\w+\.svg\)", "", wild)
        assert not re.search(r"(?<!\\)[<>`]|(?<!\\)\]\(", without_pictures)


@pytest.mark.parametrize("classes", [["no", "yes"], ["a", "b", "c"], MANY], ids=len)
def test_shared_sentences(classes: list[str]) -> None:
    """Every sentence that both renderings share is in the page and in the text."""
    gathered = facts(classes, ["x"], "target", 300, sensitive={"town": [f"t{n}" for n in range(25)]})
    gathered["results"] |= {"weighted": True, "fitted": {"rows": 1000, "total_rows": 23_456}}
    gathered["params"] |= {"data": gathered["params"]["data"] | {"weight": "w"}}
    gathered["findings"] = []
    shared = make_summary(**gathered)
    html, text = " ".join("".join(page(shared).texts).split()), render_markdown(shared, TEMPLATES)
    sentences = write_sentences(shared, lambda name: name)
    html_only = {"curves"}
    for name, sentence in sentences.items():
        assert " ".join(sentence.split()) in html, name
        if name not in html_only:
            assert sentence in text.replace("**", ""), name


def test_markdown_tables() -> None:
    """The tables of the Markdown text are rectangular, with one row per metric, class, column, changed param and input."""
    shapes = [(len(table), {len(row) for row in table}) for table in tables(render_markdown(summary(), TEMPLATES))]
    assert [(2 + 10, {5}), (2 + 2, {3}), (2 + 2, {3}), (2 + 2, {3}), (2 + 1, {2})] == shapes


@pytest.mark.parametrize("classes", [["no", "yes"], ["a", "b", "c"]], ids=len)
def test_markdown_tables_fit_a_git_host(classes: list[str]) -> None:
    """No table of the Markdown text has more than eight columns, also with groups and all baselines."""
    gathered = facts(classes, ["x"], "target", 300, sensitive=GROUPS)
    results = gathered["results"]
    some = results["baselines"]["majority"]
    results["baselines"] |= {"plain_network": some, "explainable_boosting": some}
    assert 8 >= max(len(row) for table in tables(render_markdown(make_summary(**gathered), TEMPLATES)) for row in table)


@pytest.mark.parametrize("text", HOSTILE)
def test_escape_markdown(text: str) -> None:
    """Escaped text is one line, and removing the backslashes restores it."""
    safe = escape_markdown(text)
    assert "\n" not in safe
    assert " ".join(text.split()) == re.sub(r"\\(.)", r"\1", safe)


def test_undefined_metrics_are_dashes() -> None:
    """An undefined metric is a dash in the page and in the text."""
    undefined = copy.deepcopy(summary())
    roc_auc = undefined["metrics"]["roc_auc"]
    roc_auc["models"]["classifier"] |= {"value": None, "low": None, "high": None}
    roc_auc["models"]["majority"] |= {"low": None, "high": None}
    assert "–" in page(undefined).texts
    row = next(row for row in tables(render_markdown(undefined, TEMPLATES))[0] if row[0] == "ROC AUC")
    assert "–" == row[1]
    assert re.fullmatch(r"\d\.\d{3}", row[4])
    assert "None" not in render_html(undefined, TEMPLATES)


def test_differences_from_baselines() -> None:
    """Below each metric of a baseline is the interval of its difference, with what it means for the classifier."""
    found = summary()
    for changes, expected in ((("low", 0.1), ("high", 0.2)), "worse"), ((("low", -0.2), ("high", -0.1)), "better"):
        found["baseline_differences"]["majority"]["log_loss"] = {"value": 0.15, "n": 9} | dict(changes)
        low, high = (f"{value:+.4f}".replace("-", "−") for _, value in changes)
        assert f'<small class="{expected}">{low} to {high}</small>' in render_html(found, TEMPLATES)


def test_reference() -> None:
    """With a reference, the page has its section and the text its table, and the headline is that of the comparison."""
    compared = summarize_comparison(side("v1", 1, 2.5), side("this version", 2, 1.0), PARAMS)
    found = summary(reference=compared)
    parsed, text = page(found), render_markdown(found, TEMPLATES)
    assert "comparison-metrics" in [attributes.get("data-test") for _, attributes in parsed.tags]
    assert any(each.startswith(compared["headline"].removesuffix(".")) for each in parsed.texts)
    assert "## Compared with v1" in text.splitlines()
    assert [] == parsed.open


def test_numbers() -> None:
    """Numbers have three decimals by default, an undefined number is a dash, and only 0 and 1 are printed as such."""
    assert ("0.9996", "1.000", "0.0004") == (format_number(0.9996), format_number(1.0), format_number(0.0004))
    assert ("0.912", "–", "0.91") == (format_number(0.9123), format_number(None), format_number(0.9123, 2))


def test_flatten_params() -> None:
    """Nested params are listed with dotted names."""
    assert [("a.b", 1), ("a.c.d", []), ("e", None)] == flatten_params({"a": {"b": 1, "c": {"d": []}}, "e": None})


def test_same_bytes() -> None:
    """The same summary gives the same bytes, also in processes with another hash seed."""
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
        "code": list(CODES)[n],
        "level": ("error", "warning", "note")[n % 3],
        "column": name,
        "sentence": f"Of {name}.",
        "numbers": {},
    }
    for n, name in enumerate(HOSTILE)
]


def test_findings() -> None:
    """The page and the text show each finding with its level, sentence and code, escaped."""
    found = summary(findings=FINDINGS)
    parsed, text = page(found), render_markdown(found, TEMPLATES)
    tags = [attributes["class"] for _, attributes in parsed.tags if (attributes.get("class") or "").startswith("tag ")]
    assert [f"tag {each['level']}" for each in FINDINGS] == tags
    assert 2 == [tag for tag, _ in parsed.tags].count("script")
    words, listed = " ".join(parsed.texts), [line for line in text.splitlines() if line.startswith("- **")]
    for each, line in zip(FINDINGS, listed, strict=True):
        assert f"{each['sentence']} " in words
        assert each["code"] in parsed.texts
        assert f"- **{each['level']}** {escape_markdown(each['sentence'])} ({escape_markdown(each['code'])})" == line


def test_nothing_found() -> None:
    """Without findings, the report says so and what was checked."""
    nothing = summary(findings=[])
    for text in (" ".join(page(nothing).texts), render_markdown(nothing, TEMPLATES)):
        assert "The checks found nothing. The checks look for columns that predict the target almost perfectly" in text


def test_findings_of_one_kind() -> None:
    """250 findings of the same kind are one, with the lines for params.yaml and each of them to unfold."""
    many = summary(
        findings=[FINDINGS[0] | {"code": "constant", "column": f"x{i}", "sentence": f"About x{i}."} for i in range(250)]
    )
    parsed = page(many)
    assert 1 == len([1 for _, attributes in parsed.tags if attributes.get("class") == "tag error"])
    words = " ".join(parsed.texts)
    assert "250 columns: a column has the same value in all rows" in words
    assert 'drop: ["x0", "x1"' in words
    assert "About x249." in parsed.texts


GROUPS = {"sex": ["f", "m", "m", None], HOSTILE[0]: [HOSTILE[1], HOSTILE[3], HOSTILE[4]]}


@pytest.mark.parametrize("classes", [["no", "yes"], ["a", "b", "c"]], ids=len)
def test_groups(classes: list[str]) -> None:
    """Each sensitive column has a table with one row per group; small groups are marked, and names are escaped."""
    found = summary(classes, rows=112, sensitive=GROUPS)
    parsed, text = page(found), render_markdown(found, TEMPLATES)
    assert "groups" in [attributes.get("data-test") for _, attributes in parsed.tags]
    for word in ("Metrics by group", "sex", "missing", *GROUPS[HOSTILE[0]], HOSTILE[0], "few rows"):
        assert word in parsed.texts, word
    assert 2 == parsed.texts.count("few rows")
    width = 2 + (6 if len(classes) == 2 else 2)
    by_column = [table for table in tables(text) if table[0][0] == "group"]
    assert [{width}] * 2 == [{len(row) for row in table} for table in by_column]
    assert [["group", "---", "m", "f", "missing"]] == [[row[0] for row in by_column[0]]]
    assert ["56", "28", "28"] == [row[1] for row in by_column[0][2:]]
    for column, groups in found["groups"].items():
        assert groups["sentence"] in parsed.texts, column
        assert escape_markdown(groups["sentence"]) in text.splitlines()
    assert [] == parsed.open


def test_no_groups() -> None:
    """Without sensitive columns there is no section with groups."""
    assert "Metrics by group" not in render_html(summary(), TEMPLATES)
    assert "Metrics by group" not in render_markdown(summary(), TEMPLATES)


def test_further_groups() -> None:
    """Groups beyond the limit are counted."""
    found = summary(rows=300, sensitive={"town": [f"t{n}" for n in range(25)]})
    for text in (" ".join(page(found).texts), render_markdown(found, TEMPLATES)):
        assert "5 less frequent groups with 60 rows in total are not shown." in text


def test_weights_and_samples() -> None:
    """The page and the text mention weights and samples of the baselines, but only where there are any."""
    plain = facts(["no", "yes"], ["x"], "target", 120)
    results = plain["results"] | {"weighted": True, "fitted": {"rows": 1000, "total_rows": 23_456}}
    params = plain["params"] | {"data": plain["params"]["data"] | {"weight": HOSTILE[0]}}
    said = summary(results=results, params=params)
    html, text = " ".join(page(said).texts), render_markdown(said, TEMPLATES)
    for words, name in ((html, HOSTILE[0]), (text, escape_markdown(HOSTILE[0]))):
        assert re.search(rf"counts by its weight in the column\s+(\*\*)?{re.escape(name)}", words)
        assert "were fitted on 1,000 of the 23,456 train rows" in words
    for words in (" ".join(page().texts), render_markdown(summary(), TEMPLATES)):
        assert "weight in the column" not in words
        assert "were fitted on" not in words
        assert "Gradient boosting is omitted" not in words


@pytest.mark.slow
def test_many_classes_and_columns_stay_small() -> None:
    """With 1,000 classes and 10,000 columns the page stays below 1 MB and the text below 50 kB; both say what is not shown."""
    classes, columns = [f"class {n:04}" for n in range(1000)], [f"column {n:05}" for n in range(10_000)]
    many = summary(classes, columns, rows=2000)
    html, text = render_html(many, TEMPLATES), render_markdown(many, TEMPLATES)
    assert len(html) < 1_000_000
    assert len(text) < 50_000
    words = " ".join(Page(html).texts)
    for each in (
        "and 970 less frequent classes",
        "10,000 columns, of which the first 500 are shown",
        "The 100 most frequent of 1,000 classes",
    ):
        assert each in words
    for each in (words, text):
        assert "Gradient boosting is omitted: it grows one tree per class and round, and there are too many classes." in each
    assert "(900 others)" in words


def test_many_classes_in_markdown() -> None:
    """With more than ten classes the text lists the most frequent confusions instead of a table of 31 columns."""
    found = [table for table in tables(render_markdown(summary(MANY, rows=520), TEMPLATES)) if table[0][0] == "actual"]
    assert [4] * 12 == [len(row) for row in found[0]]
    assert max(len(row) for table in tables(render_markdown(summary(MANY, rows=520), TEMPLATES)) for row in table) < 8


def test_class_metrics() -> None:
    """Page and text have recall, precision and F1 of each class if there are more than two."""
    found = summary(["a", "b", "c"], rows=90)
    html, text = render_html(found, TEMPLATES), render_markdown(found, TEMPLATES)
    for each in found["class_metrics"]:
        assert f"<td>{each['f1']['value']:.3f} <small>" in html
        assert f"| {each['f1']['value']:.3f} [" in text
    for each in (render_html(summary(), TEMPLATES), render_markdown(summary(), TEMPLATES)):
        assert "Metrics by class" not in each
        assert "| class | rows |" not in each


@pytest.mark.parametrize(
    ("low", "columns", "expected"),
    [(0.2, 2, "Check: replacing"), (-0.1, 2, "Check not passed: replacing"), (0.0, 1, None)],
)
def test_check_by_deletion(low: float, columns: int, expected: str | None) -> None:
    """The check of the Shapley values says whether it passed; one column has no order to check."""
    shown = summary(columns=[f"c{i}" for i in range(columns)])
    shown["explanation"] = shown["explanation"] | {"deletion": {"difference": low + 0.1, "low": low, "high": low + 0.2}}
    texts = (render_html(shown, TEMPLATES), render_markdown(shown, TEMPLATES))
    assert [expected is not None] * 2 == [(expected or "Check") in text for text in texts]
