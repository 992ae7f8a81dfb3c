"""Texts of figures are visible, fit, and keep their ends."""

import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veritable.figures.text import fit_text, is_measured, isolate, text_width, visible


@given(st.text(max_size=300), st.floats(15, 400))
def test_fits(text: str, width: float) -> None:
    """A shortened text is not wider than its room, and has only characters that XML and a screen can show."""
    shown = fit_text(text, width)
    assert text_width(shown) <= width
    assert all(each.isprintable() or each in "\u200c\u200d\u2068\u2069" for each in shown)


def test_keeps_both_ends() -> None:
    """Of a long text the middle is omitted, and a short one stays as it is."""
    assert ("monthly_…rst_year", "age") == (fit_text("monthly_charges_of_the_first_year", 120), fit_text("age", 120))


def test_both_of_a_pair_stay_recognizable() -> None:
    """Of two long texts that belong together, each is shortened; a short one stays whole."""
    long, short = "relationship_to_the_head", "Wife"
    one = fit_text(f"{isolate(long)} = {isolate(short)}", 120)
    both = fit_text(f"{isolate(long)} × {isolate(long)}", 150)
    assert one.endswith(f" = {isolate(short)}")
    assert one.startswith("\u2068rela")
    assert 2 == both.count("…")
    assert " × " in both
    assert text_width(both) <= 150


def test_cuts_very_long_texts_first() -> None:
    """A text of a million characters is shortened without measuring all of it."""
    assert "x" * 200 + "…" == visible("x" * 1_000_000)


def test_not_narrower_than_fonts() -> None:
    """No printable text is measured narrower than it is in DejaVu Sans, the widest of the usual fonts."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from matplotlib import ft2font, get_data_path

        font = ft2font.FT2Font(f"{get_data_path()}/fonts/ttf/DejaVuSans.ttf")
    font.set_size(100, 72)
    characters = [chr(code) for code in (*range(32, 127), *range(0xC0, 0x180))]
    widths = {each: font.load_char(ord(each)).linearHoriAdvance / 65536 for each in characters}
    assert {} == {each: width for each, width in widths.items() if text_width(each, 100) < width - 1}


@pytest.mark.parametrize(("text", "measured"), [("Größe", True), ("a…b", True), ("表", False), ("😀", False), ("שם", False)])
def test_unmeasured_texts(text: str, measured: bool) -> None:
    """Texts of scripts that fonts draw very differently are drawn with a fixed length."""
    assert measured == is_measured(text)
