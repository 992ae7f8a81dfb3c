"""What a delimited file's head gives away: its delimiter, and whether its first line names the columns."""

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

CANDIDATES = (",", ";", "\t", "|")
MAX_FIELD = 2**24
csv.field_size_limit(MAX_FIELD)  # the default refuses texts of more than 128 KiB

_NOTHING = {"", "?", "na", "n/a", "nan", "null", "none", "-", "."}
_NUMBER_LIKE = re.compile(r"[+\-$€£(<>]?\s*[\d.,]*\d[\d.,:/\-+ ETZ%)]*|[+\-]?inf(inity)?", re.IGNORECASE)  # and dates
_SAMPLED_ROWS = 1000

Rows = list[list[str]]


def records(text: str, delimiter: str) -> Rows:
    """The fields of each line but blank ones. Quotes as in RFC 4180; blanks behind a delimiter do not count.

    Raises
    ------
    csv.Error
        A field of more than `MAX_FIELD` characters.
    """
    lines = io.StringIO(text, newline="")  # str.splitlines would also split at U+2028 and others
    return [fields for fields in csv.reader(lines, delimiter=delimiter, skipinitialspace=delimiter != " ") if fields]


def find_delimiter(text: str) -> str | None:
    """The candidate that cuts most lines into as many fields as the first one, two or more; None: there is none.

    Of equals, the one with more numbers between its delimiters: `1,5;2,5` without a header line can be read both ways.
    """
    found: dict[str, tuple[float, float]] = {}
    for delimiter in CANDIDATES:
        if delimiter not in text:
            continue
        rows = records(text, delimiter)[:_SAMPLED_ROWS]
        widths = Counter(len(row) - (row[-1] == "" and len(row) > 1) for row in rows)  # a trailing one cuts nothing
        width, count = widths.most_common(1)[0]
        if width > 1 and len(rows[0]) > 1:
            fields = [field for row in rows for field in row]
            found[delimiter] = count / len(rows), sum(map(_number_like, fields)) / len(fields)
    return max(found, key=lambda delimiter: found[delimiter]) if found else None


def has_header(rows: Rows, missing: Sequence[str]) -> bool:
    """Whether the first line names the columns.

    It does not if numbers stand in it over columns of numbers and no other text does, or, where no column holds numbers,
    if most of its texts stand below in their own columns again. Numbers that count up, as 0, 1, 2 or 2019, 2020, 2021, are
    names all the same.
    """
    first, below = rows[0], rows[1 : _SAMPLED_ROWS + 1]
    if not below:
        return not all(map(_number_like, first))
    if _count_up(first):
        return True
    nothing = _NOTHING | {text.lower() for text in missing}
    numbers = words = again = texts = 0
    for i, name in enumerate(first):
        column = [row[i].strip() for row in below if i < len(row) and row[i].strip().lower() not in nothing]
        if not column or name.strip().lower() in nothing:
            continue
        if all(map(_number_like, column)):
            numbers += _number_like(name)
            words += not _number_like(name)
        else:
            texts += 1
            again += name.strip() in column
    return words > 0 or (not numbers and 2 * again <= texts)


def _count_up(first: list[str]) -> bool:
    numbers = [int(name) for name in first if name.isascii() and name.isdecimal() and len(name) < 10]
    others = [name for name in first if _number_like(name)]
    steps = all(b - a == 1 for a, b in pairwise(numbers))
    return steps and len(numbers) == len(others) and len(numbers) >= (2 if numbers[:1] == [0] else 3)


def _number_like(text: str) -> bool:
    return _NUMBER_LIKE.fullmatch(text.strip()) is not None
