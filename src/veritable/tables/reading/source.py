"""How a table is read, and a table as a source of batches."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar

import pyarrow as pa
from pydantic import Field

from veritable.errors import TableError
from veritable.params import MachineParams
from veritable.stored import STRICT
from veritable.tables.params import DataParams

THREADS = 2  # per table; Arrow and numpy release the interpreter lock
T = TypeVar("T")
_LIMITS = ("max_rows", "max_bytes")
_HERE_ONLY = ("database", "query", *_LIMITS)  # concern this table and this machine, not new rows


@dataclass(frozen=True)
class Reading:
    """How a table is read. A format ignores what does not concern it, such as the delimiter of a Parquet file.

    Attributes
    ----------
    columns
        Column names of a file without a header line.
    header
        Whether the first line has the column names; None to find out.
    delimiter
        Delimiter; None to find it among comma, semicolon, tab and `|`.
    encoding
        Encoding of a text file. A byte order mark is optional.
    missing
        Texts that stand for a missing value.
    max_rows, max_bytes
        Maximum number of rows, and of bytes of decompressed text.
    database
        SQLAlchemy URL without a password.
    query
        SQL for `database`, or for a path that is an SQLite file.
    pseudonymise
        Columns whose values are replaced by pseudonyms.
    pseudonym_key
        Fingerprint of the key of the pseudonyms.
    """

    __pydantic_config__ = STRICT
    columns: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    header: bool | None = None
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] | None = None
    encoding: str = "utf-8"
    missing: tuple[str, ...] = ("",)
    max_rows: int = 10**9
    max_bytes: int = 10**12
    database: str | None = None
    query: str | None = None
    pseudonymise: tuple[str, ...] = ()
    pseudonym_key: str | None = None

    @classmethod
    def of(cls, params: DataParams, machine: MachineParams | None = None) -> Self:
        """Return what section `data` says about reading, with the limits of section `machine`, or the defaults without it."""
        given = {each.name: getattr(params, each.name) for each in fields(cls) if each.name not in _LIMITS}
        limits = {} if machine is None else {name: getattr(machine, name) for name in _LIMITS}
        return cls(**{key: tuple(each) if isinstance(each, list) else each for key, each in (given | limits).items()})

    def to_json(self) -> dict[str, Any]:
        """Return a dict of JSON types with what new rows need: neither the place of this table nor the limits on its size."""
        needed = {key: value for key, value in asdict(self).items() if key not in _HERE_ONLY}
        if not self.pseudonymise:
            del needed["pseudonymise"], needed["pseudonym_key"]
        return {key: list(each) if isinstance(each, tuple) else each for key, each in needed.items()}


def check_new_rows(reading: Reading) -> Reading:
    """Return what a contract says about reading, which must not name another place than the table that is given.

    Raises
    ------
    ValueError
        It does, or it has other limits than the defaults.
    """
    if any(getattr(reading, key) != getattr(Reading(), key) for key in _HERE_ONLY):
        raise ValueError(f"must hold no {', '.join(_HERE_ONLY)}, but does")
    return reading


@dataclass(frozen=True)
class Source:
    """A table that is read in batches.

    Attributes
    ----------
    path
        File or folder.
    names
        Names of the columns, all different.
    text
        Whether all columns are texts, as they are in the file. If not, they have the types of the file.
    pieces
        Function that returns the rows in batches.
    schema
        Types of the columns, if they are known before the rows are read.
    """

    path: Path
    names: tuple[str, ...]
    text: bool
    pieces: Callable[[], Iterator[pa.RecordBatch]]
    schema: pa.Schema | None
    max_rows: int = 10**9

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Return all rows in batches. Each call starts with the first row.

        Raises
        ------
        TableError
            The file is damaged, or has no rows or more than `max_rows`.
        """
        rows = 0
        for piece in self.pieces():
            rows += piece.num_rows
            if rows > self.max_rows:
                raise TableError(
                    f"table '{self.path}' must have at most {self.max_rows:,} rows, but has more. "
                    "Raise machine.max_rows if that is intended."
                )
            if piece.num_rows:
                yield piece
        if not rows:
            raise TableError(f"table '{self.path}' must have rows, but has none. Check data.path.")


def kept_names(path: Path, names: tuple[str, ...], skip: frozenset[str]) -> tuple[str, ...]:
    """Return the names of the columns that are read.

    Raises
    ------
    TableError
        A name is blank or is not unique, or no name is left.
    """
    if len(names) != len(set(names)):
        repeated = next(name for i, name in enumerate(names) if name in names[:i])
        raise TableError(
            f"table '{path}' must have a different name for each column, but two are named {quoted(repeated)}. "
            "Rename one, or set data.header: false if the file has no header line."
        )
    if blank := [i for i, name in enumerate(names, 1) if not name.strip()]:
        raise TableError(
            f"table '{path}' must have a name for each column, but column {blank[0]:,} of {len(names):,} has none. Name it."
        )
    left = tuple(name for name in names if name not in skip)
    if not left:
        raise TableError(f"table '{path}' must have columns that are not in data.drop, but has none: all {len(names):,} are.")
    return left


def reason(error: Exception) -> str:
    """Return the first line of an error message, without the full stop, to be used within a sentence."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0].strip().rstrip(".")[:300]


def quoted(text: str) -> str:
    """Return a text in quotes, on one line, and shortened if it is long."""
    plain = "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text[:121])
    return f"'{plain[:120]}...'" if len(plain) > 120 else f"'{plain}'"


def preview(names: Sequence[str]) -> str:
    """Return names in quotes for a message, at most the first twelve of them."""
    shown = ", ".join(map(quoted, names[:12]))
    return f"{shown} and {len(names) - 12:,} more" if len(names) > 12 else shown


def prefetch(batches: Iterable[T]) -> Iterator[T]:
    """Yield the same batches, while the next one is made in a background thread. Errors are raised in their turn."""
    iterator, end = iter(batches), object()
    background = ThreadPoolExecutor(1)
    try:
        coming = background.submit(next, iterator, end)
        while (batch := coming.result()) is not end:
            coming = background.submit(next, iterator, end)
            yield batch  # type: ignore[misc]
    finally:  # does not wait: the garbage collector may close this generator while a thread is being started
        background.shutdown(wait=False, cancel_futures=True)
