"""Read a table of the benchmark into frames, and cast categories for several peers. Needs only numpy and pandas."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import pandas as pd

PART = "part"


class Part(NamedTuple):
    """Rows of one part, in the order of the file.

    Shape: X (n, columns), numbers as float64 and categories as text, missing values as NaN; y (n,) int64, class codes
    """

    X: pd.DataFrame
    y: np.ndarray


class Kinds(NamedTuple):
    """Column names by kind, and the number of classes."""

    numbers: list[str]
    categories: list[str]
    n_classes: int


class Limits(NamedTuple):
    """Limits for a contestant. `seconds` is for those that use all the time they get."""

    seed: int
    threads: int
    seconds: float


def facts_of(table: Path) -> dict[str, Any]:
    """Read the facts that make.py wrote about a table: target, classes, numbers, categories."""
    facts: dict[str, Any] = json.loads(table.with_suffix(".json").read_text())
    return facts


def read(table: Path) -> dict[str, Part]:
    """Read the parts of a table, by name."""
    facts = facts_of(table)
    texts = [*facts["categories"], facts["target"], PART]
    frame = pd.read_csv(
        table,
        dtype=dict.fromkeys(facts["numbers"], "float64") | dict.fromkeys(texts, object),
        na_values=[""],
        keep_default_na=False,
        float_precision="round_trip",
    )
    code_of = {name: code for code, name in enumerate(facts["classes"])}
    y = frame[facts["target"]].map(code_of).to_numpy(dtype=np.int64)
    X = frame[facts["numbers"] + facts["categories"]]
    rows = {name: np.flatnonzero(frame[PART] == name) for name in ("train", "valid", "test")}
    return {name: Part(X.iloc[chosen].reset_index(drop=True), y[chosen]) for name, chosen in rows.items()}


def together(first: Part, second: Part) -> Part:
    """Append the rows of a part to those of another."""
    return Part(pd.concat([first.X, second.X], ignore_index=True), np.concatenate([first.y, second.y]))


@dataclass(frozen=True)
class Categories:
    """Categories of the rows to fit on, for libraries that use pandas' dtype. Any other level becomes missing."""

    dtypes: dict[str, pd.CategoricalDtype]

    @classmethod
    def of(cls, X: pd.DataFrame, kinds: Kinds) -> Self:
        return cls({name: pd.CategoricalDtype(sorted(X[name].dropna().unique())) for name in kinds.categories})

    def cast(self, X: pd.DataFrame) -> pd.DataFrame:
        return X.assign(**{name: pd.Categorical(X[name], dtype=dtype) for name, dtype in self.dtypes.items()})
