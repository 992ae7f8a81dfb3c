"""Helpers that read tables: all rows of a source, and the message of an error."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from veritable.tables.errors import TableError
from veritable.tables.reading.open import open_table
from veritable.tables.reading.source import Reading


def rows(path: Path, skip: frozenset[str] = frozenset(), **how: Any) -> dict[str, list[Any]]:
    """Return the values of each column. The table is read twice and must be the same."""
    source = open_table(path, Reading(**how), skip=skip)
    columns = [{name: [] for name in source.names} for _ in range(2)]
    for each in columns:
        for batch in source.batches():
            assert list(source.names) == batch.schema.names
            for name in source.names:
                each[name] += batch.column(name).to_pylist()
    assert str(columns[0]) == str(columns[1])  # NaN is no NaN
    return columns[0]


def refusal(act: Callable[[], object]) -> str:
    """Return the message of a TableError, which has one or two sentences."""
    with pytest.raises(TableError) as caught:
        act()
    said = str(caught.value)
    assert "\n" not in said
    assert said.endswith(".")
    assert caught.value.__cause__ is None
    return said


def refused(path: Path, skip: frozenset[str] = frozenset(), **how: Any) -> str:
    """Return the message of the error that opening or reading a file raises."""
    return refusal(lambda: rows(path, skip, **how))


def write(folder: Path, content: bytes | str, name: str = "table.csv") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def texts(columns: Mapping[str, list[Any]]) -> list[tuple[Any, ...]]:
    """Return rows instead of columns."""
    return list(zip(*columns.values(), strict=True))
