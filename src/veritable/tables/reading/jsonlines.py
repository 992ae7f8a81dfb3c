"""Read JSON lines, which have one object in each line, in batches. Values become texts, as in a CSV file."""

import io
import json
import math
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from veritable.errors import TableError
from veritable.tables.reading.source import Reading, Source, kept_names, preview, quoted
from veritable.tables.reading.stream import BLOCK_BYTES, TextStream, each_line

_BATCH_CELLS = 2**19
_MIN_ROWS = 256  # of a batch: smaller ones of many columns are slow
_HEAD_ROWS = 1000
_REASONS = {RecursionError: "it is nested too deeply", UnicodeEncodeError: "it has an unpaired surrogate"}


def open_jsonlines(path: Path, reading: Reading, skip: frozenset[str] = frozenset()) -> Source:
    """Open a file of JSON objects, which may be compressed. The keys of the first 1,000 lines are the columns.

    A missing value is null, or a key that a line does not have. Blank lines are skipped.

    Raises
    ------
    TableError
        The first lines are not JSON objects of single values.
    """
    head = [values for _, values in islice(_objects(path, reading), _HEAD_ROWS)]
    if not head:
        raise TableError(f"table '{path}' must have rows, but has none. Check data.path.")
    every = tuple(dict.fromkeys(key for values in head for key in values))
    if "" in every or not every:
        raise TableError(
            f"table '{path}' must have a name for each column, but an object has an empty key or no key. Rename it."
        )
    names = kept_names(path, every, skip)
    schema = pa.schema([(name, pa.string()) for name in names])
    return Source(path, names, True, lambda: _pieces(path, reading, schema, skip), schema, reading.max_rows)


def _pieces(path: Path, reading: Reading, schema: pa.Schema, skip: frozenset[str]) -> Iterator[pa.RecordBatch]:
    rows = _texts(path, reading, set(schema.names), skip)
    while batch := list(islice(rows, max(_MIN_ROWS, _BATCH_CELLS // len(schema)))):
        columns = [pa.array([row.get(name) for row in batch], pa.string()) for name in schema.names]
        yield pa.RecordBatch.from_arrays(columns, schema=schema)


def _texts(path: Path, reading: Reading, known: set[str], skip: frozenset[str]) -> Iterator[dict[str, str | None]]:
    for line, values in _objects(path, reading):
        row: dict[str, str | None] = {}
        for key, value in values.items():
            if key in known:
                row[key] = _text(path, line, key, value)
            elif key not in skip:
                raise TableError(
                    f"table '{path}' must have the same keys in each line, but line {line:,} adds {quoted(key)} to "
                    f"{preview(sorted(known))}. Name it in data.drop, or add it to one of the first {_HEAD_ROWS:,} lines."
                )
        yield row


def _objects(path: Path, reading: Reading) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield line numbers and objects."""
    with TextStream(path, reading, check=True) as stream:
        text = io.TextIOWrapper(io.BufferedReader(stream, BLOCK_BYTES), encoding="utf-8", newline="\n")
        for i, written in enumerate(each_line(text, path)):
            line = (stream.blank_lines or 0) + i + 1
            if not written.strip():
                continue
            try:
                values = json.loads(written, object_pairs_hook=_once)
                if "\\u" in written:
                    json.dumps(values, ensure_ascii=False).encode()  # raises at an unpaired surrogate such as "\ud800"
            except (ValueError, RecursionError) as error:
                why = _REASONS.get(type(error)) or getattr(error, "msg", str(error))
                raise TableError(
                    f"table '{path}' must have a JSON object in each line, but line {line:,} is not one: {why}. "
                    "Correct that line, or check data.path."
                ) from None
            if not isinstance(values, dict):
                raise TableError(
                    f"table '{path}' must have a JSON object in each line, but line {line:,} is a {type(values).__name__}. "
                    "Write one object {...} per line."
                )
            yield line, values


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        raise ValueError("it has the same key twice")
    return values


def _text(path: Path, line: int, key: str, value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else None if math.isnan(value) else "inf" if value > 0 else "-inf"
    raise TableError(
        f"column {quoted(key)} of '{path}' must hold single values, but line {line:,} has a {type(value).__name__}. "
        "Name it in data.drop, or split it into several columns."
    )
