"""Temporary storage of Arrow arrays, so that a table is read once and used several times."""

import os
import tempfile
from collections.abc import Hashable
from types import TracebackType
from typing import Self

import pyarrow as pa


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
