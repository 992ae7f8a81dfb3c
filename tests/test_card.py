"""The model card is read as text, and what it does not state is said."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.reports import summary
from tests.rooms import HOSTILE, ROOT, TEMPLATES
from veritable.errors import UserError
from veritable.reporting.card import FIELDS, find_missing, parse_card, read_card
from veritable.reporting.render import render_html, render_markdown


def blocks(text: str, name: str = "Purpose") -> list[tuple[bool, list[str]]]:
    field = next(each for each in parse_card(text)["fields"] if each["name"] == name)
    return [(each["is_list"], each["texts"]) for each in field["blocks"]]


def test_paragraphs_and_lists() -> None:
    """Paragraphs and lists become text without markup; a link keeps its address."""
    text = "# Purpose\n\nTo *choose*\nwhom to [call](https://example.org).\n\n- one `x`\n- two\n\n### More\n\n    code"
    expected = [
        (False, ["To choose whom to call (https://example.org)."]),
        (True, ["one x", "two"]),
        (False, ["More"]),
        (False, ["code"]),
    ]
    assert expected == blocks(text)
    assert [(False, ["a@example.org"])] == blocks("# Purpose\n<a@example.org>")


@pytest.mark.parametrize("text", ["", "TODO", "tbd.", "- ...", "<!-- For what.\n\nAnd why. -->", "_fill in_", "Not stated."])
def test_what_states_nothing(text: str) -> None:
    """An empty field, a placeholder and a comment state nothing."""
    assert list(FIELDS) == parse_card(f"## Purpose\n\n{text}\n\n## Owner\n")["missing"]


def test_all_headings() -> None:
    """The fields of every card come first, in whatever case they are written; others follow if they have text."""
    card = parse_card("Before.\n\n# OWNER\nMe.\n\n## Empty\n\n## Own\nText.\n\n# Owner\n\nAgain.")
    assert [*FIELDS, "Model card", "Own"] == [each["name"] for each in card["fields"]]
    assert [(False, ["Me."]), (False, ["Again."])] == blocks("# OWNER\nMe.\n\n# Owner\n\nAgain.", "Owner")
    assert [name for name in FIELDS if name != "Owner"] == card["missing"]


@given(st.text())
def test_any_text(text: str) -> None:
    """Any text is a card: no text is lost but markup, and no paragraph is empty."""
    card = parse_card(text)
    assert all(each for field in card["fields"] for block in field["blocks"] for each in block["texts"])
    assert set(card["missing"]) <= set(FIELDS)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text(text: str) -> None:
    """What the card says is text in the page and in the report, whatever it holds."""
    wild = summary(card=parse_card(f"# Purpose\n\n- {text}\n\n# {text}\n\n{text}"))
    html, markdown = render_html(wild, TEMPLATES), render_markdown(wild, TEMPLATES)
    assert "<img" not in html
    assert "alert(1)</script>" not in html
    assert not any("<img" in line.replace("\\<", "") for line in markdown.splitlines())


def test_finding() -> None:
    """A note lists what the card does not state, with the file to write it in; the page and the text say "not stated"."""
    complete = parse_card("\n\n".join(f"# {name}\n\nStated." for name in FIELDS))
    assert [] == find_missing(complete, "card.md")
    lacking = parse_card("\n\n".join(f"# {name}\n\nStated." for name in FIELDS[1:]))
    (found,) = find_missing(lacking, "card.md")
    assert ("note", "The model card does not state: Purpose. Write it below this heading in card.md.") == (
        found["level"],
        found["sentence"],
    )
    made = summary(card=lacking, findings=[])
    for text in (render_html(made, TEMPLATES), render_markdown(made, TEMPLATES).replace("\\", "")):
        assert found["sentence"].removesuffix("docs/model-card.md.") in text.replace("docs/model-card.md", "card.md")
        assert 1 == text.count("not stated")


def test_unreadable_card(tmp_path: Path) -> None:
    """A card that is no text in UTF-8 is an error that names the param."""
    (tmp_path / "card.md").write_bytes(b"# Purpose\n\xff\xfe")
    with pytest.raises(UserError, match=r"^report.model_card in params.yaml must be a Markdown file in UTF-8, but 'card.md'"):
        read_card(tmp_path / "card.md")
    (tmp_path / "bom.md").write_bytes("\ufeff# Purpose\n\nÜber.".encode())
    assert "Purpose" not in read_card(tmp_path / "bom.md")["missing"]


def test_the_card_that_comes_with_veritable() -> None:
    """It has a heading for every field and states nothing."""
    card = read_card(ROOT / "docs/model-card.md")
    assert (list(FIELDS), list(FIELDS)) == ([each["name"] for each in card["fields"]], card["missing"])
