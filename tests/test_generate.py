"""The demo table."""

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import make_classification

from tests.rooms import params
from veritable.tables.generate import make_table
from veritable.tables.params import GenerateParams


def test_demo() -> None:
    """The params of the template make the table of make_classification with 1,000 rows, 10 features and seed 42."""
    X, y = make_classification(n_samples=1000, n_features=10, n_informative=2, n_redundant=2, n_classes=2, random_state=42)
    frame = make_table(params(GenerateParams, "generate"))
    assert [*(f"feature_{i}" for i in range(10)), "target"] == list(frame.columns)
    np.testing.assert_array_equal(X, frame.drop(columns="target"))
    np.testing.assert_array_equal(y, frame["target"])


@pytest.mark.parametrize(
    "change",
    [
        {"n_samples": 999},
        {"n_features": 11},
        {"n_informative": 3},
        {"n_redundant": 1},
        {"n_classes": 3, "n_informative": 3},
        {"seed": 1},
    ],
    ids=str,
)
def test_every_knob_matters(change: dict[str, int]) -> None:
    """The table depends on each parameter, and on nothing else."""
    frame = make_table(params(GenerateParams, "generate"))
    pd.testing.assert_frame_equal(frame, make_table(params(GenerateParams, "generate")))
    assert not frame.equals(make_table(params(GenerateParams, "generate", **change)))
