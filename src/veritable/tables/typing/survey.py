"""What each column of a table holds, measured batch by batch over all rows.

The first rows suggest the form of a column (see `form.py`). If a later row does not confirm it, the column is marked as
changed, and it is measured again with what is known by then.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pandas as pd
import pyarrow as pa

from veritable.tables.splitting import hashing
from veritable.tables.splitting.hashing import DistinctCounter
from veritable.tables.typing import parse
from veritable.tables.typing.contract import Column, Type, read_column
from veritable.tables.typing.form import PLAIN, Form, FormFinder

MAX_LEVELS = 100_000  # levels that are told apart in one column; later ones are one level
OTHER = -1.0  # index of such a level
_RISES_PER_FALL = 20  # in a column that is in ascending order
_EXACT = 2.0**53  # larger whole numbers are rounded in float64
LARGEST = 1e150  # the square of a larger number, which a standard deviation needs, may not fit in a float64


@dataclass
class ColumnSurvey(FormFinder):
    """Measures one column.

    Attributes
    ----------
    missing
        Texts that stand for a missing value in every column.
    codes
        Values that stand for a missing value in this column, as text.
    labels
        New names of texts. Texts with the same new name are one level.
    rows, present
        Number of rows, and of those with a value.
    infinite, rounded
        Number of infinite values, and of whole numbers that float64 rounds.
    minimum, maximum
        Range of the numbers or dates.
    whole, binary
        Whether all numbers are whole, and whether all are 0 or 1.
    falls, rises
        Number of values that are less, and greater, than the value before.
    steps
        Whether each number is the number before plus 1.
    last
        The last number.
    levels
        Distinct texts, each with its index, at most MAX_LEVELS.
    overflow
        Whether there are further texts.
    words
        Number of words of all levels together.
    tokens
        Number of rows of each text that stands for a missing value.
    renamed
        Texts that `labels` renamed.
    counter
        Counter of the distinct values.
    """

    missing: frozenset[str] = frozenset({""})
    codes: frozenset[str] = frozenset()
    labels: Mapping[str, str] = field(default_factory=dict)
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
    levels: dict[str, int] = field(default_factory=dict)
    overflow: bool = False
    words: int = 0
    tokens: Counter[str] = field(default_factory=Counter)
    renamed: set[str] = field(default_factory=set)
    counter: DistinctCounter = field(default_factory=DistinctCounter)

    @property
    def distinct(self) -> int:
        """Number of distinct values, an estimate above 16,384."""
        return self.counter.distinct

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
        new = ColumnSurvey(self.name, form, self.fixed, n_changes=n_changes, candidates=candidates)
        return replace(new, missing=self.missing, codes=self.codes, labels=self.labels)

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
            self.counter.update(hashing.hash_numbers(known), len(known))
        self.rows += len(array)
        return array, parsed

    def read(self, array: pa.Array) -> np.ndarray:
        """Return numbers, dates in seconds since 1970, or the index of each text in the levels.

        Use it when all rows are measured. Shape: (n,) float64, NaN where missing, OTHER for a text that is not a level
        """
        if self.is_text:
            return parse.index_texts(self.labeled(array), self.level_array)
        assert self.form
        kind: Type = "date" if self.form.storage == "date" else "number"
        column = Column(self.name, kind, "feature", True, self.form.style, missing_codes=tuple(sorted(self.codes)))
        return read_column(array, column, self.missing).numbers

    def hash(self, array: pa.Array) -> np.ndarray:
        """Return a hash of each value. Use it when all rows are measured. Shape: (n,) uint64"""
        if not self.is_text:
            return hashing.hash_numbers(self.read(array))
        texts = self.labeled(array)
        hashes = _hash_texts(texts.dictionary, parse.index_texts(texts.dictionary.dictionary_encode(), self.level_array))
        missing = hashing.hash_numbers(np.array([np.nan]))
        return np.asarray(np.append(hashes, missing)[parse.dictionary_index(texts)])

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
        if not self.accepts_native(storage):
            return None
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
            parsed = self.parse(texts.dictionary, array, self.rows)
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
        self.counter.update(_hash_texts(pa.array(kept, pa.string()), np.array(index, dtype=np.float64)), present)

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
