"""Predictions can be written and read back."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.rooms import HOSTILE
from veritable.evaluation.predictions import PartPredictions
from veritable.tables.encoding.parts import Part

SENSITIVE = {"sex": np.array(["f", None, "m"], dtype=object), "row": np.array(["1", "2", None], dtype=object)}


def part(weight: np.ndarray | None = None) -> Part:
    return Part(np.array([7, 3, 9]), np.array([1, 0, 1]), np.zeros((3, 1), np.float32), weight)


@pytest.mark.parametrize("weight", [None, np.array([1.5, 0.0, 2.0])])
@pytest.mark.parametrize("sensitive", [{}, SENSITIVE])
@pytest.mark.parametrize("classes", [["no", "yes"], HOSTILE, [f"{n}" for n in range(1000)]], ids=len)
def test_written_is_read(
    tmp_path: Path, classes: list[str], sensitive: dict[str, np.ndarray], weight: np.ndarray | None
) -> None:
    """Rows, classes, probabilities, weights and sensitive values are read as they were written, whatever the class names."""
    y_prob = np.random.default_rng(0).dirichlet(np.ones(len(classes)), size=3)
    written = replace(PartPredictions.from_part(part(weight), np.array([0, 0, 1]), y_prob), sensitive=sensitive)
    written.write(tmp_path / "p.parquet", classes)
    read = PartPredictions.read(tmp_path / "p.parquet", classes)
    for name in ("row", "y_true", "y_pred", "y_prob"):
        assert getattr(written, name).tolist() == getattr(read, name).tolist(), name
    assert (weight is None and read.weight is None) or weight.tolist() == read.weight.tolist()
    assert {name: values.tolist() for name, values in sensitive.items()} == {
        name: values.tolist() for name, values in read.sensitive.items()
    }


def test_people_read_names(tmp_path: Path) -> None:
    """The file has the names of classes and columns."""
    predictions = PartPredictions.from_part(part(np.ones(3)), np.array([0, 0, 1]), np.full((3, 2), 0.5))
    predictions = replace(predictions, sensitive=SENSITIVE)
    predictions.write(tmp_path / "p.parquet", ["no", "yes"])
    frame = pd.read_parquet(tmp_path / "p.parquet")
    assert ["row", "actual", "predicted", "weight", "sensitive sex", "sensitive row", "p no", "p yes"] == list(frame.columns)
    assert ["yes", "no", "yes"] == frame["actual"].tolist()
