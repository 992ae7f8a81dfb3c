"""Read the model card: a Markdown file in which a person states what no measurement can."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token

from veritable.errors import UserError

FIELDS = ("Purpose", "Out of scope", "Owner", "Contact", "Affected people", "Data origin", "Ethics")  # of every card
_PLACEHOLDERS = {"", "todo", "to do", "tbd", "tba", "fixme", "xxx", "fill in", "not stated"}  # without punctuation
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)


def read_card(path: Path) -> dict[str, Any]:
    """Read a model card from a file. See `parse_card`.

    Raises
    ------
    UserError
        It is not a text file in UTF-8.
    """
    try:
        return parse_card(path.read_text("utf-8-sig"))
    except (OSError, UnicodeDecodeError):
        raise UserError(
            f"report.model_card in params.yaml must be a Markdown file in UTF-8, but '{path.name}' is not. Correct it, or "
            "restore docs/model-card.md with git."
        ) from None


def parse_card(text: str) -> dict[str, Any]:
    """Return the fields of a model card and the names of those that are empty.

    A heading of the first or second level begins a field. What follows is text, in paragraphs and lists: markup is dropped, the
    address of a link is kept. A comment or a placeholder such as "TODO" states nothing.

    Returns
    -------
    fields
        The names of `FIELDS`, also those that the text lacks, then all others that are not empty, in the order of the text;
        each with `blocks`: dicts of `is_list` and `texts`.
    missing
        The names of `FIELDS` that are empty.

    Examples
    --------
    >>> card = parse_card("# Purpose\\nTo choose **whom** to call.\\n# Owner\\nTODO")
    >>> card["fields"][0]
    {'name': 'Purpose', 'blocks': [{'is_list': False, 'texts': ['To choose whom to call.']}]}
    >>> "Owner" in card["missing"]
    True
    """
    known = {name.casefold(): name for name in FIELDS}
    blocks: dict[str, list[dict[str, Any]]] = {name: [] for name in FIELDS}
    current = blocks.setdefault("Model card", [])  # text before the first heading
    for kind, paragraph in _paragraphs(MarkdownIt("commonmark").parse(text)):
        if kind == "field":
            name = known.get(paragraph.casefold(), paragraph)
            current = blocks.setdefault(name, [])
        elif paragraph.casefold().strip(" .…-–:[]()<>*_") not in _PLACEHOLDERS:
            is_list = kind == "item"
            if is_list and current and current[-1]["is_list"]:
                current[-1]["texts"].append(paragraph)
            else:
                current.append({"is_list": is_list, "texts": [paragraph]})
    return {
        "fields": [{"name": name, "blocks": each} for name, each in blocks.items() if each or name in FIELDS],
        "missing": [name for name in FIELDS if not blocks[name]],
    }


def find_missing(card: Mapping[str, Any], file: str) -> list[dict[str, Any]]:
    """Return a finding that names the empty fields of a model card; an empty list if there are none."""
    if not card["missing"]:
        return []
    names = ", ".join(card["missing"])
    where = "this heading" if len(card["missing"]) == 1 else "these headings"
    sentence = f"The model card does not state: {names}. Write it below {where} in {file}."
    return [{"code": "card_incomplete", "level": "note", "sentence": sentence, "column": None, "numbers": {}}]


def _paragraphs(tokens: Iterable[Token]) -> Iterable[tuple[str, str]]:
    """Yield "field", "item" or "paragraph" with its text."""
    heading, depth = "", 0
    for token in tokens:
        if token.type == "heading_open":
            heading = token.tag
        elif token.type in ("list_item_open", "list_item_close"):
            depth += token.nesting
        elif token.type == "inline":
            kind = "field" if heading in ("h1", "h2") else "item" if depth else "paragraph"
            yield kind, _plain(token)
            heading = ""
        elif token.type in ("fence", "code_block", "html_block"):
            yield "item" if depth else "paragraph", " ".join(_COMMENT.sub("", token.content).split())


def _plain(token: Token) -> str:
    """Return the text of a paragraph without markup."""
    texts: list[str] = []
    links: list[tuple[int, str]] = []
    for child in token.children or []:
        if child.type == "link_open":
            links.append((len(texts), str(child.attrs["href"])))
        elif child.type == "link_close":
            start, address = links.pop()
            texts.append("" if "".join(texts[start:]) == address.removeprefix("mailto:") else f" ({address})")
        elif child.type in ("softbreak", "hardbreak"):
            texts.append(" ")
        else:
            texts.append(_COMMENT.sub("", child.content))
    return " ".join("".join(texts).split())
