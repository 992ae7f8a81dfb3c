"""The contract of a table: what each column is, and how its cells are read.

The contract is written to JSON, so that a person can read it, compare it in git and overrule it. `preprocess`
and `predict` read cells with the same function, `Contract.read`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
from pydantic import AfterValidator

from veritable.stored import STRICT
from veritable.tables.reading.pseudonyms import pseudonymise
from veritable.tables.reading.source import Reading, check_new_rows
from veritable.tables.typing import parse

Type = Literal["number", "category", "boolean", "date", "identifier", "text", "constant"]
Role = Literal["feature", "target", "id", "group", "time", "weight", "part", "withheld"]
LEARNABLE = ("number", "category", "boolean", "date")
FALSE, TRUE = frozenset({"false", "no", "n", "f", "0"}), frozenset({"true", "yes", "y", "t", "1"})


@dataclass(frozen=True)
class Column:
    """One column of the table.

    Attributes
    ----------
    role
        What the column is for. One that is withheld is in no output for its values; the rows that it groups are kept together.
    used
        Whether the column is a feature of the classifier.
    form
        Style of the numbers or format of the dates, if they are written as text.
    missing
        Share of the rows without a value.
    missing_codes
        Values that stand for a missing value in this column, as text.
    minimum, maximum
        Range of the numbers, or of the dates in seconds since 1970.
    distinct
        Number of distinct values, exact below 16,384.
    categories
        Levels of a category in sorted order, if there are at most `max_categories`; the words for false and true of a boolean.
    """

    __pydantic_config__ = STRICT
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

    def __post_init__(self) -> None:
        if self.used and self.type == "number" and self.form not in ("", *parse.NUMBER_STYLES):
            raise ValueError(f"must hold a style of numbers as form of '{self.name}', but has {self.form!r:.60}")
        if self.used and self.type == "boolean" and len(self.categories) != 2:
            raise ValueError(f"must hold two words for the boolean '{self.name}', but has {len(self.categories)}")


@dataclass(frozen=True)
class Values:
    """The cells of one column, as the contract reads them.

    Attributes
    ----------
    numbers
        Numbers, dates as seconds since 1970, or booleans as 0 and 1; NaN where missing or wrong. Empty for a category.
        Shape: (n,) float64
    texts
        Levels of a category, null where missing; None for other types.
    wrong
        Whether a cell does not fit the type of the column. Such a cell counts as missing. Shape: (n,) bool
    outside
        Whether a number is outside the range of the table. It is used as it is. Shape: (n,) bool
    """

    numbers: np.ndarray
    texts: pa.DictionaryArray | None
    wrong: np.ndarray
    outside: np.ndarray

    def indexed(self, levels: pa.Array) -> np.ndarray:
        """Return the numbers, or the index of each text in `levels` (see `parse.index_texts`). Shape: (n,) float64"""
        return self.numbers if self.texts is None else parse.index_texts(self.texts, levels)


@dataclass(frozen=True)
class Contract:
    """All columns in the order of the table, the classes, and how the table is read.

    Attributes
    ----------
    classes
        Names of the classes. The positive one of two is the last.
    labels
        New names of classes, by the name in the table.
    """

    __pydantic_config__ = STRICT
    columns: tuple[Column, ...]
    target: str
    classes: tuple[str, ...]
    reading: Annotated[Reading, AfterValidator(check_new_rows)]
    labels: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = [column.name for column in self.columns]
        if self.target not in names or len(set(names)) < len(names):
            raise ValueError("must hold columns with different names, one of them the target, but does not")
        if len(set(self.classes)) < max(2, len(self.classes)):
            raise ValueError(f"must hold two or more different classes, but holds {len(self.classes)}: {self.classes!r:.60}")

    @property
    def features(self) -> tuple[Column, ...]:
        """Columns that the classifier uses."""
        return tuple(column for column in self.columns if column.used)

    def read(self, columns: Mapping[str, pa.Array], *, rows: int) -> list[Values]:
        """Read the cells of all features.

        Parameters
        ----------
        columns
            Columns by name. Other columns than features are ignored, and an absent feature counts as missing in all rows.
            Shape: (rows,) each
        """
        missing = frozenset(self.reading.missing)
        return [read_column(columns.get(each.name, pa.nulls(rows)), each, missing) for each in self.features]

    def columns_of(self, frame: pd.DataFrame, names: Iterable[str]) -> dict[str, pa.Array]:
        """Return the columns of a frame that are among `names`, with pseudonyms where the table has them.

        Raises
        ------
        TableError
            The key of the pseudonyms is not there.
        """
        columns = {name: parse.from_pandas(frame[name]) for name in names if name in frame.columns}
        return pseudonymise(columns, self.reading)

    def to_json(self) -> dict[str, Any]:
        """Return a dict of JSON types, without empty fields."""
        columns = [{key: value for key, value in asdict(each).items() if value not in ((), None, "")} for each in self.columns]
        content = {
            "classes": list(self.classes),
            "target": self.target,
            "columns": columns,
            "reading": self.reading.to_json(),
        }
        return content | ({"labels": dict(self.labels)} if self.labels else {})

    def class_code(self, text: str) -> int | None:
        """Return the code of the class that a text names; None if there is none. "1.0" names 1, and "True" names true."""
        text = self.labels.get(text, text)
        if text in self.classes:
            return self.classes.index(text)
        lowered = [name.lower() for name in self.classes]
        if set(lowered) == {"false", "true"} and text.lower() in lowered:
            return lowered.index(text.lower())
        number = parse.numbers(pa.array([text]), "plain")
        same = (
            [] if number is None else [i for i, name in enumerate(self.classes) if name == parse.number_text(float(number[0]))]
        )
        return same[0] if same else None


def read_column(array: pa.Array, column: Column, missing: frozenset[str]) -> Values:
    """Read the cells of one column, whatever type they are stored with.

    A cell that does not fit the type of the column counts as missing and is marked as wrong.

    Parameters
    ----------
    missing
        Texts that stand for a missing value in every column.
    """
    array = parse.plain_array(array)
    none = np.zeros(len(array), dtype=bool)
    if column.type == "category":
        return Values(np.empty(0), parse.clean_texts(array, missing | frozenset(column.missing_codes)), none, none)
    numbers, wrong = _read_numbers(array, column, missing)
    infinite = np.isinf(numbers)
    if infinite.any():
        numbers, wrong = np.where(infinite, np.nan, numbers), wrong | infinite
    outside = none
    if column.minimum is not None and column.maximum is not None:
        outside = (numbers < column.minimum) | (numbers > column.maximum)
    return Values(numbers, None, wrong, outside)


def _read_numbers(array: pa.Array, column: Column, missing: frozenset[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return numbers, dates or booleans as float64, and whether a cell is wrong. Shape: (n,) each"""
    fits = np.zeros(len(array), dtype=bool)
    codes = frozenset(column.missing_codes)
    storage, zero_or_one = parse.storage_of(array.type), column.type == "boolean" and column.categories == ("0", "1")
    if storage == "date" and column.type == "date":
        return parse.timestamps(array), fits
    if storage == "number" and (column.type == "number" or zero_or_one):
        numbers = parse.without(parse.native_numbers(array), codes)
        wrong = ~np.isnan(numbers) & ~np.isin(numbers, (0, 1)) if zero_or_one else fits
        return np.where(wrong, np.nan, numbers) if zero_or_one else numbers, wrong
    if column.type == "number" and column.form in ("", "plain") and (quick := parse.plain_numbers(array, missing, codes)):
        return quick[0], fits
    texts = parse.clean_texts(array, missing | codes)
    parsed = _parse(texts.dictionary, column)
    wrong = np.isnan(parsed) & texts.dictionary.is_valid().to_numpy(zero_copy_only=False)
    parsed = parse.without(parsed, codes) if column.type == "number" else parsed
    index = parse.dictionary_index(texts)
    return np.append(parsed, np.nan)[index], np.append(wrong, False)[index]


def _parse(values: pa.Array, column: Column) -> np.ndarray:
    """Return distinct texts as float64, NaN where one is missing or wrong. Shape: (n,)"""
    if column.type != "boolean":
        return _parse_each(values, column)
    truth = parse_truth(values.to_pylist(), column.categories)
    if column.categories != ("0", "1"):
        return truth
    numbers = _parse_each(values, column)  # "1.0" is 1
    return np.where(np.isnan(truth) & np.isin(numbers, (0, 1)), numbers, truth)


def _parse_each(values: pa.Array, column: Column) -> np.ndarray:
    """Parse all texts at once, or one by one if one of them is wrong. Shape: (n,)"""
    whole = _parse_all(values, column)
    if whole is not None:
        return whole
    one_by_one = (_parse_all(values.slice(i, 1), column) for i in range(len(values)))
    return np.array([np.nan if parsed is None else parsed[0] for parsed in one_by_one])


def _parse_all(values: pa.Array, column: Column) -> np.ndarray | None:
    if column.type != "date":
        return parse.numbers(values, column.form or "plain")
    forms = (column.form,) if column.form else (parse.ISO, parse.ISO_ZONED)
    return next((parsed for form in forms if (parsed := parse.dates(values, form)) is not None), None)


def parse_truth(texts: list[str | None], categories: tuple[str, ...]) -> np.ndarray:
    """Return texts as 0 and 1, NaN where a text is neither. Shape: (n,)

    The words of the column are known in any case of letters. If they are words for yes and no, so are all other such words.
    """
    known = {categories[0].lower(): 0.0, categories[1].lower(): 1.0}
    if set(known) <= FALSE | TRUE:
        known |= dict.fromkeys(FALSE, 0.0) | dict.fromkeys(TRUE, 1.0)
    return np.array([np.nan if text is None else known.get(text.lower(), np.nan) for text in texts], dtype=np.float64)
