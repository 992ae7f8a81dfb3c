"""A table from a file, as a frame, with its target checked."""

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from veritable.tables.errors import TableError
from veritable.tables.params import DataParams

PARTS = ("train", "valid", "test")


def read_table(path: Path, params: DataParams) -> pd.DataFrame:
    """Read a CSV or Parquet file.

    Raises
    ------
    TableError
        The file is missing, empty or no table, or lacks the target or a dropped column.
    """
    if not path.is_file():
        raise TableError(f"table '{path}' must be a file, however there is none. Check data.path in params.yaml.")
    frame = _read_parquet(path) if path.suffix == ".parquet" else _read_csv(path, params)
    frame.columns = frame.columns.map(str)
    if frame.empty:
        raise TableError(f"table '{path}' must have rows, however it has none. Check data.path in params.yaml.")
    for key, names in (("data.target", [params.target]), ("data.drop", params.drop)):
        for name in names:
            if name not in frame.columns:
                raise TableError(f"{key} names the column '{name}', however '{path}' has: {_some(frame.columns)}.")
    return frame.drop(columns=params.drop)


def _read_parquet(path: Path) -> pd.DataFrame:
    try:
        frame = pd.read_parquet(path)
    except (pa.ArrowException, OSError) as error:
        raise TableError(f"table '{path}' must be a Parquet file, however: {error}. Check data.path in params.yaml.") from None
    for name, values in frame.items():
        if (first := values.dropna().head(1).map(type)).isin([np.ndarray, list, dict]).any():
            raise TableError(
                f"column '{name}' must hold single values, however it holds a {first.iloc[0].__name__} in each row. "
                "Take it apart, or drop it from the table."
            )
    return frame


def _read_csv(path: Path, params: DataParams) -> pd.DataFrame:
    try:
        first = pd.read_csv(path, header=None, nrows=1, dtype=str, skipinitialspace=True).iloc[0]
        if not params.columns and (doubles := first[first.duplicated()].dropna()).size:
            raise TableError(
                f"table '{path}' must name each column once, however its first line names '{doubles.iloc[0]}' twice."
            )
        if params.columns and first.size < len(params.columns):
            raise TableError(
                f"data.columns in params.yaml must have a name for each column, however it has {len(params.columns)} names and "
                f"'{path}' {first.size} columns."
            )
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # rows with more fields than names: pandas cuts them off
            return pd.read_csv(
                path,
                header=None if params.columns else 0,
                names=params.columns,
                index_col=False,
                skipinitialspace=True,
                keep_default_na=False,
                na_values=params.missing,
                low_memory=False,
            )
    except pd.errors.ParserWarning:
        names = "data.columns in params.yaml" if params.columns else "its first line"
        raise TableError(
            f"table '{path}' must have a name for each column, however rows have more fields than {names} has names."
        ) from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError, ValueError) as error:
        reason = str(error).strip().rstrip(".")
        raise TableError(
            f"table '{path}' must be a CSV file in UTF-8, however: {reason}. Check data.path in params.yaml."
        ) from None


def _some(names: pd.Index) -> str:
    shown = ", ".join(f"'{name}'" for name in names[:12])
    return f"{shown} and {len(names) - 12} more" if len(names) > 12 else shown


def classes_of(target: pd.Series, params: DataParams) -> list[str]:
    """The classes as text, in order; the positive one of two stands last.

    Raises
    ------
    TableError
        A missing value, fewer than two classes, a class of fewer than three rows, or a positive class that is none.
    """
    name = params.target
    if missing := int(target.isna().sum()):
        raise TableError(
            f"target column '{name}' must be known in every row, however {missing:,} of {len(target):,} are missing. "
            "Remove those rows from the table."
        )
    counts = target.value_counts()
    counts = counts[counts > 0]  # a pandas category may have levels without a row
    if len(counts) < 2:
        raise TableError(
            f"target column '{name}' must have at least two classes, however it has one: '{counts.index[0]}' "
            f"({len(target):,} rows). Check data.target in params.yaml."
        )
    if counts.min() < len(PARTS):
        raise TableError(
            f"target column '{name}' must have {len(PARTS)} rows or more of each class, one for each part, however class "
            f"'{counts.idxmin()}' has {counts.min()} (of {len(counts):,} classes). Check data.target in params.yaml."
        )
    classes = [str(each) for each in np.sort(counts.index.to_numpy())] if _sortable(counts) else sorted(map(str, counts.index))
    if params.positive is None:
        return classes
    positive = str(params.positive)
    if len(classes) != 2 or positive not in classes:
        raise TableError(
            f"data.positive in params.yaml must be null or one of two classes, however it is '{positive}' and the classes "
            f"of '{name}' are: {_some(pd.Index(classes))}."
        )
    return [each for each in classes if each != positive] + [positive]


def _sortable(counts: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(counts.index.dtype)
