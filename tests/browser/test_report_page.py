"""The page works in a real browser: offline, light, dark, on a phone, on paper, by keyboard and without scripts."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import HANGS
from tests.reports import summary
from tests.rooms import HOSTILE, TEMPLATES

from veritable.reporting.render import render_html

axe_library = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
NAMES = [*HOSTILE, "x y" * 20, "😀" * 30, "שם העמודה הארוך ביותר בטבלה " * 2, "اسم العمود " * 5, "W" * 60, "a\u202eb"]
KINDS: dict[str, dict[str, Any]] = {
    "two classes": {},
    "26 classes": {"classes": [f"class {i:02}" for i in range(26)], "rows": 520},
    "100 classes": {"classes": [f"class number {i:03}" for i in range(100)], "rows": 2000},
    "200 columns": {"columns": [f"column {i:03} with a long name" for i in range(200)], "rows": 60},
    "groups and findings": {
        "sensitive": {HOSTILE[0]: [*HOSTILE[:3], None], "sex": ["f", "m"]},
        "findings": [
            {"level": level, "code": "drift", "sentence": f"{HOSTILE[10]} {HOSTILE[0]}", "column": HOSTILE[0], "numbers": {}}
            for level in ("error", "note", "note")
        ],
    },
    "hostile": {"classes": NAMES, "columns": NAMES, "target": HOSTILE[-1], "rows": 170},
}
PHONE, DESKTOP, PAPER = (390, 844), (1280, 800), (703, 1000)  # paper: A4 without its margins


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    for number, facts in enumerate(KINDS.values()):
        (folder / f"{number}.html").write_text(render_html(summary(**facts), TEMPLATES), "utf-8")
    return {kind: folder / f"{number}.html" for number, kind in enumerate(KINDS)}


Opened = Callable[..., Any]


@pytest.fixture
def opened(browser: Any, pages: dict[str, Path]) -> Iterator[Opened]:
    """Open a page of a kind; `messages` and `requests` collect its console messages and requests."""
    contexts = []

    def open_page(kind: str, size: tuple[int, int] = DESKTOP, **options: Any) -> Any:
        contexts.append(browser.new_context(viewport={"width": size[0], "height": size[1]}, **options))
        page = contexts[-1].new_page()
        page.set_default_timeout(HANGS * 1000)
        page.messages, page.requests = [], []
        page.on("console", lambda message: page.messages.append(message.text))
        page.on("pageerror", lambda error: page.messages.append(str(error)))
        page.on("dialog", lambda dialog: (page.messages.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda request: page.requests.append(request.url))
        page.goto(pages[kind].as_uri(), wait_until="networkidle")
        return page

    yield open_page
    for context in contexts:
        context.close()


def unfold(page: Any) -> None:
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")


@pytest.mark.parametrize("kind", KINDS)
def test_quiet_and_offline(opened: Opened, kind: str) -> None:
    """The page writes nothing to the console, opens no dialog, and requests nothing but itself; it is smaller than 1 MB."""
    page = opened(kind)
    assert [] == page.messages
    assert [page.url] == page.requests
    assert len(page.content()) < 1_000_000


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_fits(opened: Opened, kind: str, size: tuple[int, int]) -> None:
    """The page does not scroll sideways with all details open; only wide tables and pictures scroll within it."""
    page = opened(kind, size)
    unfold(page)
    assert size[0] >= page.evaluate("document.documentElement.scrollWidth")
    inside = "header, section, h1, h2, p, figure:not(.wide), figure:not(.wide) svg, figcaption, .scroll, pre"
    assert [] == page.evaluate(
        f"[...document.querySelectorAll('{inside}')].filter(each => each.getBoundingClientRect().right > {size[0]})"
        ".map(each => each.outerHTML.slice(0, 80))"
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_verdict_is_on_the_first_screen(opened: Opened, kind: str, size: tuple[int, int]) -> None:
    """The verdict can be read without scrolling."""
    box = opened(kind, size).locator("[data-test=verdict]").bounding_box()
    assert box["y"] >= 0
    assert box["y"] + box["height"] <= size[1]


TEXTS = """
() => {
  const wrong = [];
  for (const svg of document.querySelectorAll('figure svg')) {
    const frame = svg.getBoundingClientRect(), found = [];
    for (const text of svg.querySelectorAll('text')) {
      const range = document.createRange();
      range.selectNode(text.firstChild ?? text);
      const box = text.getBoundingClientRect(), name = text.firstChild?.textContent ?? '';
      if (box.left < frame.left - 1 || box.right > frame.right + 1 || box.top < frame.top - 1 || box.bottom > frame.bottom + 1)
        wrong.push(['outside', name, box.left - frame.left, box.right - frame.right]);
      for (const [other, its] of found)
        if (Math.min(box.right, other.right) - Math.max(box.left, other.left) > 1 &&
            Math.min(box.bottom, other.bottom) - Math.max(box.top, other.top) > 1)
          wrong.push(['over', name, its]);
      found.push([box, name]);
    }
  }
  return wrong;
}
"""


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_texts_of_figures_are_readable(opened: Opened, kind: str, size: tuple[int, int]) -> None:
    """No text of a figure, as the browser draws it, lies outside its picture or over another text."""
    assert [] == opened(kind, size).evaluate(TEXTS)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_accessible(opened: Opened, kind: str, scheme: str) -> None:
    """axe finds nothing with all details open: names, landmarks, order of headings, contrast, regions reached by keyboard."""
    page = opened(kind, color_scheme=scheme)
    unfold(page)
    found = axe_library.Axe().run(page).response["violations"]
    assert [] == [(each["id"], [node["html"][:120] for node in each["nodes"]][:3]) for each in found]


def test_dark(opened: Opened) -> None:
    """Page and figures have the colors of the screen."""
    seen = {}
    for scheme in ("light", "dark"):
        page = opened("two classes", color_scheme=scheme)
        drawn = "getComputedStyle(document.querySelector('svg .line')).stroke"
        seen[scheme] = page.evaluate("getComputedStyle(document.body).backgroundColor"), page.evaluate(drawn)
    assert {"light": ("rgb(247, 248, 250)", "rgb(31, 95, 208)"), "dark": ("rgb(18, 22, 27)", "rgb(110, 160, 255)")} == seen


@pytest.mark.parametrize("kind", KINDS)
def test_paper(opened: Opened, kind: str) -> None:
    """On paper everything is unfolded except the numbers of figures, no table is cut, and the colors are those of paper."""
    page = opened(kind, PAPER, color_scheme="dark", java_script_enabled=False)
    page.emulate_media(media="print")
    wide = [
        each.evaluate("e => [e.getBoundingClientRect().right, e.outerHTML.slice(0, 60)]")
        for each in page.locator("table, figure svg, .scroll").all()
    ]
    assert [] == [each for each in wide if each[0] > PAPER[0] + 1]
    assert "rgb(31, 41, 51)" == page.evaluate("getComputedStyle(document.body).color")
    assert page.get_by_role("cell", name="1,234").first.is_visible()
    assert not page.locator(".numbers pre").first.is_visible()
    assert page.pdf(prefer_css_page_size=True).startswith(b"%PDF")


def test_hostile_names_are_text(opened: Opened) -> None:
    """Names that contain markup are shown as text and add no element."""
    page = opened("hostile")
    assert 1 == page.locator("script").count()
    assert 0 == page.locator("img").count()
    body = page.locator("body").evaluate("each => each.textContent")
    assert [] == [name for name in NAMES if name not in body]
    assert NAMES == page.locator("[data-test=confusion] details tbody th").evaluate_all(
        "all => all.map(each => each.textContent)"
    )


@pytest.mark.parametrize("kind", KINDS)
def test_readable_without_javascript(opened: Opened, kind: str) -> None:
    """Without JavaScript every section and figure is visible, details open with a click, and no control is dead."""
    page = opened(kind, java_script_enabled=False)
    shown = 13 + ("sensitive" in KINDS[kind]) + ("classes" not in KINDS[kind])  # groups, and the threshold of two classes
    assert shown == page.locator("[data-test]").count()
    assert 0 == page.locator("button").count()
    for chart in page.locator("figure svg").all():
        box = chart.bounding_box()
        assert box["width"] > 100
        assert box["height"] > 0
    assert re.search(r"ROC AUC\s+0\.\d{3}", page.locator("[data-test=metrics]").inner_text())
    row = page.get_by_role("cell", name="1,234").first
    assert not row.is_visible()
    page.locator("[data-test=table] summary").click()
    assert row.is_visible()


def test_keyboard(opened: Opened) -> None:
    """Links, scrolling tables and details are reached with the keyboard, in order, and details open with it."""
    page = opened("two classes")
    reached = []
    for _ in range(12):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.textContent.trim().split('\\n')[0]"))
    assert ["Verdict", "Findings", "Metrics"] == reached[:3]
    page.get_by_text("What the metrics mean").focus()
    page.keyboard.press("Enter")
    assert 1 == page.locator("details[open]").count()


def test_slider(opened: Opened) -> None:
    """The slider moves the counts, precision and recall: at the lowest threshold every positive row is found; it leads back."""
    page = opened("two classes")

    def shown() -> dict[str, float]:
        cells = page.locator("[data-count]").all()
        return {cell.get_attribute("data-count"): float(cell.text_content().replace(",", "")) for cell in cells}

    before = shown()
    slider = page.get_by_role("slider")
    slider.focus()
    page.keyboard.press("Home")
    lowest = shown()
    assert (0, 0, 1.0) == (lowest["fn"], lowest["tn"], lowest["recall"])
    assert 1000 == pytest.approx(lowest["tp"] + lowest["fp"], abs=1)
    ends = page.locator("figure[data-file=roc] svg path.c2").evaluate("e => [e.getAttribute('d'), e.parentNode.dataset.area]")
    _, right, _, top = map(float, ends[1].split())
    assert f"M{right:g} {top:g}h0" == ends[0]  # every row is flagged
    assert lowest["tp"] / (lowest["tp"] + lowest["fp"]) == pytest.approx(lowest["precision"], abs=0.002)
    page.keyboard.press("End")
    assert 0 == shown()["fp"] or shown()["tp"] < before["tp"]
    page.get_by_role("button", name="Back to the chosen one").click()
    assert before == shown()


def test_navigation(opened: Opened) -> None:
    """Each link leads to its section."""
    page = opened("26 classes")
    for link in page.locator("nav a").all():
        link.click()
        target = page.locator(link.get_attribute("href"))
        assert target.bounding_box()["y"] < 800


def test_sort(opened: Opened) -> None:
    """A table is sorted by the column whose header is clicked: numbers fall first, then rise; the header says so."""
    page = opened("26 classes")
    table = page.locator("[data-test=confusion] details table")
    page.get_by_text("26 classes", exact=True).last.click()
    head = table.get_by_role("columnheader", name="F1")
    f1 = "rows => rows.map(row => parseFloat(row.cells[4].textContent))"
    for order, reverse in (("descending", True), ("ascending", False)):
        head.get_by_role("button").click()
        values = table.locator("tbody tr").evaluate_all(f1)
        assert sorted(values, reverse=reverse) == values
        assert order == head.get_attribute("aria-sort")


def test_downloads(opened: Opened) -> None:
    """A figure is saved as a picture that looks the same elsewhere, and its numbers as CSV."""
    page = opened("two classes", accept_downloads=True)
    figure = page.locator("figure[data-file=roc]")
    figure.locator("summary").click()
    saved = {}
    for name in ("Save as CSV", "Save picture as SVG"):
        with page.expect_download() as download:
            figure.get_by_role("button", name=name).click()
        saved[download.value.suggested_filename] = Path(download.value.path()).read_text("utf-8")
    assert {"roc.csv", "roc.svg"} == set(saved)
    assert saved["roc.csv"].startswith("series,False positive rate,True positive rate\nyes,0,0\n")
    assert saved["roc.svg"].startswith('<svg xmlns="http://www.w3.org/2000/svg"')
    assert "--c1:" in saved["roc.svg"]
    assert [] == page.messages
