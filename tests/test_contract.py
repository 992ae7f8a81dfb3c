"""The contract as JSON, and how it reads cells."""

import datetime
import json
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from tests.rooms import mixed_table, prepare_frame
from veritable.stored import parse_json
from veritable.tables.typing.contract import Column, Contract, read_column

MISSING = frozenset({"", "?"})
NUMBER = Column("x", "number", "feature", True, form="plain", missing_codes=("-9",), minimum=0.0, maximum=10.0)
DATE = Column("x", "date", "feature", True, form="%d/%m/%Y")


def read(column: Column, values: Any, kind: pa.DataType | None = None) -> tuple[list[float], list[bool], list[bool]]:
    """Return numbers, with -1 for NaN, and whether they are wrong and outside."""
    found = read_column(pa.array(values, kind), column, MISSING)
    return np.nan_to_num(found.numbers, nan=-1).tolist(), found.wrong.tolist(), found.outside.tolist()


def test_json_round_trip() -> None:
    """A contract from JSON is equal, and its JSON has no empty fields."""
    done = prepare_frame(mixed_table(), missing_codes={"age": [-9]}, id="score", types={"member": "category"})
    text = json.dumps(done.contract.to_json(), allow_nan=False)
    written = json.loads(text)
    assert done.contract == parse_json(Contract, text.encode())
    colour = next(each for each in written["columns"] if each["name"] == "colour")
    assert ["name", "type", "role", "used", "missing", "distinct", "categories"] == list(colour)
    assert ["blue", "green", "red"] == colour["categories"]
    assert ["age", "colour", "member"] == [each.name for each in done.contract.features]


def test_numbers() -> None:
    """Texts and numbers of any type are read alike. Codes and texts for missing values are missing, other texts are wrong."""
    texts = ["1", " 2.5", "?", None, "-9", "-9.0", "abc", "1,5", "11", "007", "inf"]
    numbers = [1, 2.5, -1, -1, -1, -1, -1, -1, 11, -1, -1]
    wrong = [text in ("abc", "1,5", "007", "inf") for text in texts]
    outside = [text == "11" for text in texts]
    assert (numbers, wrong, outside) == read(NUMBER, texts)
    assert ([1, 2.5, -1, -1, -1, 11], [False, False, False, False, True, False], [*[False] * 5, True]) == read(
        NUMBER, [1.0, 2.5, None, -9.0, np.inf, 11.0]
    )
    assert ([1, -1, 11], [False] * 3, [False, False, True]) == read(NUMBER, [1, -9, 11], pa.int8())
    assert ([-1, -1], [True, True], [False, False]) == read(NUMBER, [True, False])
    assert ([-1], [True], [False]) == read(NUMBER, [datetime.date(2020, 1, 1)])
    assert ([3], [False], [False]) == read(NUMBER, pa.array(["3"]).dictionary_encode())


@pytest.mark.parametrize(
    ("form", "text", "number"),
    [("thousands", "1,234", 1234.0), ("decimal comma", "1.234,5", 1234.5), ("percent", "5 %", 5.0), ("money $", "$5", 5.0)],
)
def test_styles(form: str, text: str, number: float) -> None:
    """A text is read in the style of the column, and a stored number is a number."""
    column = Column("x", "number", "feature", True, form=form)
    assert ([number, -1.0], [False, True], [False, False]) == read(column, [text, "1e5x"])
    assert ([1.5], [False], [False]) == read(column, [1.5])


def test_dates() -> None:
    """Texts are read in the format of the column, and stored dates of any type are dates."""
    day = pd.Timestamp("2020-02-01").timestamp()
    assert ([day, -1, -1, -1], [False, False, True, True], [False] * 4) == read(
        DATE, ["01/02/2020", None, "2020-02-01", "31/02/2020"]
    )
    assert ([day], [False], [False]) == read(DATE, [datetime.date(2020, 2, 1)])
    assert ([day], [False], [False]) == read(DATE, [pd.Timestamp("2020-02-01T01:00", tz="Europe/Berlin")])
    unwritten = Column("x", "date", "feature", True)
    assert ([day, day], [False, False], [False, False]) == read(unwritten, ["2020-02-01", "2020-02-01T00:00:00Z"])
    assert ([-1.0], [True], [False]) == read(DATE, [5])


def test_booleans() -> None:
    """The words of a boolean are read in any case. If they mean yes and no, so are all such words. 1.0 is 1 for a number."""
    own = Column("x", "boolean", "feature", True, categories=("F", "M"))
    assert ([0, 1, 1, -1, -1], [False, False, False, True, False], [False] * 5) == read(own, ["F", "M", " m", "x", "?"])
    yes = Column("x", "boolean", "feature", True, categories=("no", "yes"))
    assert ([1, 0, 1, 0, -1], [False] * 4 + [True], [False] * 5) == read(yes, ["TRUE", "n", "1", "no", "2"])
    assert ([1, 0], [False, False], [False, False]) == read(yes, [True, False])
    stored = Column("x", "boolean", "feature", True, form="plain", categories=("0", "1"), minimum=0.0, maximum=1.0)
    assert ([0, 1, 1, 1, -1], [False] * 4 + [True], [False] * 5) == read(stored, ["0.0", "1.0", "1e0", "yes", "2"])
    assert ([0, 1, -1, -1], [False, False, True, False], [False] * 4) == read(stored, [0.0, 1.0, 2.0, None])
    assert ([1], [False], [False]) == read(stored, [True])


def test_categories() -> None:
    """A category is read as texts without blanks, whatever its type, and null where missing."""
    column = Column("x", "category", "feature", True, missing_codes=("-9",))
    found = read_column(pa.array([" a", "?", "-9", None, "b "]), column, MISSING)
    assert found.texts is not None
    assert ["a", None, None, None, "b"] == found.texts.to_pylist()
    for values in ([1.0, -9.0, None], pa.array([1, -9, None], pa.int8())):
        found = read_column(pa.array(values), column, MISSING)
        assert found.texts is not None
        assert ["1", None, None] == found.texts.to_pylist()


def test_no_rows() -> None:
    """An empty column is read as empty, and a column of nulls as missing."""
    for column in (NUMBER, DATE, Column("x", "boolean", "feature", True, categories=("no", "yes"))):
        assert ([], [], []) == read(column, [], pa.string())
        assert ([-1, -1], [False, False], [False, False]) == read(column, [None, None], pa.null())
