"""Predictions of a part as a table of their own, for people and for the stages that judge them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from veritable.tables.encoding.parts import Part

_SENSITIVE = "sensitive "


@dataclass(frozen=True)
class PartPredictions:
    """What a classifier says of the rows of a part.

    Attributes
    ----------
    weight
        How much each row counts; None: all the same.
    sensitive
        The values of each sensitive column as text, None where missing.

    Shape: row (n,), y_true (n,), y_pred (n,), y_prob (n, classes), weight (n,), each of sensitive (n,)
    """

    row: np.ndarray
    y_true: np.ndarray
    y_pred: np.ndarray
    y_prob: np.ndarray
    weight: np.ndarray | None = None
    sensitive: Mapping[str, np.ndarray] = field(default_factory=dict)

    @classmethod
    def of(cls, part: Part, y_pred: np.ndarray, y_prob: np.ndarray) -> Self:
        """What is predicted for the rows of `part`."""
        return cls(part.row, part.y, y_pred, y_prob, part.weight)

    def write(self, path: Path, classes: list[str]) -> None:
        """As Parquet: `row` (its number in the table), `actual`, `predicted`, a probability per class, "p <class>".

        And before the probabilities `weight` and "sensitive <column>", where the table has them.
        """
        names = np.array(classes, dtype=object)
        columns = {
            "row": pa.array(self.row),
            "actual": pa.array(names[self.y_true], pa.string()),
            "predicted": pa.array(names[self.y_pred], pa.string()),
        }
        if self.weight is not None:
            columns["weight"] = pa.array(self.weight)
        columns |= {_SENSITIVE + name: pa.array(values, pa.string()) for name, values in self.sensitive.items()}
        columns |= {f"p {name}": pa.array(np.ascontiguousarray(self.y_prob[:, code])) for code, name in enumerate(classes)}
        pq.write_table(pa.table(columns), path)

    @classmethod
    def read(cls, path: Path, classes: list[str]) -> Self:
        """What `write` wrote."""
        table, code = pq.read_table(path), {name: code for code, name in enumerate(classes)}
        actual, predicted = (
            np.array([code[name] for name in table[column].to_pylist()], dtype=np.int64) for column in ("actual", "predicted")
        )
        y_prob = np.empty((len(table), len(classes)))
        for number, name in enumerate(classes):
            y_prob[:, number] = table[f"p {name}"].to_numpy()
        weight = table["weight"].to_numpy() if "weight" in table.column_names else None
        sensitive = {
            name.removeprefix(_SENSITIVE): table[name].to_numpy(zero_copy_only=False)
            for name in table.column_names
            if name.startswith(_SENSITIVE)
        }
        return cls(table["row"].to_numpy(), actual, predicted, y_prob, weight, sensitive)
