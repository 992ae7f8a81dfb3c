"""A notebook shows a page in a frame of its own."""

from html.parser import HTMLParser
from pathlib import Path

import pytest

import veritable
from veritable.errors import UserError


def test_frame(tmp_path: Path) -> None:
    """The value of the cell is one sandboxed frame that holds the whole page, whatever the page holds."""
    text = "<!doctype html><html><head><title>\"</title></head><body>'&amp;</iframe></body></html>"
    (tmp_path / "page.html").write_text(text)
    shown = veritable.show(tmp_path / "page.html", height=123)
    found: list[tuple[str, dict[str, str | None]]] = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attrs: found.append((tag, dict(attrs)))  # type: ignore[method-assign]
    parser.feed(shown._repr_html_())
    ((tag, attributes),) = found
    assert ("iframe", "allow-scripts allow-downloads") == (tag, attributes["sandbox"])
    assert text == (attributes["srcdoc"] or "").replace('<base href="about:srcdoc">', "")
    assert "height: 123px" in (attributes["style"] or "")
    assert "<page of 85 characters, which a notebook shows>" == repr(shown)


def test_no_page(tmp_path: Path) -> None:
    """A page that does not exist is an error that says what to do."""
    with pytest.raises(UserError, match=r"must be an HTML page, but does not exist. Run `dvc repro`"):
        veritable.show(tmp_path / "page.html")
