"""Inferring what a column is from all of its rows."""

from typing import Any

import pyarrow as pa
import pytest

from tests.rooms import batched, data_params
from tests.sources import refusal
from veritable.progress import progress
from veritable.tables.scan import Spool, scan
from veritable.tables.typing import inference
from veritable.tables.typing.contract import Column

LONG = 60
WORDS = "the quick brown fox jumps over a lazy dog and then it sleeps for a long while under trees".split()  # noqa: SIM905


def described(values: list[Any], kind: pa.DataType | None = None, *, name: str = "x", rows: int = 7, **changes: Any) -> Column:
    """Return the column as the contract describes it, read in batches of `rows` rows."""
    table = pa.table({name: pa.array(values, kind), "target": [["a", "b"][i % 2] for i in range(len(values))]})
    params = data_params(**changes)
    with Spool() as spool:
        surveys = scan(batched(table, rows), None, params, spool, progress()).surveys
    return inference.describe(surveys[name], params, categories=100)


NUMBERS = [str(i % 7 + i % 3 / 2) for i in range(LONG)]
DAYS = [f"{1 + i % 12:02}/{1 + i % 12:02}/2020" for i in range(LONG)]


@pytest.mark.parametrize(
    ("values", "kind", "form"),
    [
        (NUMBERS, "number", "plain"),
        ([*NUMBERS, "?", " ?", "NA", None], "number", "plain"),
        ([*NUMBERS, " 3"], "number", "plain"),
        ([*NUMBERS, "oops"], "category", ""),
        ([*NUMBERS, "007"], "category", ""),
        ([*NUMBERS, "inf"], "number", "plain"),
        ([*NUMBERS, "1,234"], "number", "thousands"),
        ([*NUMBERS, "1e5", "1,234"], "category", ""),
        ([f"{i},5" for i in range(LONG)], "number", "decimal comma"),
        (["1", "2", "3", "1.234,5"] * 9, "number", "decimal comma"),
        (["1.5", "1.234,5"] * 9, "category", ""),
        ([f"{i % 9} %" for i in range(LONG)], "number", "percent"),
        (["1", *(f"{i % 9} %" for i in range(LONG))], "category", ""),
        (["01", "02", "10"] * 9, "category", ""),
        (["2020-01-01", "2020-01-02 10:00:00", None] * 9, "date", "ISO 8601"),
        (["2020-01-01T00:00:00Z", "2020-01-02T00:00:00+05:30"] * 9, "date", "ISO 8601 with zone"),
        (DAYS, "date", "%m/%d/%Y"),
        ([*DAYS, "13/02/2020"], "date", "%d/%m/%Y"),
        ([*DAYS, "02/13/2020"], "date", "%m/%d/%Y"),
        ([*DAYS, "13/02/2020", "02/13/2020"], "category", ""),
        ([*DAYS, "31/02/2020"], "category", ""),
        ([*DAYS, "soon"], "category", ""),
        (["20200101", "20200102"] * 9, "number", "plain"),
        (["yes", "no"] * 9, "boolean", ""),
        (["Y", "N", None] * 9, "boolean", ""),
        (["0", "1"] * 9, "boolean", "plain"),
        (["0", "1", "2"] * 9, "number", "plain"),
        (["yes", "no", "maybe"] * 9, "category", ""),
        (["yes", "y"] * 9, "category", ""),
        (["only"] * 9, "constant", ""),
        (["only", None] * 9, "category", ""),
        (["5"] * 9, "constant", "plain"),
        (["5", None] * 9, "number", "plain"),
        ([None] * 9, "constant", ""),
        (["?", "", " ", "NA"] * 9, "constant", ""),
        ([str(i) for i in range(LONG)], "identifier", "plain"),
        ([str(i) for i in range(19)], "number", "plain"),
        ([str(i * i) for i in range(LONG)], "number", "plain"),
        ([f"A{i}" for i in range(LONG)], "identifier", ""),
        ([" ".join(WORDS[i % 9 : i % 9 + 6]) + f" {i}" for i in range(LONG)], "text", ""),
        ([" ".join(WORDS[i % 11 : i % 11 + 6 + i % 5]) for i in range(LONG)], "text", ""),
        ([WORDS[i % 11] for i in range(LONG)], "category", ""),
    ],
)
def test_types(values: list[str | None], kind: str, form: str) -> None:
    """The type of a column of texts fits all rows, whatever the batches."""
    for rows in (1, 7, 1000):
        found = described(values, pa.string(), rows=rows)
        assert (kind, form) == (found.type, found.form)


@pytest.mark.parametrize(
    ("values", "dtype", "kind"),
    [
        ([0.5, 1.5, None] * 9, pa.float32(), "number"),
        ([0, 1] * 9, pa.int8(), "boolean"),
        ([0.0, 1.0, None] * 9, pa.float64(), "boolean"),
        ([True, False] * 9, pa.bool_(), "boolean"),
        ([0, 1000] * 9, pa.timestamp("us"), "date"),
        ([0, 1] * 9, pa.date32(), "date"),
        ([0, 1, 2] * 9, pa.time32("s"), "number"),
        ([0, 1, 2] * 9, pa.duration("us"), "number"),
        ([None] * 9, pa.null(), "constant"),
        (list(range(LONG)), pa.int64(), "identifier"),
        (["a", "b"] * 9, pa.dictionary(pa.int8(), pa.string()), "category"),
        (["1", "2", "3"] * 9, pa.large_string(), "number"),
    ],
    ids=str,
)
def test_native_types(values: list[Any], dtype: pa.DataType, kind: str) -> None:
    """A column with a type has that type, except for 0 and 1, and for numbers that count the rows."""
    assert kind == described(values, dtype).type


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *((name, "identifier") for name in ("id", "ID", "customer_id", "customerID", "userId", "Invoice No", "row number")),
        *((name, "number") for name in ("x", "paid", "grid", "volume", "no of rooms", "identity")),
    ],
)
def test_identifier_by_name(name: str, kind: str) -> None:
    """Distinct whole numbers are an identifier if the name of the column says so."""
    assert kind == described([str(i * i * 7 % 1009) for i in range(LONG)], name=name).type


def test_numbers_with_gaps_or_repeats_are_no_identifier() -> None:
    """Whole numbers with gaps, in descending order, or with repeats are numbers."""
    for values in (
        [*map(str, range(30)), None, *map(str, range(30, 50))],
        [*map(str, range(30))][::-1],
        [*map(str, range(30))] * 2,
    ):
        assert "number" == described(values).type


@pytest.mark.parametrize(
    ("declared", "values", "kind", "used"),
    [
        ("category", ["1", "2", "1"] * 9, "category", True),
        ("number", ["0", "1", "0"] * 9, "number", True),
        ("boolean", ["M", "F"] * 9, "boolean", True),
        ("identifier", ["a", "b"] * 9, "identifier", False),
        ("text", ["a", "b"] * 9, "text", False),
        ("constant", ["a", "b"] * 9, "constant", False),
        ("date", ["01/02/2020", "13/02/2020"] * 9, "date", True),
        ("%d-%m-%y", ["01-02-20", "13-02-20"] * 9, "date", True),
    ],
)
def test_declared(declared: str, values: list[str], kind: str, used: bool) -> None:
    """A declared type overrules the values."""
    found = described(values, types={"x": declared})
    assert (kind, used) == (found.type, found.used)


def test_integer_codes_declared_a_category() -> None:
    """The levels of codes that are stored as integers or floats are written as a person would."""
    for dtype in (pa.int64(), pa.float64()):
        assert ("1", "2", "30") == described([1, 2, 30] * 9, dtype, types={"x": "category"}).categories


@pytest.mark.parametrize(
    ("declared", "values", "words"),
    [
        ("number", [*["1"] * 23, "abc"], "column 'x' must hold numbers, but row 24 has 'abc'. Correct the table"),
        ("number", ["1", "1.5", "1.234,5"], "column 'x' must hold numbers of one form, but holds several forms"),
        ("date", [*["2020-01-01"] * 23, "gestern"], "must hold dates of the format 'ISO 8601', but row 24 has 'gestern'"),
        ("%d.%m.%Y", ["1.2.2020", " 2020-01-01"], "must hold dates of the format '%d.%m.%Y', but row 2 has '2020-01-01'"),
        ("%Q", ["1.2.2020"], "must hold dates of the format '%Q', but row 1 has '1.2.2020'"),
    ],
)
def test_declared_in_vain(declared: str, values: list[str], words: str) -> None:
    """A value that does not fit the declared type raises an error with its row, whatever the batches."""
    for rows in (1, 5, 1000):
        assert words in refusal(lambda: described(values, types={"x": declared}, rows=rows))  # noqa: B023


def test_missing_codes() -> None:
    """The codes of a column are missing values, as texts, and as numbers however they are written."""
    found = described(["-9", "-9.0", "1", "2.5"] * 9, missing_codes={"x": [-9]})
    assert (0.5, 1.0, 2.5, ("-9",)) == (found.missing, found.minimum, found.maximum, found.missing_codes)
    assert 0.5 == described([-9.0, 1.0] * 9, missing_codes={"x": [-9]}).missing
    assert ("red",) == described(["red", "refused"] * 9, missing_codes={"x": ["refused"]}).categories
    assert 0 == described(["-9", "1", "2.5"] * 9).missing


def test_missing_tokens() -> None:
    """Only the texts of data.missing stand for missing values."""
    found = described(["-", "1", "2"] * 9, missing=["-"])
    assert ("number", 0.333333) == (found.type, found.missing)
    assert "category" == described(["NA", "1", "2"] * 9, missing=[""]).type


@pytest.mark.parametrize("rows", [1, 4, 100])
def test_a_number_that_is_a_missing_token(rows: int) -> None:
    """A number that stands for a missing value in every column is missing, although it could be parsed with the others."""
    found = described(["9", "1", "9.0", "2"] * 9, missing=["", "9"], rows=rows)
    assert ("number", 0.25, 1.0, 9.0) == (found.type, found.missing, found.minimum, found.maximum)


@pytest.mark.parametrize(
    ("role", "used"), [("id", False), ("group", False), ("time", False), ("weight", False), ("part", False), ("drop", True)]
)
def test_roles(role: str, used: bool) -> None:
    """A column with a role is not a feature."""
    values = ["1", "2", "3", "5"] * 9
    changes = {role: "x"} if role != "drop" else {}
    found = described(values, **changes)
    assert (role if changes else "feature", used) == (found.role, found.used)


def test_sensitive() -> None:
    """A sensitive column is a feature unless it is withheld."""
    for withheld in (False, True):
        found = described(["f", "m", "d"] * 9, sensitive=["x"], withhold=["x"] if withheld else [])
        assert ("withheld" if withheld else "feature", not withheld) == (found.role, found.used)


@pytest.mark.parametrize(
    ("values", "categories"),
    [(["no", "yes"], ("no", "yes")), (["T", "F"], ("F", "T")), (["1", "0"], ("0", "1")), (["f", "t", None], ("f", "t"))],
)
def test_no_comes_before_yes(values: list[str | None], categories: tuple[str, str]) -> None:
    """The first category of a boolean is the word for no, or the first in alphabetical order if there is none."""
    assert categories == described(values * 9, pa.string()).categories
    assert ("F", "M") == described(["M", "F"], types={"x": "boolean"}).categories
    assert ("false", "yes") == described(["yes", "yes"], types={"x": "boolean"}).categories


def test_range_and_counts() -> None:
    """The contract holds the range, the missing share and the distinct values of a number."""
    found = described(["3", "1.5", None, "3"] * 5)
    assert (1.5, 3.0, 0.25, 2) == (found.minimum, found.maximum, found.missing, found.distinct)


def test_names_that_no_column_has() -> None:
    """A role, type or code of a column that does not exist raises an error with the existing names."""
    for changes in ({"id": "y"}, {"types": {"y": "number"}}, {"missing_codes": {"y": [1]}}, {"sensitive": ["y"]}):
        said = refusal(lambda: described(["1", "2"], **changes))  # noqa: B023
        assert "must name a column of the table, but names 'y'. The columns are: 'x', 'target'." in said
