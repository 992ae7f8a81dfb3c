"""Tables of the stages keep their names as texts, and their missing numbers as missing."""

import numpy as np
import pandas as pd
import pytest

from veritable.reporting.frames import read_frame

NAMES = ["NA", "007", "", "nan", "1e5", "=1"]


@pytest.mark.parametrize("name", ["class", "column", "model", "actual"])
def test_names_are_texts(name: str) -> None:
    """A name that looks like a number or a missing value stays the same text."""
    frame = pd.DataFrame({name: NAMES, "value": [0.5, np.nan, 1, 2, 3, 4]})
    read = read_frame(frame.to_csv(index=False).encode())
    assert NAMES == read[name].tolist()
    assert [0.5, None, 1, 2, 3, 4] == [None if np.isnan(each) else each for each in read["value"]]


def test_predicted_is_a_name_beside_actual_only() -> None:
    """The predicted class of a confusion matrix is a name, the predicted probability of a calibration curve a number."""
    confusion = read_frame(b"actual,predicted,rows\n1,0,5\n")
    assert ["0"] == confusion["predicted"].tolist()
    assert [0.25] == read_frame(b"class,predicted,observed\na,0.25,0.5\n")["predicted"].tolist()
