"""Read CSV and TSV files in batches. All columns are texts, as they are in the file."""

import csv
import io
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NoReturn

import pyarrow as pa
import pyarrow.compute as compute
import pyarrow.csv as pc

from veritable.errors import TableError
from veritable.tables.reading.layout import Layout, find_layout, not_closed, too_long, unclosed
from veritable.tables.reading.source import Reading, Source, kept_names, reason
from veritable.tables.reading.stream import BLOCK_BYTES, TextStream, each_line

_BATCH_CELLS = 2**20
_MIN_ROWS = 1024  # of a batch: smaller ones of many columns are slow


class _SpacedQuoteError(Exception):
    """A quote follows a blank, as in `1, "a, b"`. Arrow does not read it as a quote."""


def open_delimited(path: Path, reading: Reading, skip: frozenset[str] = frozenset()) -> Source:
    """Open a CSV or TSV file, which may be compressed.

    Of the texts that stand for a missing value, only the empty field becomes null here: the others are counted later. If
    neither the file nor `reading.columns` has names, the columns are column_1, column_2, ... A first column without a name is
    column_1.

    Raises
    ------
    TableError
        The head of the file is not a table.
    """
    layout = find_layout(path, reading)
    names = kept_names(path, layout.names, skip)
    schema = pa.schema([(name, pa.string()) for name in names])

    def pieces() -> Iterator[pa.RecordBatch]:
        done = 0
        try:
            for piece in _read_by_arrow(path, reading, layout, names):
                done += piece.num_rows
                yield pa.RecordBatch.from_arrays(piece.columns, schema=schema)
        except _SpacedQuoteError:
            yield from _read_by_python(path, reading, layout, schema, done)
        except pa.ArrowException as error:
            _diagnose(path, reading, layout, error)

    return Source(path, names, True, pieces, schema, reading.max_rows)


def _read_by_arrow(path: Path, reading: Reading, layout: Layout, names: tuple[str, ...]) -> Iterator[pa.RecordBatch]:
    """Read the columns `names` with Arrow, in batches of about `_BATCH_CELLS` cells."""
    every = [str(i) for i in range(layout.width)]  # Arrow would confuse unusual names
    places = dict(zip(layout.names, every, strict=False))
    wanted = [places[name] for name in names]
    read = [*wanted, every[-1]] if every[-1] not in wanted else wanted  # a quote that is not closed shows in the last column
    nulls = [""] if "" in reading.missing else []
    with _Watched(path, reading, layout.delimiter) as stream:
        batches = pc.open_csv(
            stream,
            pc.ReadOptions(block_size=layout.block_bytes, column_names=every, skip_rows_after_names=int(layout.header)),
            pc.ParseOptions(delimiter=layout.delimiter, newlines_in_values=True),  # as fast as without
            pc.ConvertOptions(
                column_types=dict.fromkeys(every, pa.string()),
                null_values=nulls,
                strings_can_be_null=True,
                quoted_strings_can_be_null=True,
                include_columns=read,
            ),
        )
        held: list[pa.RecordBatch] = []
        enough = max(_MIN_ROWS, _BATCH_CELLS // len(read))
        last = pa.array([None], pa.string())
        for batch in batches:
            if not batch.num_rows:
                continue
            last = batch.column(len(read) - 1)
            if layout.trailing and compute.any(compute.greater(compute.utf8_length(last), 0)).as_py():
                _check(path, reading, layout)
            held.append(batch.select(wanted))
            if sum(each.num_rows for each in held) >= enough:
                yield pa.concat_batches(held)
                held = []
        value = last[-1].as_py() or ""
        if re.search(r"[\r\n]", value) and (value[-1] in "\r\n" or not stream.tail.rstrip().endswith(b'"')):
            _check(path, reading, layout)  # the last quote may not be closed, which Arrow accepts
        if held:
            yield pa.concat_batches(held)


class _Watched(TextStream):
    """Raise _SpacedQuoteError at a quote after a blank."""

    def __init__(self, path: Path, reading: Reading, delimiter: str):
        super().__init__(path, reading)
        mark = re.escape(delimiter.encode())
        # The quote opens a field: within a quoted field, it would be doubled, or precede a delimiter or a line end.
        self._spaced = re.compile(mark + rb' +"[^"\r\n' + mark + b"]") if delimiter != " " else None

    def read(self, size: int = -1) -> bytes:
        before = self.tail
        block = super().read(size)
        if self._spaced and b'"' in block and self._spaced.search(before + block):
            raise _SpacedQuoteError
        return block


def _read_by_python(path: Path, reading: Reading, layout: Layout, schema: pa.Schema, done: int) -> Iterator[pa.RecordBatch]:
    """Read the rows after the first `done` with Python's reader, which is several times slower."""
    rows = islice(_rows(path, reading, layout), layout.header + done, None)
    nothing = {""} & set(reading.missing)
    number = {name: i for i, name in enumerate(layout.names)}
    places = [number[name] for name in schema.names]
    while batch := list(islice(rows, max(_MIN_ROWS, _BATCH_CELLS // layout.width) // 4)):
        columns = list(zip(*batch, strict=True))
        texts = [[None if text in nothing else text for text in columns[place]] for place in places]
        yield pa.RecordBatch.from_arrays([pa.array(each, pa.string()) for each in texts], schema=schema)


def _rows(path: Path, reading: Reading, layout: Layout) -> Iterator[list[str]]:
    """Yield the fields of all lines, including the header. Raise an error with the number of the first wrong line."""
    held: list[str] = []  # lines of the current record

    def feed(text: io.TextIOWrapper) -> Iterator[str]:
        for line in each_line(text, path):
            held.append(line)
            yield line

    with TextStream(path, reading, check=True) as stream:
        text = io.TextIOWrapper(io.BufferedReader(stream, BLOCK_BYTES), encoding="utf-8", newline="")
        found = csv.reader(feed(text), delimiter=layout.delimiter, skipinitialspace=layout.delimiter != " ")
        try:
            for i, fields in enumerate(found):
                line = (stream.blank_lines or 0) + found.line_num - len(held) + 1
                wrong = len(fields) != layout.width or (layout.trailing and fields[-1] != "")
                if (wrong or len(held) > 1 or fields[-1][-1:] in "\r\n") and unclosed(held, layout.delimiter):
                    raise not_closed(path, line)
                held.clear()
                if wrong and fields and not (i == 0 and layout.header):
                    raise _ragged(path, reading, layout, line, len(fields))
                if fields:
                    yield fields
        except csv.Error as error:
            raise too_long(path, error) from None


def _check(path: Path, reading: Reading, layout: Layout) -> None:
    """Read the whole file once more to find the wrong line."""
    for _ in _rows(path, reading, layout):
        pass


def _diagnose(path: Path, reading: Reading, layout: Layout, error: Exception) -> NoReturn:
    _check(path, reading, layout)
    if "straddling" in str(error):
        raise TableError(
            f"table '{path}' must have lines of less than {layout.block_bytes:,} bytes, but one is longer. "
            "Drop or shorten the text in it, or write the table as Parquet."
        )
    raise TableError(f"table '{path}' must be a CSV file, but is not: {reason(error)}. Check data.path.")


def _ragged(path: Path, reading: Reading, layout: Layout, line: int, count: int) -> TableError:
    names = "data.columns names" if reading.columns else "its first line names" if layout.header else "its first line has"
    quotes = f" (a field that holds {layout.delimiter!r} needs quotes)" if count > len(layout.names) else ""
    return TableError(
        f"table '{path}' must have as many fields in each line as columns, but line {line:,} has {count:,} and {names} "
        f"{len(layout.names):,}. Correct that line{quotes}, or check data.delimiter."
    )
