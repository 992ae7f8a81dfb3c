"""A page in a notebook neither changes the notebook nor is changed by it."""

from pathlib import Path
from typing import Any

import pytest
from tests.conftest import HANGS
from tests.reports import summary
from tests.rooms import TEMPLATES

from veritable.reporting.notebook import show
from veritable.reporting.render import render_html

STYLE = "h1, p, td { color: rgb(1, 2, 3); font-size: 7px } table { border: 9px solid }"
CELL = '<!doctype html><style>{}</style><section class="card"><h1>Mine</h1><p>Text</p></section>{}'
LOOKS = """name => ["color", "fontSize", "backgroundColor", "padding", "margin"].map(
    key => getComputedStyle(document.querySelector(name))[key])"""


@pytest.fixture(scope="module")
def notebook(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A page with styles of its own, without and with the report in it."""
    folder = tmp_path_factory.mktemp("notebook")
    (folder / "report.html").write_text(render_html(summary(), TEMPLATES), "utf-8")
    (folder / "without.html").write_text(CELL.format(STYLE, ""), "utf-8")
    (folder / "with.html").write_text(CELL.format(STYLE, show(folder / "report.html")._repr_html_()), "utf-8")
    opened = {}
    for name in ("report", "without", "with"):
        opened[name] = page = browser.new_page()
        page.set_default_timeout(HANGS * 1000)
        page.messages = []
        page.on("console", lambda message, page=page: page.messages.append(message.text))
        page.goto(Path(folder / f"{name}.html").as_uri(), wait_until="networkidle")
    return opened


def test_styles_do_not_leak(notebook: Any) -> None:
    """The notebook looks as it does without the report, and the report as it does alone; neither logs a message."""
    frame = notebook["with"].frames[1]
    for name in ("section", "h1", "p", "body"):
        assert notebook["without"].evaluate(LOOKS, name) == notebook["with"].evaluate(LOOKS, name)
    for name in ("h1", "td", "table"):
        assert notebook["report"].evaluate(LOOKS, name) == frame.evaluate(LOOKS, name)
    assert [] == notebook["with"].messages


def test_the_report_cannot_reach_the_notebook(notebook: Any) -> None:
    """The frame has an origin of its own."""
    frame = notebook["with"].frames[1]
    assert "null" == frame.evaluate("origin")
    assert "SecurityError" == frame.evaluate(
        "(() => { try { return parent.document.title } catch (error) { return error.name } })()"
    )


def test_links_stay_in_the_frame(notebook: Any) -> None:
    """A link to a section scrolls in the frame."""
    frame = notebook["with"].frames[1]
    frame.evaluate("document.body.insertAdjacentHTML('afterbegin', '<a id=go href=#record>record</a>')")
    frame.click("#go")
    notebook["with"].wait_for_function("window.frames.length == 1")
    assert "about:srcdoc#record" == notebook["with"].frames[1].url
    assert 0 < notebook["with"].frames[1].evaluate("scrollY")
