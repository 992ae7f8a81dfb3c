"""How a table is read, and a table that can be read again and again."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Self

import pyarrow as pa

from veritable.params import MachineParams
from veritable.tables.errors import TableError
from veritable.tables.params import DataParams

_LIMITS = ("max_rows", "max_bytes")
_HERE_ONLY = ("database", "query", *_LIMITS)  # concern this table and this machine, not new rows


@dataclass(frozen=True)
class Reading:
    """How a table is read. What does not concern a format (a delimiter in Parquet) is not looked at."""

    columns: tuple[str, ...] | None = None  # the file has no header line; these are its names
    header: bool | None = None  # None: found
    delimiter: str | None = None  # None: found among , ; tab |
    encoding: str = "utf-8"  # with or without BOM
    missing: tuple[str, ...] = ("",)  # texts that stand for a missing value
    max_rows: int = 10**9
    max_bytes: int = 10**12  # of decompressed text
    database: str | None = None  # SQLAlchemy URL without a password
    query: str | None = None  # SQL; for `database`, or for a path that is an SQLite file

    @classmethod
    def of(cls, params: DataParams, machine: MachineParams | None = None) -> Self:
        """Return what section `data` says about reading, with the limits of section `machine`, or the defaults without it."""
        given = {each.name: getattr(params, each.name) for each in fields(cls) if each.name not in _LIMITS}
        limits = {} if machine is None else {name: getattr(machine, name) for name in _LIMITS}
        return cls(**given | limits | {"columns": params.columns and tuple(params.columns), "missing": tuple(params.missing)})

    def to_json(self) -> dict[str, Any]:
        """A plain dict, to be stored with the classifier so that new rows are read alike; where from is left out."""
        plain = {key: value for key, value in asdict(self).items() if key not in _HERE_ONLY}
        return plain | {"columns": self.columns and list(self.columns), "missing": list(self.missing)}

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Self:
        """What `to_json` gave."""
        return cls(**{**plain, "columns": plain["columns"] and tuple(plain["columns"]), "missing": tuple(plain["missing"])})


@dataclass(frozen=True)
class Source:
    """A table in pieces.

    Attributes
    ----------
    path
        The file or folder.
    names
        Of the columns: texts, each different.
    text
        All columns are texts as they stand in the file; else they have the file's types.
    schema
        The columns' types where they are known before the rows are read.
    """

    path: Path
    names: tuple[str, ...]
    text: bool
    pieces: Callable[[], Iterator[pa.RecordBatch]]
    schema: pa.Schema | None
    max_rows: int = 10**9

    def batches(self) -> Iterator[pa.RecordBatch]:
        """All rows from the first on, each time it is called.

        Raises
        ------
        TableError
            The file turns out to be damaged, to have no rows or more than `max_rows`.
        """
        rows = 0
        for piece in self.pieces():
            rows += piece.num_rows
            if rows > self.max_rows:
                raise TableError(
                    f"table '{self.path}' must have at most {self.max_rows:,} rows, however it has more. "
                    "Raise machine.max_rows in params.yaml if that is meant."
                )
            if piece.num_rows:
                yield piece
        if not rows:
            raise TableError(f"table '{self.path}' must have rows, however it has none. Check data.path in params.yaml.")


def kept(path: Path, names: tuple[str, ...], skip: frozenset[str]) -> tuple[str, ...]:
    """The names that are read.

    Raises
    ------
    TableError
        A name that is blank or stands twice, or none that is left.
    """
    if len(names) != len(set(names)):
        double = next(name for i, name in enumerate(names) if name in names[:i])
        raise TableError(
            f"table '{path}' must name each column once, however {quoted(double)} stands twice. "
            "Rename one; in a file without a header line set data.header: false in params.yaml."
        )
    if blank := [i for i, name in enumerate(names, 1) if not name.strip()]:
        raise TableError(
            f"table '{path}' must name each column, however column {blank[0]:,} of {len(names):,} has no name. Give it one."
        )
    left = tuple(name for name in names if name not in skip)
    if not left:
        raise TableError(f"table '{path}' must have columns that are not in data.drop, however all {len(names):,} are.")
    return left


def reason(error: Exception) -> str:
    """What a library says, as a part of a sentence: its first line, without the full stop."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0].strip().rstrip(".")[:300]


def quoted(text: str) -> str:
    """In quotes, on one line, and cut where it is long."""
    plain = "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text[:121])
    return f"'{plain[:120]}...'" if len(plain) > 120 else f"'{plain}'"


def some(names: Sequence[str]) -> str:
    """Names in quotes, the first twelve of many, and of a long one its head."""
    shown = ", ".join(map(quoted, names[:12]))
    return f"{shown} and {len(names) - 12:,} more" if len(names) > 12 else shown
