"""What each column of a table holds, measured batch by batch over all rows.

The first rows suggest the form of a column: numbers, dates or texts, and the style in which they are written. All rows must
confirm it. If a later row does not, the column is marked as changed, and it is measured again with what is known by then.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from veritable.tables.errors import TableError
from veritable.tables.splitting import hashing
from veritable.tables.typing import parse
from veritable.tables.typing.contract import Column, Type, read_column
from veritable.tables.typing.parse import Storage
from veritable.tables.typing.sketch import Sketch

MAX_LEVELS = 100_000  # levels that are told apart in one column; later ones are one level
OTHER = -1.0  # index of such a level
_RISES_PER_FALL = 20  # in a column that is in ascending order
_EXACT = 2.0**53  # larger whole numbers are rounded in float64
LARGEST = 1e150  # the square of a larger number, which a standard deviation needs, may not fit in a float64


@dataclass(frozen=True)
class Form:
    """How a column is stored, and the style of numbers or the format of dates in which its texts are written."""

    storage: Storage
    style: str = ""


PLAIN = Form("number", "plain")


@dataclass
class ColumnSurvey:
    """Measures one column.

    Attributes
    ----------
    missing
        Texts that stand for a missing value in every column.
    codes
        Values that stand for a missing value in this column, as text.
    labels
        New names of texts. Texts with the same new name are one level.
    form
        Form of the values; None before the first value.
    fixed
        Whether `form` was declared. A value that does not fit is then an error.
    changed
        Whether `form` changed after the first rows, so that the column must be measured again.
    """

    name: str
    missing: frozenset[str] = frozenset({""})
    codes: frozenset[str] = frozenset()
    labels: Mapping[str, str] = field(default_factory=dict)
    form: Form | None = None
    fixed: bool = False
    changed: bool = False
    n_changes: int = 0
    rows: int = 0
    present: int = 0
    infinite: int = 0
    rounded: int = 0
    minimum: float = np.inf
    maximum: float = -np.inf
    whole: bool = True
    binary: bool = True
    falls: int = 0
    rises: int = 0
    steps: bool = True
    last: float | None = None
    ambiguous: bool = False
    levels: dict[str, int] = field(default_factory=dict)
    overflow: bool = False
    words: int = 0
    tokens: Counter[str] = field(default_factory=Counter)
    renamed: set[str] = field(default_factory=set)
    candidates: tuple[str, ...] | None = None
    sketch: Sketch = field(default_factory=Sketch)

    @property
    def is_text(self) -> bool:
        """Whether the column holds texts. If not, it holds numbers or dates."""
        return self.form is None or self.form.storage == "text"

    @property
    def distinct(self) -> int:
        """Number of distinct values, an estimate above 16,384."""
        return self.sketch.distinct

    @property
    def rising(self) -> bool:
        """Whether the column is in ascending order, except for one row in a thousand. A column that hardly changes is not."""
        return self.falls <= 0.001 * self.present and self.rises >= _RISES_PER_FALL * max(1, self.falls)

    @cached_property
    def level_array(self) -> pa.Array:
        """Levels in the order in which they came. Use it only when all rows are measured."""
        return pa.array(list(self.levels), pa.string())

    def again(self) -> "ColumnSurvey":
        """Return a new survey that starts with the form of this one, but as text if the column changed twice."""
        form = Form("text") if self.changed and self.n_changes else self.form
        candidates = self.candidates if form == self.form and form and form.storage != "text" else None
        n_changes = self.n_changes + self.changed
        return ColumnSurvey(
            self.name, self.missing, self.codes, self.labels, form, self.fixed, candidates=candidates, n_changes=n_changes
        )

    def update(self, array: pa.Array) -> tuple[pa.Array, pa.Array | None]:
        """Measure the next rows.

        Returns
        -------
        The same rows, dictionary-encoded if they had to be, and the numbers or dates that were parsed from texts, if any.

        Raises
        ------
        TableError
            A value does not fit the declared form.
        """
        array = parse.plain_array(array)
        numbers, parsed = self._read_native(array), None
        if numbers is None:
            array, numbers = self._parse_texts(parse.texts(array))
            parsed = self._as_array(numbers)
        if numbers is not None:
            there = ~np.isnan(numbers)
            whole = bool(there.all())
            known = numbers if whole else numbers[there]
            self._measure(known, gap=not whole)
            self.present += len(known)
            self.sketch.update(hashing.hash_numbers(known), len(known))
        self.rows += len(array)
        return array, parsed

    def read(self, array: pa.Array) -> np.ndarray:
        """Return numbers, dates in seconds since 1970, or the index of each text in the levels. Use it after all rows are measured.

        Shape: (n,) float64, NaN where missing, OTHER for a text that is not one of the levels
        """
        if self.is_text:
            return parse.index_texts(self.labeled(array), self.level_array)
        assert self.form
        kind: Type = "date" if self.form.storage == "date" else "number"
        column = Column(self.name, kind, "feature", True, self.form.style, missing_codes=tuple(sorted(self.codes)))
        return read_column(array, column, self.missing).numbers

    def hash(self, array: pa.Array) -> np.ndarray:
        """Return a hash of each value. Use it after all rows are measured. Shape: (n,) uint64"""
        if not self.is_text:
            return hashing.hash_numbers(self.read(array))
        texts = self.labeled(array)
        hashes = _hash_texts(texts.dictionary, parse.index_texts(texts.dictionary.dictionary_encode(), self.level_array))
        return np.append(hashes, hashing.hash_numbers(np.array([np.nan])))[parse.dictionary_index(texts)]

    def labeled(self, array: pa.Array) -> pa.DictionaryArray:
        """Return texts without blanks around them, renamed by `labels`, null where missing."""
        texts = parse.clean_texts(parse.plain_array(array), self.missing | self.codes)
        if not self.labels:
            return texts
        renamed = [text and self.labels.get(text, text) for text in texts.dictionary.to_pylist()]
        return pa.DictionaryArray.from_arrays(texts.indices, pa.array(renamed, pa.string()))

    def as_texts(self, array: pa.Array) -> pa.DictionaryArray:
        """Return the values as a person would write them, null where missing."""
        if self.is_text:
            return self.labeled(array)
        unique, index = np.unique(self.read(array), return_inverse=True)
        write = parse.date_text if self.form and self.form.storage == "date" else parse.number_text
        texts = [None if np.isnan(each) else write(each) for each in unique.tolist()]
        return pa.DictionaryArray.from_arrays(pa.array(index.astype(np.int32)), pa.array(texts, pa.string()))

    def _read_native(self, array: pa.Array) -> np.ndarray | None:
        """Return the numbers or dates of an array that is stored as such; None if the column is one of texts."""
        storage = parse.storage_of(array.type)
        if storage == "text" or (self.form and self.form.storage != storage and (self.fixed or self.is_text)):
            return None
        if self.form and self.form.storage != storage:
            self.changed, self.form = True, Form("text")
            return None
        self.form = self.form or Form(storage)
        return parse.timestamps(array) if storage == "date" else parse.without(parse.native_numbers(array), self.codes)

    def _parse_texts(self, array: pa.Array) -> tuple[pa.Array, np.ndarray | None]:
        """Measure texts, or parse them as numbers or dates: all at once if they are plain numbers, else each distinct text."""
        if self.form in (None, Form("number"), PLAIN) and array.null_count < len(array):
            quick = parse.plain_numbers(array, self.missing, self.codes, gaps=self.form is not None)
            if quick is not None:
                numbers, gaps = quick
                if gaps is not None:
                    counts = array.filter(gaps).value_counts().to_pylist()
                    self.tokens.update({each["values"]: each["counts"] for each in counts})
                self.form = PLAIN
                return array, numbers
        encoded = array.dictionary_encode()
        texts = parse.clean_texts(encoded, self.missing | self.codes)
        index = parse.dictionary_index(texts)
        counts = np.bincount(index, minlength=len(encoded.dictionary))
        absent = texts.dictionary.is_null().to_numpy(zero_copy_only=False)
        self.tokens.update({encoded.dictionary[int(i)].as_py(): int(counts[i]) for i in np.flatnonzero(absent)})
        if absent.all():
            return encoded, None
        if self.form is None or not self.is_text:
            parsed = self._parse(texts.dictionary, array)
            if parsed is not None:
                return encoded, parse.without(np.append(parsed, np.nan)[index], self.codes)  # "-9.0" is the code -9 too
        self._measure_texts(texts.dictionary, int(counts[: len(absent)][~absent].sum()))
        return encoded, None

    def _as_array(self, numbers: np.ndarray | None) -> pa.Array | None:
        """Return parsed numbers or dates in a type of their own, None if that would change a value."""
        if numbers is None:
            return None
        if self.form and self.form.storage == "number":
            return pa.array(numbers)
        missing = np.isnan(numbers)
        micros = np.round(np.where(missing, 0, numbers) * 1e6).astype(np.int64)
        dates = pa.array(micros, pa.int64(), mask=missing).cast(pa.timestamp("us"))
        return dates if np.array_equal(parse.timestamps(dates), numbers, equal_nan=True) else None

    def _parse(self, values: pa.Array, array: pa.Array) -> np.ndarray | None:
        """Return distinct texts as numbers or dates. If they are neither, return None, and the column is one of texts."""
        parsers: tuple[tuple[Storage, Any], ...] = (("number", parse.numbers), ("date", parse.dates))
        for storage, parser in parsers:
            if self.form is None or self.form.storage == storage:
                styles = self._possible_styles(storage, values)
                fitting = {each: parsed for each in styles if (parsed := parser(values, each)) is not None}
                if fitting:
                    return self._choose(storage, fitting)
        if self.fixed and self.form:
            raise _refusal(self.name, self.form, values, array, self.rows)
        self.changed |= self.form is not None
        self.form = Form("text")
        return None

    def _possible_styles(self, storage: Storage, values: pa.Array) -> tuple[str, ...]:
        """Return the styles or formats that fit all rows so far."""
        if self.candidates is not None:
            return self.candidates
        if self.form and self.form.style not in ("", "plain"):
            return (self.form.style,)
        if storage == "number":
            return parse.NUMBER_STYLES
        worthwhile = self.form is not None or parse.looks_like_date(values.drop_null()[0].as_py())
        return parse.DATE_FORMATS if worthwhile else ()

    def _choose(self, storage: Storage, fitting: dict[str, np.ndarray]) -> np.ndarray:
        """Choose the first style that fits. If it is not the style of the earlier rows, they may have been misread."""
        chosen = next(iter(fitting))
        before = self.form.style if self.form else ""
        self.changed |= before not in ("", chosen)
        self.candidates = tuple(fitting)
        differ = any(not np.array_equal(each, fitting[chosen], equal_nan=True) for each in fitting.values())
        self.ambiguous = len(fitting) > 1 and (self.ambiguous or differ)
        self.form = Form(storage, chosen)
        return fitting[chosen]

    def _measure_texts(self, values: pa.Array, present: int) -> None:
        """Add distinct texts to the levels, of which there are at most MAX_LEVELS.

        Parameters
        ----------
        present
            Number of rows that hold one of them.
        """
        kept, index = [], []
        for text in values.drop_null().to_pylist():
            if text in self.labels:
                self.renamed.add(text)
                text = self.labels[text]
            place = self.levels.get(text)
            if place is None:
                if len(self.levels) < MAX_LEVELS:
                    self.words += text.count(" ") + 1
                    place = self.levels[text] = len(self.levels)
                else:
                    self.overflow = True
            kept.append(text)
            index.append(OTHER if place is None else place)
        self.present += present
        self.sketch.update(_hash_texts(pa.array(kept, pa.string()), np.array(index, dtype=np.float64)), present)

    def _measure(self, values: np.ndarray, *, gap: bool) -> None:
        """Measure numbers or dates without missing ones. Shape: (n,)"""
        if not len(values):
            return
        low, high = float(values.min()), float(values.max())
        self.minimum, self.maximum = min(self.minimum, low), max(self.maximum, high)
        if np.isinf([low, high]).any():
            self.infinite += int(np.isinf(values).sum())
        if max(-low, high) >= _EXACT:
            self.rounded += int((np.abs(values) >= _EXACT).sum())
        self.whole = self.whole and bool((np.floor(values) == values).all())
        self.binary = self.binary and self.whole and self.minimum >= 0 and self.maximum <= 1
        line = values if self.last is None else np.concatenate([[self.last], values])
        self.falls += int((line[1:] < line[:-1]).sum())
        self.rises += int((line[1:] > line[:-1]).sum())
        self.steps = self.steps and not gap and bool((line[1:] == line[:-1] + 1).all())
        self.last = float(values[-1])


def _hash_texts(texts: pa.Array, index: np.ndarray) -> np.ndarray:
    """Return a hash of each text: of its index in the levels, or of itself if it is not one of them. Shape: (n,) uint64"""
    hashes = hashing.hash_numbers(index)
    others = index == OTHER
    if others.any():
        rest = texts.filter(pa.array(others)).to_numpy(zero_copy_only=False)
        hashes[others] = pd.util.hash_array(rest, categorize=False)
    return hashes


def _refusal(name: str, form: Form, values: pa.Array, array: pa.Array, before: int) -> TableError:
    """Return the error that names the first text that does not fit the declared form.

    Parameters
    ----------
    values
        Distinct texts of `array`, without blanks around them.
    before
        Number of rows of the table before `array`.
    """
    is_number = form.storage == "number"
    what = "numbers" if is_number else f"dates of the format '{form.style or parse.ISO}'"
    parser, forms = (parse.numbers, parse.NUMBER_STYLES) if is_number else (parse.dates, parse.DATE_FORMATS)
    forms = (form.style,) if form.style and not is_number else forms
    for text in values.drop_null().to_pylist():
        if all(parser(pa.array([text]), each) is None for each in forms):
            row = before + pc.index(pc.utf8_trim_whitespace(array), text).as_py()
            return TableError(
                f"column '{name}' must hold {what}, but row {row + 1:,} has '{text[:80]}'. Correct the table, "
                "name the text in data.missing or data.missing_codes, or change data.types in params.yaml."
            )
    return TableError(
        f"column '{name}' must hold {what} of one form, but holds several forms. Change data.types in params.yaml."
    )
