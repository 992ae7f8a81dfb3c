"""The profile of the report has the shares and the drift of each column."""

from typing import Any

import numpy as np
import pytest

from tests.pictures import parse
from veritable.figures.svg import Figure
from veritable.reporting.profile import describe_profile


def profiles(train: list[int], test: list[int], **column: Any) -> list[dict[str, Any]]:
    facts = {"name": "x", "kind": "number", "edges": [0.0, 1.0, 2.0, 4.0], **column}
    counts = (("train", train), ("test", test))
    return [{"columns": [facts | {"counts": {part: each}}]} for part, each in counts]


def test_missing() -> None:
    """The shares of missing values are those of the last bin."""
    found = describe_profile(*profiles([0, 30, 30, 30, 0, 10], [0, 5, 5, 5, 0, 5]))["x"]
    assert [0.1, 0.25] == found["missing"]


def test_drift() -> None:
    """The index is the sum of (p - q) log(p / q) over the bins; what chance explains is 0."""
    train, test = np.array([0, 400, 400, 200, 0, 0]), np.array([0, 100, 400, 500, 0, 0])
    p, q = train[1:4] / 1000, test[1:4] / 1000
    found = describe_profile(*profiles(train.tolist(), test.tolist()))["x"]
    assert float(((p - q) * np.log(p / q)).sum()) == pytest.approx(found["drift"], rel=0.05)
    assert 0.0 == describe_profile(*profiles([0, 40, 40, 20, 0, 0], [0, 5, 5, 2, 0, 0]))["x"]["drift"]


def test_picture() -> None:
    """A bin that is twice as wide is drawn half as high for the same share."""
    picture = describe_profile(*profiles([0, 30, 30, 30, 0, 0], [0, 10, 10, 10, 0, 0]))["x"]["picture"]
    bars = [each for each in parse(Figure(picture)).iter() if each.tag.endswith("rect")]
    heights, widths = ([float(bar.get(name) or 0) for bar in bars] for name in ("height", "width"))
    assert [30, 30, 60] == pytest.approx(widths)
    assert heights[0] == pytest.approx(2 * heights[2])


@pytest.mark.parametrize(
    "column", [{"edges": [3.0, 3.0]}, {"edges": [], "levels": ["a", "b", "c"], "kind": "category"}, {"edges": []}], ids=str
)
def test_any_column(column: dict[str, Any]) -> None:
    """A single value, a category and a part without rows have a picture."""
    n = 4 if column["edges"] else 5
    for test in ([2] * n, [0] * n):
        found = describe_profile(*profiles([3] * n, test, **column))["x"]
        assert found["picture"].startswith("<svg ")
        assert np.isfinite(found["drift"])
