"""The page about explained rows works in a real browser: without errors, on a phone, light and dark."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.conftest import HANGS
from tests.explaining import of_table
from tests.rooms import HOSTILE, prepare_frame
from tests.test_explain_rows import run, saved
from tests.test_predict import new_rows


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with hostile names of columns, categories, classes and ids."""
    folder, draw = tmp_path_factory.mktemp("page"), np.random.default_rng(0)
    frame = pd.DataFrame(
        {name: draw.choice(HOSTILE, 300) if i % 2 else draw.normal(size=300) for i, name in enumerate(HOSTILE)}
    )
    frame = frame.assign(
        target=np.where(frame[HOSTILE[2]] > 0, HOSTILE[0], HOSTILE[1]), id=HOSTILE[1] + frame.index.astype(str)
    )
    classifier = saved(of_table(prepare_frame(frame, id="id")), folder)
    run(classifier, new_rows(folder / "new.parquet", frame.head(5)), "--html", folder / "page.html")
    return folder / "page.html"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1200])
def test_page(browser: Any, page: Path, scheme: str, width: int) -> None:
    """The page loads nothing else, logs nothing, is not wider than the screen, and its colors are those of the screen."""
    messages: list[str] = []
    requests: list[str] = []
    opened = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    opened.set_default_timeout(HANGS * 1000)
    opened.on("console", lambda message: messages.append(message.text))
    opened.on("pageerror", lambda error: messages.append(str(error)))
    opened.on("dialog", lambda dialog: messages.append(dialog.message))
    opened.on("request", lambda request: requests.append(request.url))
    opened.goto(page.as_uri())
    assert [] == messages
    assert [page.as_uri()] == requests
    assert opened.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert ("rgb(18, 22, 27)" if scheme == "dark" else "rgb(247, 248, 250)") == opened.evaluate(
        "getComputedStyle(document.body).backgroundColor"
    )
    assert 5 * len(HOSTILE) == opened.locator("rect").count()
    opened.close()
