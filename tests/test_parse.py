"""Parsing texts as numbers and dates."""

import datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from veritable.tables.typing import parse


def numbers(style: str, *texts: str | None) -> list[float] | None:
    found = parse.numbers(pa.array(texts, pa.string()), style)
    return None if found is None else found.tolist()


@pytest.mark.parametrize(
    ("style", "text", "number"),
    [
        ("plain", "12", 12.0),
        ("plain", "-1.5e-3", -0.0015),
        ("plain", "+.5", 0.5),
        ("plain", "0.5", 0.5),
        ("plain", "0", 0.0),
        ("plain", "inf", np.inf),
        ("plain", "1e999", np.inf),
        ("thousands", "1,234,567.5", 1234567.5),
        ("thousands", "12", 12.0),
        ("decimal comma", "1.234,5", 1234.5),
        ("decimal comma", "0,5", 0.5),
        ("percent", "12 %", 12.0),
        ("percent", "-0.5%", -0.5),
        *(("money $", text, 1234.5) for text in ("$1,234.50", "$ 1234.5", "1,234.50 $", "1,234.50", "+$1,234.5", "$1'234.50")),
        *(("money $", text, -1234.5) for text in ("-$1,234.50", "$-1,234.50", "($1,234.50)", "-1234.5$", "(1,234.50)")),
        *(("money $", text, 1234.0) for text in ("$1,234", "$1234")),
        *(("money €, decimal comma", text, 1234.5) for text in ("1.234,50 €", "€1.234,50", "1 234,5\u00a0€", "1234,50€")),
        ("money €, decimal comma", "1.234 €", 1234.0),
        ("money €", "€1,234", 1234.0),
        ("money CHF", "CHF 1’234.50", 1234.5),
        ("money R$, decimal comma", "R$ 0,99", 0.99),
    ],
)
def test_numbers(style: str, text: str, number: float) -> None:
    """A text is the number that a person reads, and a missing text is NaN."""
    found = numbers(style, text, None)
    assert found is not None
    assert number == found[0]
    assert np.isnan(found[1])


@pytest.mark.parametrize(
    ("style", "text"),
    [
        *(
            ("plain", text)
            for text in ("007", "00.5", "1,234", "0x10", "1_000", "nan", "NaN", "-nan", "", "abc", "12 %", "1 2")
        ),
        *(("thousands", text) for text in ("12,34", "1,2345", "1.5,3", "007", "0,123", "1e5")),
        *(("decimal comma", text) for text in ("1.5", "1,234.5", "1.2345,0")),
        *(("percent", text) for text in ("12", "%", "12 %%")),
        *(("money $", text) for text in ("€5", "US$5", "$", "$5 $5", "$007", "$1.234", "$12,34", "$1.2.3", "5 dollars", "$5k")),
        *(("money €, decimal comma", text) for text in ("€1,234", "€1,234.50", "5,00 $")),
    ],
)
def test_no_numbers(style: str, text: str) -> None:
    """If one text is not a number of the style, or has leading zeros, no text is parsed."""
    assert numbers(style, "1", text) is None


@pytest.mark.parametrize(
    ("texts", "currency"),
    [
        (["0", None, "$5", "-$1,000"], "$"),
        (["(US$5)", "7"], "US$"),
        (["12,50 zł"], "zł"),
        (["EUR 5"], "EUR"),
        (["costs $5", "5 or $6", "USDA 5", "$"], None),
        ([None], None),
    ],
)
def test_currencies_are_found(texts: list[str | None], currency: str | None) -> None:
    """A currency next to a number at an end of a text makes the styles of money possible, of this currency alone."""
    money = parse.possible_styles(pa.array(texts, pa.string()))[4:]
    assert money == ((f"money {currency}", f"money {currency}, decimal comma") if currency else ())


@given(st.decimals(-(10**9), 10**9, places=2), st.sampled_from(["$", "€", "kr"]), st.booleans(), st.booleans())
def test_money_as_written(amount: Decimal, currency: str, before: bool, comma: bool) -> None:
    """An amount is the number that was written, with either mark, before or after its currency."""
    text = f"{abs(amount):,.2f}"
    text = text.translate({44: ".", 46: ","}) if comma else text
    text = ("-" if amount < 0 else "") + (f"{currency}{text}" if before else f"{text} {currency}")
    assert numbers(f"money {currency}" + ", decimal comma" * comma, text) == [float(amount)]


@given(st.lists(st.floats(allow_nan=False)))
def test_numbers_like_python(values: list[float]) -> None:
    """A plain number is the one that Python reads, to the last bit."""
    assert values == numbers("plain", *map(repr, values))


@given(st.datetimes(datetime.datetime(1000, 1, 1), datetime.datetime(9000, 1, 1)))
def test_dates_like_python(at: datetime.datetime) -> None:
    """Every format reads the time that Python wrote with it."""
    at = at.replace(microsecond=0)
    for form in parse.DATE_FORMATS:
        text = at.isoformat() + "Z" if form == parse.ISO_ZONED else at.isoformat() if form == parse.ISO else at.strftime(form)
        text = text.replace(f" {at.year} ", f" {at.year:04} ")
        read = at if form.startswith("ISO") else datetime.datetime.strptime(text, form)
        found = parse.dates(pa.array([text]), form)
        assert found is not None, (form, text)
        assert (read - datetime.datetime(1970, 1, 1)).total_seconds() == found[0]


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("31/02/2020", "%d/%m/%Y"),
        ("30.02.2021 03:00", "%d.%m.%Y %H:%M"),
        ("Feb 29, 2021", "%b %d, %Y"),
        ("2021-02-29", parse.ISO),
        ("13/13/2020", "%d/%m/%Y"),
        ("1/2/20", "%m/%d/%Y"),
        ("1/2/2020 10:00", "%m/%d/%Y"),
        ("20200101", parse.ISO),
        ("2020-01-01T00:00:00Z", parse.ISO),
        ("2020-01-01", parse.ISO_ZONED),
        ("yesterday", parse.ISO),
    ],
)
def test_no_dates(text: str, form: str) -> None:
    """If one text is a day that does not exist, has a year of two digits or further text, no text is parsed."""
    assert parse.dates(pa.array(["2020-01-01", text]) if form == parse.ISO else pa.array([text]), form) is None


def test_zones() -> None:
    """The time zone is applied: 10:00+02:00 is 08:00 UTC."""
    found = parse.dates(pa.array(["1970-01-01T10:00:00+02:00", "1970-01-01T08:00:00Z", None]), parse.ISO_ZONED)
    assert found is not None
    assert [28800, 28800] == found[:2].tolist()
    assert np.isnan(found[2])


@pytest.mark.parametrize("kind", [pa.timestamp("s"), pa.timestamp("ms"), pa.timestamp("us"), pa.timestamp("ns", "Asia/Tokyo")])
def test_timestamps(kind: pa.DataType) -> None:
    """Arrow's dates and its timestamps of any unit and zone become seconds since 1970."""
    array = pa.array([datetime.datetime(2020, 5, 17, 12), None], pa.timestamp("s")).cast(kind)
    assert [1589716800.0] == parse.timestamps(array)[:1].tolist()
    assert np.isnan(parse.timestamps(array)[1])
    assert [86400.0, 86400.0] == [
        parse.timestamps(pa.array([datetime.date(1970, 1, 2)], each))[0] for each in (pa.date32(), pa.date64())
    ]


@pytest.mark.parametrize(
    ("array", "texts"),
    [
        (pa.array([1.0, 2.5, None, -0.0, 1e300, float("nan")]), ["1", "2.5", None, "0", "1e+300", None]),
        (pa.array([1, 2**63 - 1, None]), ["1", "9223372036854775807", None]),
        (pa.array([True, False, None]), ["true", "false", None]),
        (pa.array(["a", None, "a"]).dictionary_encode(), ["a", None, "a"]),
        (pa.array(["a"], pa.large_string()), ["a"]),
        (pa.nulls(2), [None, None]),
    ],
    ids=str,
)
def test_texts(array: pa.Array, texts: list[str | None]) -> None:
    """Values of any type become texts, whole numbers without ".0": the code 1 is "1" whatever its type."""
    assert pa.string() == parse.texts(array).type
    assert texts == parse.texts(array).to_pylist()


@pytest.mark.parametrize(
    ("array", "storage", "numbers"),
    [
        (pa.array([1, None], pa.int64()), "number", [1, np.nan]),
        (pa.array([2**64 - 1], pa.uint64()), "number", [2.0**64]),
        (pa.array([1.5], pa.float16()), "number", [1.5]),
        (pa.array(["1.25"]).cast(pa.decimal128(5, 2)), "number", [1.25]),
        (pa.array([datetime.time(1, 0)], pa.time32("s")), "number", [3600]),
        (pa.array([datetime.time(0, 0, 1)], pa.time64("us")), "number", [1e6]),
        (pa.array([datetime.timedelta(seconds=5), None], pa.duration("s")), "number", [5, np.nan]),
        (pa.array([True]), "text", None),
        (pa.array(["1"]), "text", None),
        (pa.array([0], pa.date32()), "date", None),
        (pa.array([0], pa.timestamp("us")), "date", None),
    ],
    ids=str,
)
def test_storage(array: pa.Array, storage: str, numbers: list[float] | None) -> None:
    """Arrow's types are stored as numbers, dates or texts. Times of day and durations are numbers in their unit."""
    assert storage == parse.storage_of(array.type)
    if numbers is not None:
        np.testing.assert_array_equal(numbers, parse.native_numbers(array))


def test_without_codes() -> None:
    """A number that equals a code for a missing value is NaN, however the code is written. Texts are not such codes."""
    np.testing.assert_array_equal([np.nan, 1, np.nan], parse.without(np.array([-9.0, 1.0, 99.0]), {"-9", "99.0", "-", "E"}))


@pytest.mark.parametrize(("number", "text"), [(1.0, "1"), (-3, "-3"), (0.1, "0.1"), (1e22, "1e+22"), (float("inf"), "inf")])
def test_number_text(number: float, text: str) -> None:
    """A number becomes a short label."""
    assert text == parse.number_text(number)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pd.Series([1.0, None]), [1.0, None]),
        (pd.Series(["a", None]), ["a", None]),
        (pd.Series([1, "a", None, 2.5, float("nan"), pd.NA], dtype=object), ["1", "a", None, "2.5", None, None]),
        (pd.Series(pd.Categorical(["a", None])), ["a", None]),
        (pd.Series(pd.array([1, None], dtype="Int64")), [1, None]),
    ],
    ids=str,
)
def test_from_pandas(values: pd.Series, expected: list[Any]) -> None:
    """A column of a frame becomes an Arrow array with its missing values. Mixed values become texts."""
    array = parse.from_pandas(values)
    assert isinstance(array, pa.Array)
    assert expected == array.to_pylist()
