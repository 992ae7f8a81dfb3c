"""What each column of a table holds, learned batch by batch over all of its rows; each batch is turned into numbers on the way.

A column is stored as float64, NaN where missing: a number as itself, a date as seconds since 1970, a text as its place in
the column's list of levels. Which of the three it is, the first rows suggest and all rows must confirm: where a later one
does not, the column is marked as changed, and the table is read once more with what is known now.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from veritable.tables.splitting import hashing
from veritable.tables.typing import parse
from veritable.tables.typing.form import PLAIN, Form, refusal
from veritable.tables.typing.parse import Storage
from veritable.tables.typing.sketch import Sketch

MOST_LEVELS = 100_000  # texts told apart in one column; a later one beyond them counts as a text like no other
OTHER = -1.0  # how such a text is stored
_RISES = 20  # for each fall, in a column that the rows stand in order of
_EXACT = 2.0**53  # whole numbers beyond are rounded in float64
LARGEST = 1e150  # its square, of which a standard deviation is made, is still a float64


@dataclass
class ColumnSurvey:
    """One column, as far as it was seen.

    Attributes
    ----------
    missing
        Texts that stand for a missing value.
    codes
        Values that stand for a missing value in this column alone, as texts.
    labels
        Other names for texts; equal names are one level.
    form
        How it is stored; None until a value was seen.
    fixed
        Whether `form` was declared, or is known from an earlier reading: another one is an error, or makes it text.
    """

    name: str
    missing: frozenset[str] = frozenset({""})
    codes: frozenset[str] = frozenset()
    labels: Mapping[str, str] = field(default_factory=dict)
    form: Form | None = None
    fixed: bool = False
    changed: bool = False
    revised: int = 0
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
    def distinct(self) -> int:
        """How many values differ; beyond 16,384 an estimate."""
        return self.sketch.distinct

    @property
    def rising(self) -> bool:
        """Whether the rows stand in order of it, save for one in a thousand; a column that hardly changes has none."""
        return self.falls <= 0.001 * self.present and self.rises >= _RISES * max(1, self.falls)

    def again(self) -> "ColumnSurvey":
        """A survey for one more reading, which begins with the form that this one ended with; who changed twice is text."""
        form = Form("text") if self.changed and self.revised else self.form
        candidates = self.candidates if form == self.form and form and form.storage != "text" else None
        revised = self.revised + self.changed
        return ColumnSurvey(
            self.name, self.missing, self.codes, self.labels, form, self.fixed, candidates=candidates, revised=revised
        )

    def update(self, array: pa.Array) -> tuple[np.ndarray, np.ndarray]:
        """Learn from the next rows; returns them as stored and a hash of each. Shape: (n,) float64, (n,) uint64

        Raises
        ------
        TableError
            A value is not of the declared type.
        """
        stored = self._store(array)
        keys = hashing.hash_numbers(stored)
        there = ~np.isnan(stored)
        whole = bool(there.all())
        if self.form and self.form.storage == "text":
            beyond = stored == OTHER
            if beyond.any():
                rest = parse.texts(array).filter(pa.array(beyond)).to_numpy(zero_copy_only=False)
                keys[beyond] = pd.util.hash_array(rest, categorize=False)
        elif self.form:
            self._measure(stored if whole else stored[there], gap=not whole)
        self.rows += len(stored)
        self.present += int(there.sum())
        self.sketch.update(keys if whole else keys[there])
        return stored, keys

    def _store(self, array: pa.Array) -> np.ndarray:
        kind = array.type
        if pa.types.is_null(kind):
            return np.full(len(array), np.nan)
        native = parse.storage_of(kind)
        declared = self.form.storage if self.form and (self.fixed or self.form.storage == "text") else native
        if native == "text" or declared != native:
            return self._store_texts(parse.texts(array))
        if self.form and self.form.storage != native:
            self.changed, self.form = True, Form("text")
            return self._store_texts(parse.texts(array))
        self.form = self.form or Form(native)
        return parse.timestamps(array) if native == "date" else parse.without(parse.native_numbers(array), self.codes)

    def _store_texts(self, array: pa.Array) -> np.ndarray:
        """Numbers first: the quick way if all are plain, the long way over the distinct texts if not."""
        form = self.form
        if not self.codes and form in (None, Form("number"), PLAIN) and (quick := self._quickly(array)) is not None:
            self.form = PLAIN
            return quick
        encoded = array.dictionary_encode()
        values, inverse = self._clean(encoded)
        if values.null_count == len(values):
            return np.full(len(array), np.nan)
        if form is None or form.storage != "text":
            parsed = self._parse(values, array)
            if parsed is not None:
                parsed = parse.without(parsed, self.codes)  # "-9.0" is the code -9 too
                return np.where(inverse < 0, np.nan, parsed[inverse])
        codes = self._code(values)
        return np.where(inverse < 0, np.nan, codes[inverse])

    def _quickly(self, array: pa.Array) -> np.ndarray | None:
        """Texts that are all plain numbers, or a missing one as it stands alone in a field; None if there are others."""
        if array.null_count == len(array):
            return None
        found = parse.numbers(array, "plain")
        if found is not None or self.form is None:
            return found
        absent = pa.array(sorted(self.missing | {f" {text}" for text in self.missing}), pa.string())  # as in "1, ?"
        gaps = pc.and_(pc.is_in(array, absent), pc.is_valid(array))
        found = parse.numbers(pc.if_else(gaps, pa.scalar(None, pa.string()), array), "plain")
        if found is not None:
            self.tokens.update({each["values"]: each["counts"] for each in array.filter(gaps).value_counts().to_pylist()})
        return found

    def _clean(self, encoded: pa.DictionaryArray) -> tuple[pa.Array, np.ndarray]:
        """Distinct texts without blanks around them, null where they stand for a missing value, and each row's place there."""
        indices = encoded.indices.fill_null(-1).to_numpy().astype(np.int64)
        raw = encoded.dictionary
        trimmed = pc.utf8_trim_whitespace(raw)
        absent = pc.is_in(trimmed, pa.array(sorted(self.missing | self.codes), pa.string()))
        if pc.any(absent, min_count=0).as_py():
            where = absent.to_numpy(zero_copy_only=False)
            counts = np.bincount(indices[indices >= 0], minlength=len(raw))
            self.tokens.update({raw[int(i)].as_py(): int(counts[i]) for i in np.flatnonzero(where)})
            trimmed = pc.if_else(absent, pa.scalar(None, pa.string()), trimmed)
        return trimmed, indices

    def _parse(self, values: pa.Array, array: pa.Array) -> np.ndarray | None:
        """The distinct values as numbers or dates; None if they are neither, and from then on the column is text."""
        parsers: tuple[tuple[Storage, Any], ...] = (("number", parse.numbers), ("date", parse.dates))
        for storage, parser in parsers:
            if self.form is None or self.form.storage == storage:
                fitting = {each: found for each in self._left(storage, values) if (found := parser(values, each)) is not None}
                if fitting:
                    return self._choose(storage, fitting)
        if self.fixed and self.form:
            raise refusal(self.name, self.form, values, array, self.rows)
        self.changed |= self.form is not None
        self.form = Form("text")
        return None

    def _left(self, storage: Storage, values: pa.Array) -> tuple[str, ...]:
        """The styles or formats that everything seen so far has."""
        if self.candidates is not None:
            return self.candidates
        if self.form and self.form.style not in ("", "plain"):
            return (self.form.style,)
        if storage == "number":
            return parse.NUMBER_STYLES
        worthwhile = self.form is not None or parse.looks_like_date(values.drop_null()[0].as_py())
        return parse.DATE_FORMATS if worthwhile else ()

    def _choose(self, storage: Storage, fitting: dict[str, np.ndarray]) -> np.ndarray:
        """Go on with the first that fits; if it is another than before, earlier rows may have been misread."""
        chosen = next(iter(fitting))
        before = self.form.style if self.form else ""
        self.changed |= before not in ("", chosen)
        self.candidates = tuple(fitting)
        differ = any(not np.array_equal(each, fitting[chosen], equal_nan=True) for each in fitting.values())
        self.ambiguous = len(fitting) > 1 and (self.ambiguous or differ)
        self.form = Form(storage, chosen)
        return fitting[chosen]

    def _code(self, values: pa.Array) -> np.ndarray:
        """Places of distinct texts in the list of levels, which grows up to MOST_LEVELS."""
        codes = np.empty(len(values))
        for i, text in enumerate(values.to_pylist()):
            if text is None:
                codes[i] = np.nan
                continue
            if text in self.labels:
                self.renamed.add(text)
                text = self.labels[text]
            code = self.levels.get(text)
            if code is None:
                if len(self.levels) < MOST_LEVELS:
                    self.words += text.count(" ") + 1
                    code = self.levels[text] = len(self.levels)
                else:
                    self.overflow = True
            codes[i] = OTHER if code is None else code
        return codes

    def _measure(self, values: np.ndarray, *, gap: bool) -> None:
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
