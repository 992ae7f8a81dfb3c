"""Predictions for the rows of a part, stored as a Parquet table."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from veritable.models.folder import ModelFolder
from veritable.tables.encoding.parts import Part

_SENSITIVE = "sensitive "
_MAX_EXCESS = 1e-4  # of a sum of probabilities


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
        """Read a file that `write` wrote.

        Raises
        ------
        ValueError
            The file is damaged, or does not hold predictions of these classes. The message continues "'FILE' ...".
        """
        try:
            table = pq.read_table(path)
            table.validate(full=True)
        except (pa.ArrowException, OSError) as error:
            raise ValueError(f"must hold a Parquet table, but is damaged: {error}") from None
        needed = {"row": pa.int64(), "actual": pa.string(), "predicted": pa.string()}
        needed |= {f"p {name}": pa.float64() for name in classes}
        optional = {"weight": pa.float64()} | {
            name: pa.string() for name in table.column_names if name.startswith(_SENSITIVE) and name not in needed
        }
        found = {each.name: each.type for each in table.schema}
        if found != needed | {name: kind for name, kind in optional.items() if name in found} or len(found) < len(table.schema):
            raise ValueError("must hold the predictions of a classifier with the classes that it has, but has other columns")
        if any(table[name].null_count for name in (*needed, "weight") if name in found) or not len(table):
            raise ValueError("must hold a prediction in each row, but does not")
        code = {name: code for code, name in enumerate(classes)}
        if unknown := set(table["actual"].unique().to_pylist() + table["predicted"].unique().to_pylist()) - set(code):
            raise ValueError(f"must hold the classes that the classifier has, but holds {sorted(unknown)[0]!r:.60}")
        actual, predicted = (
            np.array([code[name] for name in table[column].to_pylist()], dtype=np.int64) for column in ("actual", "predicted")
        )
        y_prob = np.stack([table[f"p {name}"].to_numpy() for name in classes], axis=1)
        weight = table["weight"].to_numpy() if "weight" in found else None
        if not ((y_prob >= 0) & (y_prob <= 1)).all() or (np.abs(y_prob.sum(axis=1) - 1) > _MAX_EXCESS).any():
            raise ValueError("must hold probabilities that sum to 1 in each row, but does not")
        if weight is not None and not ((weight >= 0) & np.isfinite(weight)).all():
            raise ValueError("must hold finite weights of 0 or more, but does not")
        sensitive = {
            name.removeprefix(_SENSITIVE): table[name].to_numpy(zero_copy_only=False)
            for name in table.column_names
            if name in optional and name != "weight"
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


def read_held_out(path: Path, classes: list[str]) -> tuple[PartPredictions, list[PartPredictions]]:
    """Read what `write_held_out` wrote to the folder of a classifier: all rows, and the rows of each fold, if there are folds.

    Raises
    ------
    UserError
        A file is absent or damaged.
    """
    folder = ModelFolder.open(path)

    def read(name: str) -> PartPredictions:
        return folder.parse(name, lambda data: PartPredictions.read(io.BytesIO(data), classes))

    folds = [read(name) for name in folder.names(r"fold-\d+\.parquet")]
    return PartPredictions.together(folds) if folds else read("valid.parquet"), folds
