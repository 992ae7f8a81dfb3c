"""Reading tables in tests: all rows of a source, and the words of a refusal."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from veritable.errors import TableError
from veritable.tables.reading.open import open_table
from veritable.tables.reading.source import Reading


def rows(path: Path, skip: frozenset[str] = frozenset(), **how: Any) -> dict[str, list[Any]]:
    """Each column's values; the table is read twice, as it must give the same."""
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
    """The one or two sentences of a refused table."""
    with pytest.raises(TableError) as caught:
        act()
    said = str(caught.value)
    assert "\n" not in said
    assert said.endswith(".")
    assert caught.value.__cause__ is None
    return said


def refused(path: Path, skip: frozenset[str] = frozenset(), **how: Any) -> str:
    """The refusal of a file, when it is opened or when it is read."""
    return refusal(lambda: rows(path, skip, **how))


def write(folder: Path, content: bytes | str, name: str = "table.csv") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def texts(columns: Mapping[str, list[Any]]) -> list[tuple[Any, ...]]:
    """Rows instead of columns."""
    return list(zip(*columns.values(), strict=True))
