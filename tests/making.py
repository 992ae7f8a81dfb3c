"""Hypothesis strategies for tables: texts as in a CSV file, and columns of Arrow's types."""

import datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from tests.rooms import HOSTILE

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6) | st.sampled_from(HOSTILE)
NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8).map(str.strip).filter(bool)
NAMES |= st.sampled_from([*HOSTILE, "id", "row", "y", "(row)", "(class)", "x (missing)", "a.b"])
ABSENT = st.sampled_from(["", "?", " ?", "NA", "nan", "  ", "null"])
DATES = st.datetimes(datetime.datetime(1930, 1, 1), datetime.datetime(2060, 1, 1))
KINDS: list[st.SearchStrategy[str]] = [
    st.integers(-50, 50).map(str),
    st.integers().map(str),
    st.integers(0, 40).map("{:03}".format),
    st.floats(-1e6, 1e6).map(repr),
    st.floats().map(repr),
    st.floats(0, 1e7).map("{:,.2f}".format),
    st.integers(0, 10**7).map("{:,}".format),
    st.floats(0, 1e4).map("{:.1f}".format).map(lambda text: text.replace(".", ",")),
    st.integers(0, 100).map("{} %".format),
    st.sampled_from(["0", "1"]),
    st.sampled_from(["0.0", "1.0"]),
    st.sampled_from(["0", "1", "1.0", " 1", "1e0"]),
    st.sampled_from(["-9", "-9.0", "3", "4.5"]),
    st.sampled_from(["yes", "no"]),
    st.sampled_from(["Yes", "yes", "no"]),
    st.sampled_from(["t", "F", "T"]),
    st.sampled_from(["red", "green", " green", "blue "]),
    DATES.map(lambda at: at.date().isoformat()),
    DATES.map(str),
    DATES.map("{:%Y-%m-%d %H:%M}".format),
    DATES.map("{:%Y-%m-%dT%H:%M:%SZ}".format),
    DATES.map("{:%d/%m/%Y}".format),
    DATES.map("{:%m/%d/%Y %I:%M %p}".format),
    DATES.map("{:%d %B %Y}".format),
    TEXTS,
]


@st.composite
def text_tables(draw: st.DrawFn) -> dict[str, list[str]]:
    """Draw columns of texts, some of two kinds, with missing values and unusual names; the last column is the target."""
    rows = draw(st.integers(1, 30))
    table: dict[str, list[str]] = {}
    for name in draw(st.lists(NAMES, min_size=1, max_size=4, unique=True)):
        kind = draw(st.sampled_from(KINDS))
        if draw(st.integers(0, 3)) == 0:
            kind |= draw(st.sampled_from(KINDS))
        few = draw(st.lists(kind, min_size=1, max_size=rows))
        values = [*few, *draw(st.lists(st.sampled_from(few), min_size=rows - len(few), max_size=rows - len(few)))]
        if draw(st.booleans()):
            gaps = draw(st.lists(st.none() | ABSENT, min_size=rows, max_size=rows))
            values = [value if gap is None else gap for value, gap in zip(values, gaps, strict=True)]
        table[name] = values
    target = draw(st.sampled_from([["a", "b"], ["a", "b"], ["0", "1", "2"], ["yes", "no", ""], ["1", "1.0"], ["a"]]))
    table["the target"] = draw(st.lists(st.sampled_from(target), min_size=rows, max_size=rows))
    return table


NATIVE: list[tuple[pa.DataType, st.SearchStrategy[Any]]] = [
    (pa.float64(), st.floats()),
    (pa.float32(), st.floats(width=32)),
    (pa.float16(), st.floats(width=16)),
    (pa.float64(), st.sampled_from([0.0, 1.0])),
    (pa.float64(), st.sampled_from([-9.0, 1.5, 2.0])),
    (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    (pa.uint64(), st.integers(0, 2**64 - 1)),
    (pa.int8(), st.integers(0, 1)),
    (pa.int32(), st.integers(-5, 5)),
    (pa.bool_(), st.booleans()),
    (pa.string(), TEXTS),
    (pa.large_string(), st.sampled_from(["1", "2", "?"])),
    (pa.dictionary(pa.int32(), pa.string()), st.sampled_from(["p", "q", " q"])),
    (pa.date32(), DATES.map(datetime.datetime.date)),
    (pa.timestamp("us"), DATES),
    (pa.timestamp("ns", "Europe/Berlin"), DATES),
    (pa.timestamp("s"), DATES.map(lambda at: at.replace(microsecond=0))),
    (pa.decimal128(12, 2), st.decimals(-1000, 1000, places=2)),
    (pa.decimal128(5, 2), st.sampled_from([Decimal("0.00"), Decimal("1.00")])),
    (pa.time32("s"), st.times().map(lambda at: at.replace(microsecond=0))),
    (pa.time64("us"), st.times()),
    (pa.duration("us"), st.timedeltas(datetime.timedelta(-99), datetime.timedelta(99))),
    (pa.null(), st.none()),
]


@st.composite
def native_tables(draw: st.DrawFn) -> pa.Table:
    """Draw columns of Arrow's types, with missing values and unusual names; the last column is the target."""
    rows = draw(st.integers(1, 30))
    columns: dict[str, pa.Array] = {}
    for name in draw(st.lists(NAMES, min_size=1, max_size=4, unique=True)):
        kind, value = draw(st.sampled_from(NATIVE))
        value = st.none() | value if draw(st.booleans()) else value
        columns[name] = pa.array(draw(st.lists(value, min_size=rows, max_size=rows)), kind)
    target = draw(st.sampled_from([["a", "b"], [0, 1], [True, False, None], [1.5, 2.5]]))
    columns["the target"] = pa.array(draw(st.lists(st.sampled_from(target), min_size=rows, max_size=rows)))
    return pa.table(columns)
