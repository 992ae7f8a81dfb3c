"""Parse texts as numbers and dates, and convert Arrow arrays.

The parsers take an Arrow array of texts without blanks around them, null where missing. They return float64, NaN where
missing, or None if a text does not have the expected form.
"""

import re
from collections.abc import Collection
from datetime import datetime
from functools import cache
from typing import Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

Storage = Literal["number", "date", "text"]

_CURRENCIES = (
    *("US$", "R$", "A$", "C$", "$", "€", "£", "¥", "₹", "₩", "₽", "₺", "₪", "₫", "₦", "₴", "₱", "฿"),
    *("USD", "EUR", "GBP", "JPY", "CHF", "CAD", "AUD", "CNY", "INR", "BRL", "MXN", "ZAR", "SEK", "NOK", "DKK", "PLN", "CZK"),
    *("kr", "zł", "Kč"),
)
_MONEY = {f"money {currency}{comma}": currency for currency in _CURRENCIES for comma in ("", ", decimal comma")}
_WRITTEN = ("plain", "thousands", "decimal comma", "percent")  # "1234.5", "1,234.5", "1.234,5", "12 %"
NUMBER_STYLES = (*_WRITTEN, *_MONEY)  # "money €, decimal comma": "1.234,50 €"
_SPACE = r"[\s\x{a0}\x{202f}]"  # a blank, also one at which a line does not break
_STYLE_PATTERNS = {  # regular expressions (RE2) for a whole text
    "thousands": r"^[+-]?(\d{1,3}(,\d{3})+|\d+)(\.\d+)?$",
    "decimal comma": r"^[+-]?(\d{1,3}(\.\d{3})+|\d+)(,\d+)?$",
    "percent": r"^[+-]?\d+(\.\d+)?\s*%$",
}
_AMOUNTS = {  # what follows the mark is a decimal part unless it has three digits: "€1.234" is a thousand and more
    ".": rf"^-?(\d{{1,3}}([,'’]|{_SPACE})\d{{3}}(([,'’]|{_SPACE})\d{{3}})*|\d+)(\.(\d{{1,2}}|\d{{4,}}))?$",
    ",": rf"^-?(\d{{1,3}}([.'’]|{_SPACE})\d{{3}}(([.'’]|{_SPACE})\d{{3}})*|\d+)(,(\d{{1,2}}|\d{{4,}}))?$",
}
_CLOCKS = ("", " %H:%M:%S", " %H:%M", " %I:%M:%S %p", " %I:%M %p")
_DAYS = (
    "%m/%d/%Y",
    "%d/%m/%Y",
    "%d.%m.%Y",
    "%Y/%m/%d",
    "%d-%m-%Y",
    "%d %b %Y",
    "%b %d, %Y",
    "%d-%b-%Y",
    "%d %B %Y",
    "%B %d, %Y",
)
ISO, ISO_ZONED = "ISO 8601", "ISO 8601 with zone"  # 2026-11-24, 2026-11-24 10:00:00, also followed by Z or +02:00
DATE_FORMATS = (ISO, ISO_ZONED, *(day + clock for day in _DAYS for clock in _CLOCKS))
_EARLIEST = -30610224000.0  # year 1000: "01/02/20" is not a date in the year 20
_HEAD = 16
_MICROSECONDS = 1_000_000


def possible_styles(values: pa.Array) -> tuple[str, ...]:
    """Return the styles in which texts may be written: those of money only if one of the texts has a currency."""
    any_currency = "|".join(re.escape(each) for each in _CURRENCIES)
    pattern = rf"(?:^[(+-]?{_SPACE}*(?P<before>{any_currency})[+-]?{_SPACE}*\d)|(?:\d{_SPACE}*(?P<after>{any_currency})\)?$)"
    found = pc.extract_regex(values, pattern).drop_null()
    if not len(found):
        return _WRITTEN
    first = found[0].as_py()
    return (*_WRITTEN, *(style for style, currency in _MONEY.items() if currency == (first["before"] or first["after"])))


def numbers(values: pa.Array, style: str) -> np.ndarray | None:
    """Parse texts as numbers. Return None if one is not a number of this style or has leading zeros: "007" is a code.

    Shape: (n,)
    """
    if style in _MONEY:
        values, mark = _amounts(values, _MONEY[style]), "," if style.endswith("comma") else "."
        if not _all(pc.match_substring_regex(values, _AMOUNTS[mark])):
            return None
        values = pc.replace_substring(pc.replace_substring_regex(values, rf"[^\d{mark}-]", ""), ",", ".")
    elif style != "plain":
        if not _all(pc.match_substring_regex(values, _STYLE_PATTERNS[style])):
            return None
        if style == "decimal comma":
            values = pc.replace_substring(pc.replace_substring(values, ".", ""), ",", ".")
        else:
            values = pc.replace_substring_regex(values, r"[,%\s]", "")
    try:
        parsed = pc.cast(values, pa.float64())
    except pa.ArrowInvalid:
        return None
    zeros = pc.starts_with(values, "0")
    if pc.any(zeros).as_py() and pc.any(pc.match_substring_regex(values.filter(zeros), r"^0\d")).as_py():
        return None
    out = parsed.to_numpy(zero_copy_only=False)
    return None if np.isnan(out).sum() > values.null_count else out  # the text "nan" is not a number


def _amounts(values: pa.Array, currency: str) -> pa.Array:
    """Return amounts of money without their currency. A minus comes first, also for an amount in parentheses."""
    sign, space = re.escape(currency), f"{_SPACE}*"
    values = pc.replace_substring_regex(values, r"^\((.*)\)$", r"-\1")
    values = pc.replace_substring_regex(values, rf"^([+-]?){space}{sign}([+-]?){space}(\d.*)$", r"\1\2\3")
    values = pc.replace_substring_regex(values, rf"^(.*\d){space}{sign}$", r"\1")
    return pc.replace_substring_regex(values, r"^\+", "")


def dates(values: pa.Array, form: str) -> np.ndarray | None:
    """Parse texts as seconds since 1970-01-01, in UTC if they have no time zone. Shape: (n,)

    Parameters
    ----------
    form
        One of DATE_FORMATS or another strptime format.
    """
    if len(values) > _HEAD and dates(values[:_HEAD], form) is None:  # most formats do not fit the first texts
        return None
    try:
        if form in (ISO, ISO_ZONED):
            parsed = pc.cast(values, pa.timestamp("us", "UTC" if form == ISO_ZONED else None))
        else:
            parsed = pc.strptime(values, format=form, unit="us", error_is_null=True)
    except pa.ArrowInvalid:
        return None
    if parsed.null_count > values.null_count:
        return None
    if form not in (ISO, ISO_ZONED) and not _exist(values, parsed, form):
        return None
    seconds = timestamps(parsed)
    return None if (seconds < _EARLIEST).any() else seconds


def timestamps(values: pa.Array) -> np.ndarray:
    """Return the dates or timestamps of an Arrow array as seconds since 1970-01-01. Shape: (n,)"""
    zone = "UTC" if getattr(values.type, "tz", None) else None
    micros = pc.cast(pc.cast(values, pa.timestamp("us", zone), safe=False), pa.int64())
    return np.asarray(pc.cast(micros, pa.float64(), safe=False).to_numpy(zero_copy_only=False) / _MICROSECONDS)


def _exist(values: pa.Array, parsed: pa.Array, form: str) -> bool:
    """Return whether all dates exist. strptime reads February 30th as March 1st or 2nd, so check the first days of months."""
    late = pc.match_substring_regex(values, r"(^|\D)(29|30|31)(\D|$)")
    suspects = pc.fill_null(pc.and_(pc.less_equal(pc.day(parsed), 3), late), False)
    return all(_exists(text, form) for text in values.filter(suspects).to_pylist())


def _exists(text: str, form: str) -> bool:
    for each in (form, form.replace("%B", "%b"), form.replace("%b", "%B")):
        try:
            datetime.strptime(text, each)
        except ValueError:
            continue
        return True
    return False


def looks_like_date(text: str) -> bool:
    """Return whether a text may be a date. All formats are at least as long, and have a digit and one of these separators."""
    return len(text) >= 8 and any(c.isdigit() for c in text) and any(c in "-/. " for c in text)


def storage_of(kind: pa.DataType) -> Storage:
    """Return how values of an Arrow type are stored. Booleans count as texts, times of day and durations as numbers."""
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return "date"
    numeric = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    return "number" if numeric or pa.types.is_time(kind) or pa.types.is_duration(kind) else "text"


def native_numbers(array: pa.Array) -> np.ndarray:
    """Return an array of stored numbers as float64, NaN where missing. Shape: (n,)"""
    if pa.types.is_temporal(array.type):
        array = pc.cast(array, pa.int32() if array.type.bit_width == 32 else pa.int64())
    return np.asarray(pc.cast(array, pa.float64(), safe=False).to_numpy(zero_copy_only=False))


def without(values: np.ndarray, codes: Collection[str]) -> np.ndarray:
    """Return the numbers, with NaN for each that equals a code for a missing value. Shape: (n,)"""
    known = [parsed[0] for code in codes if (parsed := numbers(pa.array([code]), "plain")) is not None]
    return np.where(np.isin(values, known), np.nan, values) if known else values


def number_text(number: float) -> str:
    """Return a number as a label: 1.0 is "1"."""
    return str(int(number)) if float(number).is_integer() and abs(number) < 2**63 else repr(float(number))


def date_text(seconds: float) -> str:
    """Return seconds since 1970 as a label: the day, and the time unless it is midnight."""
    moment = np.datetime64(int(seconds), "s")
    return str(np.datetime_as_string(moment, unit="D" if seconds % 86400 == 0 else "m"))


def texts(array: pa.Array) -> pa.Array:
    """Return an array of single values as texts: whole numbers without ".0", booleans as "true" and "false"."""
    kind = array.type
    if pa.types.is_dictionary(kind):
        array = array.dictionary_decode()
        return texts(array)
    if pa.types.is_string(kind):
        return array
    if pa.types.is_floating(kind):
        numbers = array.to_numpy(zero_copy_only=False).astype(np.float64)
        unique, inverse = np.unique(numbers, return_inverse=True)
        labels = np.array([None if np.isnan(each) else number_text(each) for each in unique.tolist()], dtype=object)
        return pa.array(labels[inverse], pa.string())
    return pc.cast(array, pa.string())


def plain_array(array: pa.Array) -> pa.Array:
    """Return the array without Arrow's special types: nulls as texts, and only texts in a dictionary."""
    kind = array.type
    if pa.types.is_null(kind):
        return pa.nulls(len(array), pa.string())
    return array.dictionary_decode() if pa.types.is_dictionary(kind) and not pa.types.is_string(kind.value_type) else array


def clean_texts(array: pa.Array, absent: Collection[str]) -> pa.DictionaryArray:
    """Return the texts without blanks around them. The dictionary holds null for each text of `absent`."""
    encoded = array if pa.types.is_dictionary(array.type) else texts(array).dictionary_encode()
    trimmed = pc.utf8_trim_whitespace(encoded.dictionary)
    gaps = pc.is_in(trimmed, pa.array(sorted(absent), pa.string()))
    return pa.DictionaryArray.from_arrays(encoded.indices, pc.if_else(gaps, pa.scalar(None, pa.string()), trimmed))


def dictionary_index(texts: pa.DictionaryArray) -> np.ndarray:
    """Return the place of each cell in the dictionary, or the length of the dictionary for a null. Shape: (n,) int64"""
    return np.asarray(texts.indices.cast(pa.int64()).fill_null(len(texts.dictionary)).to_numpy())


def index_texts(texts: pa.DictionaryArray, levels: pa.Array) -> np.ndarray:
    """Return the index of each text in `levels`, -1 if it is not one of them, NaN if it is missing. Shape: (n,) float64"""
    index = pc.index_in(texts.dictionary, levels).fill_null(-1).to_numpy().astype(np.float64)
    index[texts.dictionary.is_null().to_numpy(zero_copy_only=False)] = np.nan
    return np.asarray(np.append(index, np.nan)[dictionary_index(texts)])


def plain_numbers(
    array: pa.Array, missing: frozenset[str], codes: frozenset[str], *, gaps: bool = True
) -> tuple[np.ndarray, pa.Array | None] | None:
    """Read texts that are all plain numbers or missing, without looking at each distinct text.

    Parameters
    ----------
    missing, codes
        Texts that stand for a missing value in every column, and in this one. A number that equals a code is missing too.
    gaps
        Whether to look for such texts. Without it, only a null is missing.

    Returns
    -------
    Numbers and the mask of the texts that stand for a missing value, None if there is none. Shape: (n,) float64, (n,) bool.
    None if there are other texts.
    """
    if not pa.types.is_string(array.type) or _has_number(missing):
        return None
    parsed, mask = numbers(array, "plain"), None
    if parsed is None and gaps:
        absent = missing | codes
        mask = pc.is_in(array, pa.array(sorted(absent | {f" {text}" for text in absent}), pa.string()))  # as in "1, ?"
        mask = pc.and_(mask, pc.is_valid(array))
        parsed = numbers(pc.if_else(mask, pa.scalar(None, pa.string()), array), "plain")
    return None if parsed is None else (without(parsed, codes), mask)


@cache
def _has_number(missing: frozenset[str]) -> bool:
    """Return whether a text that stands for a missing value is a number: then "9" is missing, but "9.0" is not."""
    return any(numbers(pa.array([text]), "plain") is not None for text in missing)


def from_pandas(values: pd.Series) -> pa.Array:
    """Return a column of a frame as an Arrow array. A column of mixed types becomes texts."""
    try:
        array = pa.Array.from_pandas(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
        array = pa.array([None if _absent(each) else str(each) for each in values], pa.string())
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def _absent(value: object) -> bool:
    return value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and value != value)


def _all(mask: pa.Array) -> bool:
    return pc.all(mask, min_count=0).as_py() is not False
