"""Read a table once, measure its columns, and keep its rows in a temporary file, the spool."""

import os
import tempfile
from collections.abc import Hashable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import numpy as np
import pyarrow as pa
from rich.markup import escape
from rich.progress import Progress

from veritable.errors import TableError
from veritable.tables.params import DataParams
from veritable.tables.reading.source import THREADS, Source, prefetch, preview
from veritable.tables.typing import inference
from veritable.tables.typing.survey import ColumnSurvey


class Spool:
    """Arrow arrays in a temporary file, each stored under a key. Use it in a `with` statement.

    Each array is an Arrow IPC stream of its own. So arrays of any type can be stored side by side, and one column of a batch
    can be read without the others. Several threads may read at once.
    """

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  closed by __exit__
        self._spans: dict[Hashable, tuple[int, int]] = {}  # offset and length, in bytes
        self._end = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()

    def __contains__(self, key: Hashable) -> bool:
        return key in self._spans

    def put(self, key: Hashable, array: pa.Array) -> None:
        """Store an array. It replaces the earlier array with the same key."""
        batch = pa.RecordBatch.from_arrays([array], names=[""])
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, batch.schema) as writer:
            writer.write_batch(batch)
        buffer = sink.getvalue()
        self._file.write(buffer)
        self._file.flush()  # `get` reads the file itself, not Python's buffer
        self._spans[key] = (self._end, buffer.size)
        self._end += buffer.size

    def get(self, key: Hashable) -> pa.Array:
        """Return the array with this key."""
        offset, length = self._spans[key]
        return pa.ipc.open_stream(os.pread(self._file.fileno(), length, offset)).read_next_batch().column(0)

    def discard(self, key: Hashable) -> None:
        """Forget the array with this key, if there is one."""
        self._spans.pop(key, None)


@dataclass
class Scan:
    """The rows of a table, and what its columns hold.

    The spool holds each column of each batch as it was read and, where texts were parsed as numbers or dates, these.

    Attributes
    ----------
    sizes
        Number of rows of each batch.
    first_test_row
        Number of the first row of a given test file; None without one.
    """

    surveys: dict[str, ColumnSurvey]
    spool: Spool
    sizes: list[int] = field(default_factory=list)
    first_test_row: int | None = None

    @property
    def rows(self) -> int:
        """Number of rows."""
        return sum(self.sizes)

    def batches(self, names: Sequence[str]) -> Iterator[tuple[slice, dict[str, pa.Array]]]:
        """Return the row numbers and the columns `names` of each batch. Shape: (n,) each"""
        first = 0
        for batch, size in enumerate(self.sizes):
            yield slice(first, first + size), {name: self._array(batch, name) for name in names}
            first += size

    def column(self, name: str) -> Iterator[np.ndarray]:
        """Return a column as `ColumnSurvey.read` does, batch by batch. Shape: (n,) float64 each"""
        for batch in range(len(self.sizes)):
            yield self.surveys[name].read(self._array(batch, name))

    def _array(self, batch: int, name: str) -> pa.Array:
        parsed = ("parsed", batch, name)
        return self.spool.get(parsed if parsed in self.spool else ("raw", batch, name))

    def _add(self, measured: Sequence[tuple[pa.Array, pa.Array | None]]) -> None:
        """Store a batch that was measured."""
        batch = len(self.sizes)
        self.sizes.append(len(measured[0][0]))
        for name, (array, parsed) in zip(self.surveys, measured, strict=True):
            self.spool.put(("raw", batch, name), array)
            if parsed is not None:
                self.spool.put(("parsed", batch, name), parsed)

    def _measure_again(self, name: str) -> None:
        """Measure a column over all rows with the form that it ended with."""
        survey = self.surveys[name] = self.surveys[name].again()
        for batch in range(len(self.sizes)):
            self.spool.discard(("parsed", batch, name))
            _, parsed = survey.update(self.spool.get(("raw", batch, name)))
            if parsed is not None:
                self.spool.put(("parsed", batch, name), parsed)


def scan(source: Source, test_source: Source | None, params: DataParams, spool: Spool, bar: Progress) -> Scan:
    """Read the table, and measure each column until all of its rows have the form that the column is taken to have.

    Raises
    ------
    TableError
        A role names a column that is absent, the test file has other columns, or a value is not of its declared type.
    """
    _check_names(source, test_source, params)
    scanned = Scan({name: inference.start(name, params) for name in source.names}, spool)
    for each in filter(None, (source, test_source)):
        if each is test_source:
            scanned.first_test_row = scanned.rows
        _read(each, scanned, bar)
    for name in scanned.surveys:
        while scanned.surveys[name].changed:  # at most three times: see ColumnSurvey.again
            scanned._measure_again(name)
    return scanned


def _read(source: Source, scanned: Scan, bar: Progress) -> None:
    surveys = list(scanned.surveys.values())
    with ThreadPoolExecutor(THREADS) as pool:
        batches = ([batch.column(name) for name in scanned.surveys] for batch in source.batches())
        measured = (list(pool.map(ColumnSurvey.update, surveys, columns)) for columns in prefetch(batches))
        for each in bar.track(prefetch(measured), description=f"reading {escape(source.path.name)}"):
            scanned._add(each)


def _check_names(source: Source, test_source: Source | None, params: DataParams) -> None:
    roles = {key: getattr(params, key) for key in ("target", "id", "group", "time", "weight", "part")}
    named = [(f"data.{key}", name) for key, name in roles.items() if name is not None]
    named += [(f"data.{key}", name) for key in ("sensitive", "withhold", "pseudonymise") for name in getattr(params, key)]
    named += [(f"data.{key}", name) for key in ("types", "missing_codes") for name in getattr(params, key)]
    for key, name in named:
        if name not in source.names and name not in params.drop:
            raise TableError(
                f"{key} must name a column of the table, but names '{name}'. The columns are: {preview(source.names)}. "
                f"Check {key}."
            )
    if test_source is not None and set(test_source.names) != set(source.names):
        odd = sorted(set(test_source.names) ^ set(source.names))
        raise TableError(
            f"data.test_file '{params.test_file}' must have the columns of the table, but only one of them has "
            f"{preview(odd)}. Name the columns that you do not need in data.drop, or correct the file."
        )
