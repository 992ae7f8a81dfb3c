"""Find the layout of a delimited file from its head: its delimiter, its column names, and whether it has a header line."""

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from veritable.errors import TableError
from veritable.tables.reading.source import Reading, quoted, reason
from veritable.tables.reading.stream import BLOCK_BYTES, TextStream

CANDIDATES = (",", ";", "\t", "|")
MAX_FIELD = 2**24
csv.field_size_limit(MAX_FIELD)  # the default is 128 KiB

_NOTHING = {"", "?", "na", "n/a", "nan", "null", "none", "-", "."}
_NUMBER_LIKE = re.compile(r"[+\-$€£(<>]?\s*[\d.,]*\d[\d.,:/\-+ ETZ%)]*|[+\-]?inf(inity)?", re.IGNORECASE)  # and dates
_SAMPLED_ROWS = 1000

Rows = list[list[str]]
_HEAD_BYTES = 2**20
_MAX_HEAD_BYTES = 2**26
_WITHIN_NAMES = "_-.'\""  # characters that do not separate columns


@dataclass(frozen=True)
class Layout:
    """Layout of a delimited file.

    Attributes
    ----------
    header
        Whether the first line has the names of the columns.
    trailing
        Whether each line ends with a delimiter.
    block_bytes
        Size of the blocks in which Arrow reads the file.
    """

    names: tuple[str, ...]
    delimiter: str
    header: bool
    trailing: bool
    block_bytes: int

    @property
    def width(self) -> int:
        """Number of fields of a line."""
        return len(self.names) + self.trailing


def find_layout(path: Path, reading: Reading) -> Layout:
    """Find from the head of a file what `reading` does not say.

    Raises
    ------
    TableError
        The head is not a table, or does not agree with `reading`.
    """
    with TextStream(path, reading, check=True) as stream:
        text, whole = _head(stream)
    if not text.strip():
        raise TableError(f"table '{path}' must not be empty, but is. Check data.path.")
    if reading.delimiter and (not reading.delimiter.isascii() or reading.delimiter in '"\r\n'):
        raise TableError(
            f"data.delimiter must be an ASCII character other than a quote or line end, but is {reading.delimiter!r}."
        )
    try:
        delimiter = reading.delimiter or find_delimiter(text) or ","
        rows = records(text, delimiter)
    except csv.Error as error:
        raise too_long(path, error) from None
    if len(rows) == 1 and unclosed([text], delimiter):
        raise not_closed(path, 1)
    rows = rows if whole or len(rows) < 2 else rows[:-1]
    if len(rows[0]) == 1:
        _refuse_one_column(path, reading, [row[0] for row in rows if len(row) == 1])
    names, header = _names(path, reading, rows)
    below = rows[1:] if header else rows
    trailing = bool(below) and all(row[-1] == "" for row in below) and len(names) > 1
    if trailing and (names[-1] == "" or not (header or reading.columns)):
        names = names[:-1]
    else:
        trailing = trailing and all(len(row) == len(names) + 1 for row in below)
    if reading.columns and len(rows[0]) != len(names) + trailing:
        raise TableError(
            f"data.columns must have a name for each column, but has {len(names):,} names and '{path}' has {len(rows[0]):,} "
            "columns. Check data.columns and data.target."
        )
    longest = max(map(len, io.StringIO(text, newline="")))
    names = ("column_1", *names[1:]) if names[0] == "" else names  # pandas and R write the index with an empty name
    return Layout(names, delimiter, header, trailing, max(BLOCK_BYTES, 16 * longest))


def _head(stream: TextStream) -> tuple[str, bool]:
    """Return the first lines, and whether they are the whole file."""
    head = b""
    while block := stream.read(_HEAD_BYTES):
        head += block
        if len(head) > _MAX_HEAD_BYTES or (len(head) >= _HEAD_BYTES and head.count(b"\n") + head.count(b"\r") > 4):
            end = 1 + max(head.rfind(b"\n"), head.rfind(b"\r", 0, -1))
            return head[: end or None].decode(errors="ignore"), False
    return head.decode(), True


def _names(path: Path, reading: Reading, rows: list[list[str]]) -> tuple[tuple[str, ...], bool]:
    first = tuple(name.strip() for name in rows[0])
    if reading.columns:
        if first == reading.columns:
            raise TableError(
                f"data.columns must be null if the file names its columns, but the first line of '{path}' has the same names. "
                "Set data.columns: null."
            )
        if reading.header:
            raise TableError("data.header must not be true if data.columns names the columns. Set one of them to null.")
        return reading.columns, False
    header = has_header(rows, reading.missing) if reading.header is None else reading.header
    return first if header else tuple(f"column_{i + 1}" for i in range(len(first))), header


def _refuse_one_column(path: Path, reading: Reading, lines: list[str]) -> None:
    """Raise an error if another character splits all lines into the same number of fields."""
    first = lines[0]
    if reading.delimiter:
        others = [each for each in CANDIDATES if each in first]
    else:
        others = [each for each in dict.fromkeys(first) if not each.isalnum() and each not in _WITHIN_NAMES]
        others = [each for each in others if all(line.count(each) == first.count(each) for line in lines)]
    if not others:
        return
    shown = "a tab" if others[0] == "\t" else quoted(others[0])
    if reading.delimiter:
        raise TableError(
            f"table '{path}' must have columns separated by data.delimiter {reading.delimiter!r}, but its first line has "
            f"{shown} instead. Change data.delimiter, or set it to null."
        )
    raise TableError(
        f"table '{path}' must have columns separated by a comma, semicolon, tab or '|', but its first line has one column: "
        f"{quoted(first)}. Set data.delimiter, for example to {shown}."
    )


def unclosed(lines: list[str], delimiter: str) -> bool:
    """Return whether the lines end within a quoted field."""
    try:
        list(csv.reader(lines, delimiter=delimiter, skipinitialspace=delimiter != " ", strict=True))
    except csv.Error as error:
        return "end of data" in str(error)
    return False


def not_closed(path: Path, line: int) -> TableError:
    """Return the error for a quote that is not closed."""
    return TableError(
        f"table '{path}' must close each quote, but a quote that opens in line {line:,} is not closed. "
        "Close it, or double it if it belongs to the text."
    )


def too_long(path: Path, error: Exception) -> TableError:
    """Return the error for a field that is longer than `MAX_FIELD`."""
    return TableError(
        f"table '{path}' must have fields of less than {MAX_FIELD:,} characters, but one is longer: {reason(error)}. "
        "Look for a quote that is not closed."
    )


def records(text: str, delimiter: str) -> Rows:
    """Return the fields of each line that is not blank. Quotes are as in RFC 4180; blanks after a delimiter are skipped.

    Raises
    ------
    csv.Error
        A field has more than `MAX_FIELD` characters.
    """
    lines = io.StringIO(text, newline="")  # str.splitlines would also split at U+2028 and similar characters
    return [fields for fields in csv.reader(lines, delimiter=delimiter, skipinitialspace=delimiter != " ") if fields]


def find_delimiter(text: str) -> str | None:
    """Return the candidate that splits most lines into equally many fields, at least two. Return None if there is none.

    Among equals, it is the one that yields more numbers: `1,5;2,5` without a header line can be read in two ways.
    """
    found: dict[str, tuple[float, float]] = {}
    for delimiter in CANDIDATES:
        if delimiter not in text:
            continue
        rows = records(text, delimiter)[:_SAMPLED_ROWS]
        widths = Counter(len(row) - (row[-1] == "" and len(row) > 1) for row in rows)  # a trailing delimiter separates nothing
        width, count = widths.most_common(1)[0]
        if width > 1 and len(rows[0]) > 1:
            fields = [field for row in rows for field in row]
            found[delimiter] = count / len(rows), sum(map(_number_like, fields)) / len(fields)
    return max(found, key=lambda delimiter: found[delimiter]) if found else None


def has_header(rows: Rows, missing: Sequence[str]) -> bool:
    """Return whether the first line names the columns.

    It does not if it has numbers, but no text, in the columns of numbers. If there are no columns of numbers, it does not if
    most of its texts occur again in the same column. Numbers that count up, as 0, 1, 2 or 2019, 2020, 2021, are names.
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
