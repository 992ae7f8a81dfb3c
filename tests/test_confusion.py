"""The confusion matrix of the report is that of scikit-learn, ordered so that confused classes are near each other."""

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix

from veritable.metrics.curves import confusion_frame
from veritable.reporting.confusion import order_by_similarity, order_confusion


def codes(classes: int, rows: int = 2000) -> tuple[np.ndarray, np.ndarray]:
    """Return actual and predicted codes; each class is mostly confused with the one that its parity exchanges."""
    draw = np.random.default_rng(0)
    y_true = draw.integers(0, classes, rows)
    y_pred = np.where(draw.random(rows) < 0.6, y_true, np.minimum(y_true ^ 1, classes - 1))
    return y_true, np.where(draw.random(rows) < 0.1, draw.integers(0, classes, rows), y_pred)


@pytest.mark.parametrize("classes", [12, 26, 100])
def test_order(classes: int) -> None:
    """Every class stands next to the one that it is confused with most, and the matrix keeps its counts."""
    y_true, y_pred = codes(classes, 20_000)
    names = [f"c{i:03}" for i in range(classes)]
    found = order_confusion(confusion_frame(y_true, y_pred, names), names)
    shown = [row["actual"] for row in found]
    assert names == sorted(shown)
    assert all(abs(shown.index(names[i]) - shown.index(names[i + 1])) == 1 for i in range(0, classes, 2))
    matrix, place = confusion_matrix(y_true, y_pred), [names.index(name) for name in shown]
    assert matrix[np.ix_(place, place)].tolist() == [[cell["rows"] for cell in row["cells"]] for row in found]


def test_few_classes_keep_their_order() -> None:
    """Up to ten classes stay in their order, which may be one of sizes."""
    y_true, y_pred = codes(10)
    names = [f"c{9 - i}" for i in range(10)]
    assert names == [row["actual"] for row in order_confusion(confusion_frame(y_true, y_pred, names), names)]


def test_what_combines_classes_comes_last() -> None:
    """A row that combines several classes is not ordered among them."""
    counts = np.array([[9, 0, 0, 9], [0, 9, 9, 0], [0, 9, 9, 0], [9, 0, 0, 9]])
    assert 3 == order_by_similarity(counts, [True, True, True, False])[-1]
