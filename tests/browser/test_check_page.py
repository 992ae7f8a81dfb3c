"""The page about checked rows works in a real browser: without errors, on a phone, light and dark."""

from pathlib import Path
from typing import Any

import pytest
from tests.conftest import HANGS
from tests.test_check_page import hostile


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with hostile names of columns, categories and classes."""
    folder = tmp_path_factory.mktemp("page")
    (folder / "page.html").write_text(hostile(folder, shift=9.0), "utf-8")
    return folder / "page.html"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_page(browser: Any, page: Path, scheme: str, width: int) -> None:
    """The page loads nothing else, logs nothing, is not wider than the screen, and the answer is on the first screen."""
    messages: list[str] = []
    requests: list[str] = []
    opened = browser.new_page(viewport={"width": width, "height": 844}, color_scheme=scheme)
    opened.set_default_timeout(HANGS * 1000)
    opened.on("console", lambda message: messages.append(message.text))
    opened.on("pageerror", lambda error: messages.append(str(error)))
    opened.on("dialog", lambda dialog: messages.append(dialog.message))
    opened.on("request", lambda request: requests.append(request.url))
    opened.goto(page.as_uri())
    assert [] == messages
    assert [page.as_uri()] == requests
    assert opened.evaluate("document.documentElement.scrollWidth") <= width
    answer = opened.locator(".answer").bounding_box()
    assert answer["y"] + answer["height"] < 844
    light = opened.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ("rgb(247, 248, 250)" == light) == (scheme == "light")
    opened.close()
