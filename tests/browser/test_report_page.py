"""The page works in a real browser: offline, without errors, on a phone and without JavaScript."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.reports import summary
from tests.rooms import HOSTILE, TEMPLATES

from veritable.reporting.render import render_html

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = Path("/usr/bin/chromium")
SWITCHES = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
MANY = [f"class {i:02}" for i in range(26)]
KINDS: dict[str, dict[str, Any]] = {
    "two classes": {},
    "26 classes": {"classes": MANY, "rows": 260},
    "groups and findings": {
        "sensitive": {HOSTILE[0]: [*HOSTILE[:3], None], "sex": ["f", "m"]},
        "findings": [
            {"level": level, "code": "a_code", "sentence": f"{HOSTILE[10]} {HOSTILE[0]}"} for level in ("error", "note")
        ],
    },
    "hostile": {"classes": HOSTILE, "columns": HOSTILE, "target": HOSTILE[-1], "rows": 110},
}
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"{CHROMIUM} is not installed"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=str(CHROMIUM), args=SWITCHES)
        yield chromium
        chromium.close()


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

    def open_page(kind: str, **options: Any) -> Any:
        contexts.append(browser.new_context(**options))
        page = contexts[-1].new_page()
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


@pytest.mark.parametrize("kind", KINDS)
def test_quiet_and_offline(opened: Opened, kind: str) -> None:
    """The page writes nothing to the console, opens no dialog, and requests nothing but itself."""
    page = opened(kind)
    assert [] == page.messages
    assert [] == [url for url in page.requests if not url.startswith("data:") and url != page.url]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("width", [375, 1280])
def test_fits(opened: Opened, kind: str, width: int) -> None:
    """On a phone and on a desktop the page does not scroll sideways with all details open; only wide tables scroll."""
    page = opened(kind, viewport={"width": width, "height": 800})
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    assert width >= page.evaluate("document.documentElement.scrollWidth")
    sticking_out = "[...document.querySelectorAll('header, section, h1, h2, p, figure, svg, img, figcaption, .scroll')]"
    assert [] == page.evaluate(
        f"{sticking_out}.filter(each => each.getBoundingClientRect().right > {width}).map(each => each.outerHTML.slice(0, 80))"
    )


def test_hostile_names_are_text(opened: Opened) -> None:
    """Names that contain markup are shown as text and add no element."""
    page = opened("hostile")
    assert 0 == page.locator("script").count()
    assert 0 == page.locator("img").count()
    body = page.locator("body").evaluate("each => each.textContent")
    assert [] == [name for name in HOSTILE if name not in body]
    assert HOSTILE == page.locator("[data-test=confusion] tbody th").evaluate_all("all => all.map(each => each.textContent)")


@pytest.mark.parametrize("kind", KINDS)
def test_readable_without_javascript(opened: Opened, kind: str) -> None:
    """Without JavaScript every section and chart is visible; details open with a click."""
    page = opened(kind, java_script_enabled=False)
    assert (10 if "sensitive" in KINDS[kind] else 9) == page.locator("[data-test]").count()
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
    """Details open with the keyboard."""
    page = opened("two classes")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert 1 == page.locator("details[open]").count()
