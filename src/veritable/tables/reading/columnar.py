"""Read Parquet and Arrow files (also Feather) in batches. The columns have the types of the file."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from veritable.errors import TableError
from veritable.tables.reading.source import Reading, Source, kept_names, quoted, reason

_BATCH_ROWS = 2**16
_BATCH_CELLS = 2**21
_MIN_ROWS = 1024  # of a batch: smaller ones of many columns are slow
_BUFFER_BYTES = 2**20  # per column; without a buffer, Arrow reads a whole row group


def open_parquet(path: Path, reading: Reading, skip: frozenset[str] = frozenset()) -> Source:
    """Open a Parquet file.

    Raises
    ------
    TableError
        It is not a Parquet file, or has nested or binary columns outside `skip`.
    """

    def open_file() -> pq.ParquetFile:
        return pq.ParquetFile(path, pre_buffer=False, buffer_size=_BUFFER_BYTES)  # pre_buffer keeps the whole file in memory

    def pieces(names: tuple[str, ...]) -> Iterator[pa.RecordBatch]:
        rows = min(_BATCH_ROWS, max(_MIN_ROWS, _BATCH_CELLS // len(names)))
        with open_file() as file:
            every = len(names) == len(file.schema_arrow.names)
            for batch in file.iter_batches(rows, columns=None if every else list(names)):
                chosen = batch.select(names)  # a column "a" is read together with "a.b"
                _validate(chosen)
                yield chosen

    def schema() -> pa.Schema:
        with open_file() as file:
            return file.schema_arrow

    return _source(path, reading, skip, "Parquet", schema, pieces)


def open_arrow(path: Path, reading: Reading, skip: frozenset[str] = frozenset()) -> Source:
    """Open an Arrow IPC file, such as Feather, or an Arrow IPC stream.

    Raises
    ------
    TableError
        It is not an Arrow file, or has nested or binary columns outside `skip`.
    """

    def batches(file: pa.NativeFile) -> Iterator[pa.RecordBatch]:
        if file.read_at(6, 0) != b"ARROW1":
            yield from pa.ipc.open_stream(file)
            return
        reader = pa.ipc.open_file(file)
        yield from map(reader.get_batch, range(reader.num_record_batches))

    def pieces(names: tuple[str, ...]) -> Iterator[pa.RecordBatch]:
        rows = min(_BATCH_ROWS, max(_MIN_ROWS, _BATCH_CELLS // len(names)))
        with pa.memory_map(str(path)) as file:
            for batch in batches(file):
                chosen = batch.select(names)
                _validate(chosen)
                yield from (chosen.slice(start, rows) for start in range(0, chosen.num_rows, rows))

    def schema() -> pa.Schema:
        with pa.memory_map(str(path)) as file:
            is_file = file.read_at(6, 0) == b"ARROW1"
            return (pa.ipc.open_file(file) if is_file else pa.ipc.open_stream(file)).schema

    return _source(path, reading, skip, "Arrow", schema, pieces)


def _source(
    path: Path,
    reading: Reading,
    skip: frozenset[str],
    kind: str,
    schema: Callable[[], pa.Schema],
    pieces: Callable[[tuple[str, ...]], Iterator[pa.RecordBatch]],
) -> Source:
    def refusal(error: Exception) -> TableError:
        return TableError(
            f"table '{path}' must be a complete {kind} file, but is not: {reason(error)}. Copy it again, or check data.path."
        )

    try:
        found = schema()
        every = tuple(found.names)  # raises if a name is not UTF-8
    except (pa.ArrowException, OSError, ValueError) as error:
        raise refusal(error) from None
    names = kept_names(path, every, skip)
    for name in names:
        _refuse_type(path, name, found.field(name).type)

    def guarded() -> Iterator[pa.RecordBatch]:
        try:
            yield from pieces(names)
        except (pa.ArrowException, OSError) as error:
            raise refusal(error) from None

    return Source(path, names, False, guarded, pa.schema([found.field(name) for name in names]), reading.max_rows)


def _validate(batch: pa.RecordBatch) -> None:
    """Raise an error for texts that are not UTF-8 and for invalid offsets: Arrow would read them, and crash later."""
    batch.validate(full=True)
    for column in batch.columns:
        if pa.types.is_dictionary(column.type):
            column.dictionary.validate(full=True)


def _refuse_type(path: Path, name: str, kind: pa.DataType) -> None:
    inner = kind.value_type if pa.types.is_dictionary(kind) else kind
    nested, binary = (
        pa.types.is_nested(inner) or pa.types.is_interval(inner),
        pa.types.is_binary(inner) or pa.types.is_large_binary(inner),
    )
    if nested or binary or pa.types.is_fixed_size_binary(inner) or pa.types.is_binary_view(inner):
        raise TableError(
            f"column {quoted(name)} of '{path}' must hold single values, but holds values of type {inner}. "
            "Name it in data.drop, or split it into several columns."
        )
