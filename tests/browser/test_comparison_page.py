"""The page of a comparison and the page of `dvc plots` work in a real browser: offline and without errors."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.conftest import HANGS
from tests.rooms import HOSTILE, ROOT
from tests.test_comparison import PARAMS, changed
from tests.test_comparison_page import side

from veritable.reporting.comparison import render_comparison_html, summarize_comparison


def opened(browser: Any, file: Path, width: int = 1280) -> Any:
    """Open a page; `messages` and `requests` collect its console messages and requests."""
    page = browser.new_page(viewport={"width": width, "height": 800})
    page.set_default_timeout(HANGS * 1000)
    page.messages, page.requests = [], []
    page.on("console", lambda message: page.messages.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: page.messages.append(f"error: {error}"))
    page.on("request", lambda request: page.requests.append(request.url))
    page.goto(file.as_uri(), wait_until="networkidle")
    return page


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of two versions with hostile names."""
    long = HOSTILE[-1]
    importance = pd.DataFrame({"column": HOSTILE, "importance": np.linspace(1, 0.1, len(HOSTILE))})
    fields: dict[str, Any] = {"importance": importance, "notes": HOSTILE}
    old, new = (side(long, seed, 1.0, params={"data": dict.fromkeys(HOSTILE, seed)}, **fields) for seed in (1, 2))
    assert new.judged is not None
    values = np.array([HOSTILE[row % 4] for row in range(400)], dtype=object)
    new = replace(new, judged=changed(new.judged, sensitive={HOSTILE[0]: values}))
    file = tmp_path_factory.mktemp("comparison") / "page.html"
    file.write_text(render_comparison_html(summarize_comparison(old, new, PARAMS)), "utf-8")
    return file


@pytest.mark.parametrize("width", [375, 1280])
def test_the_comparison(browser: Any, comparison: Path, width: int) -> None:
    """The page has no console message and no request, does not scroll sideways, and names with markup stay text."""
    page = opened(browser, comparison, width)
    assert ([], [comparison.as_uri()]) == (page.messages, page.requests)
    assert width >= page.evaluate("document.documentElement.scrollWidth")
    assert 0 == page.locator("img").count()
    body = page.locator("body").evaluate("each => each.textContent")
    assert [] == [name for name in HOSTILE if name not in body]
    assert 3 == page.locator("figure svg").count()
    page.close()


def test_plots_are_drawn_offline(browser: Any, tmp_path: Path) -> None:
    """The page of `dvc plots` draws a figure with the inlined Vega, and requests nothing."""
    spec = {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "data": {"values": [{"a": 1, "b": 2}, {"a": 2, "b": 3}]},
        "mark": "line",
        "encoding": {"x": {"field": "a", "type": "quantitative"}, "y": {"field": "b", "type": "quantitative"}},
    }
    figure = f'<div id="one"><script>vegaEmbed("#one", {json.dumps(spec)});</script></div>'
    file = tmp_path / "plots.html"
    file.write_text((ROOT / ".dvc/plots/page.html").read_text("utf-8").replace("{plot_divs}", figure), "utf-8")
    page = opened(browser, file)
    assert page.locator("#one svg.marks").bounding_box()["width"] > 100
    assert [] == [message for message in page.messages if message.startswith("error")]
    assert [file.as_uri()] == [url for url in page.requests if not url.startswith("data:")]
    page.close()
