"""What the report shows of the confusion matrix agrees with scikit-learn, and is ordered so that confused classes are near."""

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from veritable.metrics.curves import confusion_frame
from veritable.reporting.confusion import order_by_similarity, read_confusion


def codes(classes: int, rows: int = 2000) -> tuple[np.ndarray, np.ndarray]:
    """Return actual and predicted codes; each class is mostly confused with the one that its parity exchanges."""
    draw = np.random.default_rng(0)
    y_true = draw.integers(0, classes, rows)
    y_pred = np.where(draw.random(rows) < 0.6, y_true, np.minimum(y_true ^ 1, classes - 1))
    return y_true, np.where(draw.random(rows) < 0.1, draw.integers(0, classes, rows), y_pred)


@pytest.mark.parametrize("classes", [3, 10, 26])
def test_class_metrics(classes: int) -> None:
    """Rows, recall, precision and F1 of each class are those of scikit-learn, in the order of the classes."""
    y_true, y_pred = codes(classes)
    names = [f"c{i}" for i in range(classes)]
    found = read_confusion(confusion_frame(y_true, y_pred, names), names)
    precision, recall, f1, rows = precision_recall_fscore_support(y_true, y_pred)
    assert names == [each["name"] for each in found["class_metrics"]]
    assert rows.tolist() == [each["rows"] for each in found["class_metrics"]]
    assert f1.tolist() == pytest.approx([each["f1"] for each in found["class_metrics"]])
    for key, expected in (("precision", precision), ("recall", recall)):
        shares = [each[key] for each in found["class_metrics"]]
        assert expected.tolist() == pytest.approx([share["value"] for share in shares])
        assert all(share["low"] <= share["value"] <= share["high"] for share in shares)


def test_undefined() -> None:
    """A class without rows has no recall, and one that is never predicted no precision."""
    found = read_confusion(confusion_frame(np.array([0, 0, 1]), np.array([0, 2, 0]), list("abc")), list("abc"))["class_metrics"]
    assert (None, 0.0) == (found[2]["recall"]["value"], found[2]["precision"]["value"])
    assert (0.0, None) == (found[1]["recall"]["value"], found[1]["precision"]["value"])


def test_top_confusions() -> None:
    """The ten most frequent confusions are listed with their share of the actual class, and correct rows never."""
    y_true, y_pred = codes(26)
    names = [f"c{i}" for i in range(26)]
    top = read_confusion(confusion_frame(y_true, y_pred, names), names)["top_confusions"]
    matrix = confusion_matrix(y_true, y_pred)
    wrong = matrix - np.diag(np.diag(matrix))
    assert np.sort(wrong.ravel())[::-1][:10].tolist() == [each["rows"] for each in top]
    for each in top:
        i, j = names.index(each["actual"]), names.index(each["predicted"])
        assert i != j
        assert (matrix[i, j], matrix[i, j] / matrix[i].sum()) == (each["rows"], each["share"])


def test_no_confusion() -> None:
    """If no row is predicted wrongly, no confusion is listed."""
    assert [] == read_confusion(confusion_frame(np.arange(3), np.arange(3), list("abc")), list("abc"))["top_confusions"]


@pytest.mark.parametrize("classes", [12, 26, 100])
def test_order(classes: int) -> None:
    """Every class stands next to the one that it is confused with most, and the matrix keeps its counts."""
    y_true, y_pred = codes(classes, 20_000)
    names = [f"c{i:03}" for i in range(classes)]
    found = read_confusion(confusion_frame(y_true, y_pred, names), names)["confusion"]
    shown = [row["actual"] for row in found]
    assert names == sorted(shown)
    assert all(abs(shown.index(names[i]) - shown.index(names[i + 1])) == 1 for i in range(0, classes, 2))
    matrix, place = confusion_matrix(y_true, y_pred), [names.index(name) for name in shown]
    assert matrix[np.ix_(place, place)].tolist() == [[cell["rows"] for cell in row["cells"]] for row in found]


def test_few_classes_keep_their_order() -> None:
    """Up to ten classes stay in their order, which may be one of sizes."""
    y_true, y_pred = codes(10)
    names = [f"c{9 - i}" for i in range(10)]
    assert names == [row["actual"] for row in read_confusion(confusion_frame(y_true, y_pred, names), names)["confusion"]]


def test_what_combines_classes_comes_last() -> None:
    """A row that combines several classes is not ordered among them."""
    counts = np.array([[9, 0, 0, 9], [0, 9, 9, 0], [0, 9, 9, 0], [9, 0, 0, 9]])
    assert 3 == order_by_similarity(counts, [True, True, True, False])[-1]
