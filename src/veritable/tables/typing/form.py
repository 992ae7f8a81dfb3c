"""In which form a column is stored and written."""

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from veritable.tables.errors import TableError
from veritable.tables.typing import parse
from veritable.tables.typing.parse import Storage


@dataclass(frozen=True)
class Form:
    """How a column is stored, and in which form its texts are: a style of numbers or a format of dates."""

    storage: Storage
    style: str = ""


PLAIN = Form("number", "plain")


def refusal(name: str, form: Form, values: pa.Array, column: pa.Array, before: int) -> TableError:
    """Name the first text that is not what the column was declared to be.

    Parameters
    ----------
    values
        The distinct texts of `column`, without blanks around them.
    before
        How many rows of the table were read before.
    """
    is_number = form.storage == "number"
    what = "numbers" if is_number else f"dates of the format '{form.style or parse.ISO}'"
    parser, forms = (parse.numbers, parse.NUMBER_STYLES) if is_number else (parse.dates, parse.DATE_FORMATS)
    forms = (form.style,) if form.style and not is_number else forms
    for text in values.drop_null().to_pylist():
        if all(parser(pa.array([text]), each) is None for each in forms):
            row = before + pc.index(pc.utf8_trim_whitespace(column), text).as_py()
            return TableError(
                f"column '{name}' must hold {what}, however row {row + 1:,} has '{text[:80]}'. Correct the table, "
                "name the text under data.missing or data.missing_codes, or change data.types in params.yaml."
            )
    return TableError(
        f"column '{name}' must hold {what} of one form, however there are several. Change data.types in params.yaml."
    )
