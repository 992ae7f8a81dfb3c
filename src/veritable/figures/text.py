"""Texts of a figure: made visible, measured without a browser, and cut so that they fit whatever font the reader has."""

import re
import unicodedata

# Advance widths of the characters from " " to "~" in hundredths of the font size, of DejaVu Sans: the usual sans-serif fonts
# (Arial, Helvetica, Segoe UI, San Francisco, Roboto, Noto Sans, Cantarell) are narrower, so no text is wider than measured.
_ASCII = (
    32, 40, 46, 84, 64, 95, 78, 27, 39, 39, 50, 84, 32, 36, 32, 34, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 34, 34, 84, 84, 84,
    53, 100, 68, 69, 70, 77, 63, 58, 77, 75, 29, 29, 66, 56, 86, 75, 79, 60, 79, 69, 63, 61, 73, 68, 99, 69, 61, 69, 39, 34, 39,
    84, 50, 50, 61, 63, 55, 63, 62, 35, 63, 63, 28, 28, 58, 28, 97, 63, 61, 63, 63, 41, 52, 39, 63, 59, 82, 59, 59, 52, 64, 34,
    64, 84,
)  # fmt: skip
_JOINERS = "\u200c\u200d"  # invisible, and part of how words and emoji are written
_ISOLATES = "\u2068\u2069"  # begin and end of a text whose direction of writing must not reorder what is around it
_LONGEST = 200  # characters: a longer name is not read, and would only fill the page
_PAIR = re.compile(f"{_ISOLATES[0]}(.*){_ISOLATES[1]}( . ){_ISOLATES[0]}(.*){_ISOLATES[1]}")
FONT_SIZE = 12.0


def visible(text: str, longest: int = _LONGEST) -> str:
    r"""Return the beginning of a text, and make characters that cannot be printed or that reorder others visible.

    >>> visible("a\nb\u202e")
    'a\\nb\\u202e'
    """
    plain = "".join(
        each if each.isprintable() or each in _JOINERS + _ISOLATES else each.encode("unicode_escape").decode()
        for each in text[: longest + 1]
    )
    return f"{plain[:longest]}…" if len(plain) > longest else plain


def text_width(text: str, size: float = FONT_SIZE) -> float:
    """Return a width that the text does not exceed in usual fonts, in the unit of the font size."""
    return sum(_width(each) for each in text) * size / 100


def is_measured(text: str) -> bool:
    """Return whether the width of all characters is known; other texts must be drawn with the SVG attribute textLength."""
    return all(ord(each) < 0x250 or each in "–—…−" + _ISOLATES for each in text)


def isolate(text: str) -> str:
    """Return a text that keeps its direction of writing to itself when it becomes part of another."""
    return f"{_ISOLATES[0]}{text}{_ISOLATES[1]}"


def fit_text(text: str, width: float, size: float = FONT_SIZE) -> str:
    """Shorten a text in its middle until it fits, because names often differ only at their ends; of a pair, shorten each.

    >>> fit_text("monthly_charges_of_the_first_year", 120)
    'monthly_…rst_year'
    """
    text = visible(text, 3 * _LONGEST)
    if text_width(text, size) <= width:
        return text
    if pair := _PAIR.fullmatch(text):
        return _fit_pair(pair[1], pair[2], pair[3], width, size)
    kept = len(text) - 1
    while kept > 0:
        shortened = f"{text[: (kept + 1) // 2]}…{text[len(text) - kept // 2 :]}"
        if text_width(shortened, size) <= width:
            return shortened
        kept -= 1
    return "…"


def _fit_pair(one: str, between: str, other: str, width: float, size: float) -> str:
    """Shorten the longer text of a pair, or both to half of the room each."""
    room = width - text_width(between, size)
    longest = max(room / 2, room - text_width(other, size))
    one = fit_text(one, longest, size)
    return f"{isolate(one)}{between}{isolate(fit_text(other, room - text_width(one, size), size))}"


def _width(character: str) -> int:
    code, accent = ord(character), 0
    if 0xA0 <= code < 0x250:  # a letter with an accent is about as wide as the letter
        code, accent = ord(unicodedata.normalize("NFD", character)[0]), 10
    if 32 <= code < 127:
        return _ASCII[code - 32] + accent
    category = unicodedata.category(character)
    if category in ("Mn", "Me", "Cf"):  # accents and joiners lie over their neighbors
        return 0
    if unicodedata.east_asian_width(character) in "WF":
        return 130 if code >= 0x1F000 else 100
    return 65 if category.startswith("L") and code >= 0x250 else 110
