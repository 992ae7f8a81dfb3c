"""Predictions of a part as a table of their own, for people and for the stages that judge them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class PartPredictions:
    """What a classifier says of the rows of a part.

    Shape: row (n,), y_true (n,), y_pred (n,), y_prob (n, classes)
    """

    row: np.ndarray
    y_true: np.ndarray
    y_pred: np.ndarray
    y_prob: np.ndarray

    def write(self, path: Path, classes: list[str]) -> None:
        """As Parquet: `row` (its number in the table), `actual`, `predicted`, and a probability per class, "p <class>"."""
        names = np.array(classes, dtype=object)
        frame = pd.DataFrame({"row": self.row, "actual": names[self.y_true], "predicted": names[self.y_pred]})
        for code, name in enumerate(classes):
            frame[f"p {name}"] = self.y_prob[:, code]
        frame.to_parquet(path, index=False)

    @classmethod
    def read(cls, path: Path, classes: list[str]) -> Self:
        """What `write` wrote."""
        frame, code = pd.read_parquet(path), {name: code for code, name in enumerate(classes)}
        actual, predicted = (frame[column].map(code).to_numpy(np.int64) for column in ("actual", "predicted"))
        return cls(frame["row"].to_numpy(), actual, predicted, frame[[f"p {name}" for name in classes]].to_numpy())
