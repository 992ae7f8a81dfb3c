"""The table contract: what each column is, so that a person can read it, diff it in git and overrule it in params.yaml,
and so that rows that come later are read exactly as the table was.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from veritable.tables.reading.table import Reading
from veritable.tables.typing import parse

Type = Literal["number", "category", "boolean", "date", "identifier", "text", "constant"]
Role = Literal["feature", "target", "id", "group", "time", "weight", "sensitive", "part"]
LEARNABLE = ("number", "category", "boolean", "date")
FALSE, TRUE = frozenset({"false", "no", "n", "f", "0"}), frozenset({"true", "yes", "y", "t", "1"})


@dataclass(frozen=True)
class Column:
    """One column of the table.

    Attributes
    ----------
    used
        Whether the classifier is fed with it.
    form
        The style of its numbers or the format of its dates, where they came as text.
    missing
        Share of rows without a value.
    missing_codes
        Values that stand for a missing one in this column, as text.
    minimum, maximum
        Of a number; of a date in seconds since 1970.
    distinct
        Different values, exact below 16,384.
    categories
        Of a category the commonest, in sorted order; of a boolean: false, true.
    """

    name: str
    type: Type
    role: Role
    used: bool
    form: str = ""
    missing: float = 0.0
    missing_codes: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    distinct: int = 0
    categories: tuple[str, ...] = ()


@dataclass(frozen=True)
class Contract:
    """All columns in the order of the table, the classes, and how the table is read.

    Attributes
    ----------
    classes
        In order; the positive one of two stands last.
    """

    columns: tuple[Column, ...]
    target: str
    classes: tuple[str, ...]
    reading: Reading

    @property
    def features(self) -> tuple[Column, ...]:
        """What the classifier is fed with."""
        return tuple(column for column in self.columns if column.used)

    def to_json(self) -> dict[str, Any]:
        """As JSON can hold it."""
        columns = [{key: value for key, value in asdict(each).items() if value not in ((), None, "")} for each in self.columns]
        return {
            "classes": list(self.classes),
            "target": self.target,
            "columns": columns,
            "reading": self.reading.to_json(),
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """What `to_json` gave."""
        tuples = ("categories", "missing_codes")
        fields: list[dict[str, Any]] = [
            {key: tuple(value) if key in tuples else value for key, value in each.items()} for each in content["columns"]
        ]
        columns = (Column(**each) for each in fields)
        return cls(tuple(columns), content["target"], tuple(content["classes"]), Reading.from_json(content["reading"]))


@dataclass(frozen=True)
class Values:
    """A column of later rows as the contract sees it.

    Attributes
    ----------
    numbers
        Of a number, date or boolean (0, 1): NaN where missing or wrong. Shape: (n,)
    texts
        Of a category: null where missing.
    wrong
        Which rows hold something that the column cannot: taken as missing. Shape: (n,)
    outside
        Which rows lie outside the range that the table had: taken as they are. Shape: (n,)
    """

    numbers: np.ndarray
    texts: pa.Array | None
    wrong: np.ndarray
    outside: np.ndarray


def conform(array: pa.Array, column: Column, missing: frozenset[str]) -> Values:
    """Read a column of later rows as the table's was read; what cannot be is taken as missing and marked as wrong.

    Parameters
    ----------
    missing
        Texts that stand for a missing value in every column.
    """
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_null(array.type):
        array = pa.nulls(len(array), pa.string())
    absent = missing | frozenset(column.missing_codes)
    none = np.zeros(len(array), dtype=bool)
    if column.type == "category":
        return Values(np.empty(0), _clean(parse.texts(array), absent), none, none)
    numbers, wrong = _numbers(array, column, absent)
    infinite = np.isinf(numbers)
    numbers = np.where(infinite, np.nan, numbers)
    outside = none
    if column.minimum is not None and column.maximum is not None:
        outside = (numbers < column.minimum) | (numbers > column.maximum)
    return Values(numbers, None, wrong | infinite, outside)


def _numbers(array: pa.Array, column: Column, absent: frozenset[str]) -> tuple[np.ndarray, np.ndarray]:
    """A number, date or boolean as float64, and which rows are none. Shape: (n,) each"""
    fine = np.zeros(len(array), dtype=bool)
    native, numeric = parse.storage_of(array.type), column.type == "boolean" and column.categories == ("0", "1")
    if native == "date" and column.type == "date":
        return parse.timestamps(array), fine
    if native == "number" and (column.type == "number" or numeric):
        numbers = parse.without(parse.native_numbers(array), column.missing_codes)
        wrong = ~np.isnan(numbers) & ~np.isin(numbers, (0, 1)) if numeric else fine
        return np.where(wrong, np.nan, numbers), wrong
    encoded = parse.texts(array).dictionary_encode()
    values = _clean(encoded.dictionary, absent)
    inverse = encoded.indices.fill_null(len(values)).to_numpy().astype(np.int64)
    parsed = np.append(_parse(values, column), np.nan)
    wrong = np.append(np.isnan(parsed[:-1]) & values.is_valid().to_numpy(zero_copy_only=False), False)
    parsed = parse.without(parsed, column.missing_codes) if column.type == "number" else parsed
    return parsed[inverse], wrong[inverse]


def _parse(values: pa.Array, column: Column) -> np.ndarray:
    """Distinct texts as float64, NaN where one is missing or wrong."""

    def parsed(some: pa.Array) -> np.ndarray | None:
        if column.type != "date":
            return parse.numbers(some, column.form or "plain")
        forms = (column.form,) if column.form else (parse.ISO, parse.ISO_ZONED)
        return next((found for form in forms if (found := parse.dates(some, form)) is not None), None)

    def each_parsed(some: pa.Array) -> np.ndarray:
        whole = parsed(some)
        if whole is not None:
            return whole
        one_by_one = (parsed(some.slice(i, 1)) for i in range(len(some)))
        return np.array([np.nan if found is None else found[0] for found in one_by_one])

    if column.type != "boolean":
        return each_parsed(values)
    said = truth(values.to_pylist(), column.categories)
    if column.categories != ("0", "1"):
        return said
    numbers = each_parsed(values)  # "1.0" is 1
    return np.where(np.isnan(said) & np.isin(numbers, (0, 1)), numbers, said)


def truth(texts: list[str | None], categories: tuple[str, ...]) -> np.ndarray:
    """Texts as 0 and 1: by the column's own words, else by anything that means yes or no; NaN where neither. Shape: (n,)"""
    known = {categories[0].lower(): 0.0, categories[1].lower(): 1.0}
    if set(known) <= FALSE | TRUE:
        known |= dict.fromkeys(FALSE, 0.0) | dict.fromkeys(TRUE, 1.0)
    return np.array([np.nan if text is None else known.get(text.lower(), np.nan) for text in texts], dtype=np.float64)


def _clean(values: pa.Array, absent: frozenset[str]) -> pa.Array:
    """Texts without blanks around them, null where they stand for a missing value."""
    trimmed = pc.utf8_trim_whitespace(values)
    return pc.if_else(pc.is_in(trimmed, pa.array(sorted(absent), pa.string())), pa.scalar(None, pa.string()), trimmed)
