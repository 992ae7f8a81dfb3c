"""Read a table once, column by column learning what it holds, into a spool of numbers."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from rich.markup import escape
from rich.progress import Progress

from veritable.tables.errors import TableError
from veritable.tables.params import DataParams
from veritable.tables.reading.ahead import THREADS, ahead
from veritable.tables.reading.source import some
from veritable.tables.reading.table import Source
from veritable.tables.splitting import hashing
from veritable.tables.spool import Spool
from veritable.tables.typing import inference
from veritable.tables.typing.survey import ColumnSurvey

ROW_KEY, GROUP_KEY = 0, 1  # the spool's keys: hashes of all columns of a row, and of its group or id


@dataclass(frozen=True)
class Scan:
    """A table as numbers.

    Attributes
    ----------
    first_test_row
        Where the rows of a given test file begin; None without one.
    """

    surveys: dict[str, ColumnSurvey]
    spool: Spool
    first_test_row: int | None

    def column(self, name: str) -> Iterator[np.ndarray]:
        """One column, batch by batch. Shape: (n,) float64 each"""
        return self.spool.column(list(self.surveys).index(name))


def scan(source: Source, test_source: Source | None, params: DataParams, spool: Spool, bar: Progress) -> Scan:
    """Read until every row of every column is of the form that the column is taken to have.

    Raises
    ------
    TableError
        A role names a column that is absent, the test file has other columns, or a value is not of its declared type.
    """
    _check_names(source, test_source, params)
    surveys = [inference.start(name, params) for name in source.names]
    first_test_row = _read(surveys, source, test_source, params, spool, bar)
    while any(survey.changed for survey in surveys):  # at most thrice: see ColumnSurvey.again
        spool.clear()
        surveys = [survey.again() for survey in surveys]
        first_test_row = _read(surveys, source, test_source, params, spool, bar)
    return Scan({survey.name: survey for survey in surveys}, spool, first_test_row)


def _read(
    surveys: Sequence[ColumnSurvey],
    source: Source,
    test_source: Source | None,
    params: DataParams,
    spool: Spool,
    bar: Progress,
) -> int | None:
    names = [survey.name for survey in surveys]
    named = params.group or params.id
    group = names.index(named) if named else None
    equal = [i for i, name in enumerate(names) if name != params.part]  # rows of different parts can be equal too
    first_test_row = None
    with ThreadPoolExecutor(THREADS) as pool:
        for each in filter(None, (source, test_source)):
            if each is test_source:
                first_test_row = spool.rows
            batches = ([batch.column(name) for name in names] for batch in each.batches())
            surveyed = (list(pool.map(ColumnSurvey.update, surveys, columns)) for columns in ahead(batches))
            for found in bar.track(ahead(surveyed), description=f"reading {escape(each.path.name)}"):
                stored, keys = [one for one, _ in found], [key for _, key in found]
                row = hashing.hash_rows(keys[i] for i in equal)
                spool.write(stored, [row, row if group is None else keys[group]])
    return first_test_row


def _check_names(source: Source, test_source: Source | None, params: DataParams) -> None:
    roles = {key: getattr(params, key) for key in ("target", "id", "group", "time", "weight", "part")}
    named = [(f"data.{key}", name) for key, name in roles.items() if name is not None]
    named += [("data.sensitive", name) for name in params.sensitive]
    named += [(f"data.{key}", name) for key in ("types", "missing_codes") for name in getattr(params, key)]
    for key, name in named:
        if name not in source.names and name not in params.drop:
            raise TableError(
                f"{key} names the column '{name}', however the table has: {some(source.names)}. Check params.yaml."
            )
    if test_source is not None and set(test_source.names) != set(source.names):
        odd = sorted(set(test_source.names) ^ set(source.names))
        raise TableError(
            f"data.test_file '{params.test_file}' must have the columns of the table, however only one of them has "
            f"{some(odd)}. "
            "Name what you do not need under data.drop, or correct the file."
        )
