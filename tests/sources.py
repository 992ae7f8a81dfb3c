"""Read all rows of a table, or return the message with which it is refused."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from veritable.errors import TableError
from veritable.tables.reading.open import open_table
from veritable.tables.reading.source import Reading


def rows(path: Path, skip: frozenset[str] = frozenset(), **how: Any) -> dict[str, list[Any]]:
    """Return the values of each column. The table is read twice, and must give the same values twice."""
    source = open_table(path, Reading(**how), skip=skip)
    columns = [{name: [] for name in source.names} for _ in range(2)]
    for each in columns:
        for batch in source.batches():
            assert list(source.names) == batch.schema.names
            for name in source.names:
                each[name] += batch.column(name).to_pylist()
    assert str(columns[0]) == str(columns[1])  # as texts, because NaN does not equal NaN
    return columns[0]


def refusal(act: Callable[[], object]) -> str:
    """Return the message of the error, which must be one line of whole sentences without a cause."""
    with pytest.raises(TableError) as caught:
        act()
    said = str(caught.value)
    assert "\n" not in said
    assert said.endswith(".")
    assert caught.value.__cause__ is None
    return said


def refused(path: Path, skip: frozenset[str] = frozenset(), **how: Any) -> str:
    """Return the message with which a file is refused, when it is opened or when it is read."""
    return refusal(lambda: rows(path, skip, **how))


def write(folder: Path, content: bytes | str, name: str = "table.csv") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def texts(columns: Mapping[str, list[Any]]) -> list[tuple[Any, ...]]:
    """Return the rows of a table that is given by its columns."""
    return list(zip(*columns.values(), strict=True))
