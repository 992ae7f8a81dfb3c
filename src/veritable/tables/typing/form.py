"""Find the form of a column: whether it holds numbers, dates or texts, and how they are written.

The first rows suggest a form, and all rows must confirm it.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from veritable.errors import TableError
from veritable.tables.typing import parse
from veritable.tables.typing.parse import Storage


@dataclass(frozen=True)
class Form:
    """How a column is stored, and the style of numbers or the format of dates in which its texts are written."""

    storage: Storage
    style: str = ""


PLAIN = Form("number", "plain")


@dataclass
class FormFinder:
    """Finds the form of a column, batch by batch.

    Attributes
    ----------
    form
        Form of the values so far; None before the first value.
    fixed
        Whether `form` was declared. A value that does not fit is then an error.
    changed
        Whether `form` changed after the first rows, so that these must be parsed again.
    n_changes
        Number of earlier passes over the rows in which `form` changed.
    candidates
        Styles or formats that fit all rows so far; None before the first text that was parsed.
    ambiguous
        Whether two of them read different values.
    """

    name: str
    form: Form | None = None
    fixed: bool = False
    changed: bool = False
    n_changes: int = 0
    candidates: tuple[str, ...] | None = None
    ambiguous: bool = False

    @property
    def is_text(self) -> bool:
        """Whether the column holds texts. If not, it holds numbers or dates."""
        return self.form is None or self.form.storage == "text"

    def accepts_native(self, storage: Storage) -> bool:
        """Return whether values that are stored as numbers or dates can be used as such. If not, they become texts."""
        if storage == "text" or (self.form and self.form.storage != storage and (self.fixed or self.is_text)):
            return False
        if self.form and self.form.storage != storage:
            self.changed, self.form = True, Form("text")
            return False
        self.form = self.form or Form(storage)
        return True

    def parse(self, values: pa.Array, array: pa.Array, before: int) -> np.ndarray | None:
        """Return distinct texts as numbers or dates. If they are neither, return None, and the column is one of texts.

        Parameters
        ----------
        values
            Distinct texts of `array` without blanks around them, null where missing.
        before
            Number of rows of the table before `array`.

        Raises
        ------
        TableError
            A text does not fit the declared form.
        """
        parsers: tuple[tuple[Storage, Any], ...] = (("number", parse.numbers), ("date", parse.dates))
        for storage, parser in parsers:
            if self.form is None or self.form.storage == storage:
                styles = self._possible_styles(storage, values)
                fitting = {each: parsed for each in styles if (parsed := parser(values, each)) is not None}
                if fitting:
                    return self._choose(storage, fitting)
        if self.fixed and self.form:
            raise _refusal(self.name, self.form, values, array, before)
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
            return parse.possible_styles(values)
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
    parser, forms = (parse.numbers, parse.possible_styles(values)) if is_number else (parse.dates, parse.DATE_FORMATS)
    forms = (form.style,) if form.style and not is_number else forms
    for text in values.drop_null().to_pylist():
        if all(parser(pa.array([text]), each) is None for each in forms):
            row = before + pc.index(pc.utf8_trim_whitespace(array), text).as_py()
            return TableError(
                f"column '{name}' must hold {what}, but row {row + 1:,} has '{text[:80]}'. Correct the table, "
                "name the text in data.missing or data.missing_codes, or change data.types."
            )
    return TableError(f"column '{name}' must hold {what} of one form, but holds several forms. Change data.types.")
