"""Class names as the labels of the table's reader."""

from typing import Any

import pytest

from veritable.tables.typing.labels import as_labels


@pytest.mark.parametrize(
    ("classes", "labels"),
    [
        (["0", "1"], [0, 1]),
        (["-1", "2"], [-1, 2]),
        (["0.5", "1.5"], [0.5, 1.5]),
        (["false", "true"], [False, True]),
        (["True", "False"], [True, False]),
        (["no", "yes"], ["no", "yes"]),
        (["01", "2"], ["01", "2"]),
        (["1_0", "2"], ["1_0", "2"]),
        (["1e3", "2.0"], ["1e3", "2.0"]),
        (["99999999999999999999", "1"], ["99999999999999999999", "1"]),
        (["0.5", "1"], ["0.5", "1"]),
    ],
    ids=str,
)
def test_labels(classes: list[str], labels: list[Any]) -> None:
    """Names that all are whole numbers, numbers or truth values as Python writes them are these; others stay texts."""
    found = as_labels(classes).tolist()
    assert labels == found
    assert [type(label) for label in labels] == [type(label) for label in found]
