"""Predictions for the rows of a part, stored as a Parquet table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from veritable.tables.encoding.parts import Part

_SENSITIVE = "sensitive "


@dataclass(frozen=True)
class PartPredictions:
    """Predictions of a classifier for the rows of a part.

    Shape: row (n,), y_true (n,), y_pred (n,), y_prob (n, n_classes), weight (n,), each of sensitive (n,)

    Attributes
    ----------
    row
        Row numbers in the table.
    weight
        Weight of each row; None if all rows count the same.
    sensitive
        Values of each sensitive column as text, None where missing.
    """

    row: np.ndarray
    y_true: np.ndarray
    y_pred: np.ndarray
    y_prob: np.ndarray
    weight: np.ndarray | None = None
    sensitive: Mapping[str, np.ndarray] = field(default_factory=dict)

    @classmethod
    def from_part(cls, part: Part, y_pred: np.ndarray, y_prob: np.ndarray) -> Self:
        """Combine the rows of a part with what is predicted for them."""
        return cls(part.row, part.y, y_pred, y_prob, part.weight)

    def write(self, path: Path, classes: list[str]) -> None:
        """Write a Parquet file with the columns `row`, `actual`, `predicted` and "p <class>" for each class.

        Where the table has them, `weight` and "sensitive <column>" stand before the probabilities.
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
    def read(cls, path: Path | IO[bytes], classes: list[str]) -> Self:
        """Read a file that `write` wrote."""
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

    @staticmethod
    def read_predicted(path: Path, classes: list[str]) -> np.ndarray:
        """Read only the predicted classes of a file that `write` wrote. Shape: (n,)"""
        code = {name: code for code, name in enumerate(classes)}
        return np.array([code[name] for name in pq.read_table(path, columns=["predicted"])["predicted"].to_pylist()])

    @classmethod
    def together(cls, parts: Sequence[Self]) -> Self:
        """Return the rows of several parts, without the sensitive columns."""
        weights = [each.weight for each in parts if each.weight is not None]
        return cls(
            np.concatenate([each.row for each in parts]),
            np.concatenate([each.y_true for each in parts]),
            np.concatenate([each.y_pred for each in parts]),
            np.concatenate([each.y_prob for each in parts]),
            np.concatenate(weights) if weights else None,
        )

    def take(self, rows: np.ndarray) -> Self:
        """Return some of the rows, without the sensitive columns. Shape: (m,) positions"""
        weight = None if self.weight is None else self.weight[rows]
        return type(self)(self.row[rows], self.y_true[rows], self.y_pred[rows], self.y_prob[rows], weight)


def write_held_out(folder: Path, predictions: PartPredictions, fold: np.ndarray | None, classes: list[str]) -> None:
    """Write predictions for rows that the models were not fitted on: fold-1.parquet and so on, or valid.parquet.

    Parameters
    ----------
    fold
        Fold of each row, from 0; None without folds. Shape: (n,)
    """
    if fold is None:
        predictions.write(folder / "valid.parquet", classes)
    else:
        for number in range(int(fold.max()) + 1):
            predictions.take(np.flatnonzero(fold == number)).write(folder / f"fold-{number + 1}.parquet", classes)


def read_held_out(folder: Path, classes: list[str]) -> tuple[PartPredictions, list[PartPredictions]]:
    """Read what `write_held_out` wrote: all rows, and the rows of each fold; no folds if there are none."""
    folds = [PartPredictions.read(path, classes) for path in sorted(folder.glob("fold-*.parquet"))]
    return PartPredictions.together(folds) if folds else PartPredictions.read(folder / "valid.parquet", classes), folds
