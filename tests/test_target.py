"""Classes of the target."""

from typing import Any

import pyarrow as pa
import pytest

from tests.rooms import batched, data_params
from tests.sources import refusal
from veritable.progress import progress
from veritable.tables.reading.source import preview
from veritable.tables.scan import Spool, scan
from veritable.tables.typing.target import as_labels, find_classes


def found(values: list[Any], kind: pa.DataType | None = None, **changes: Any) -> tuple[list[str], list[int]]:
    """Return the classes, and the code of each row."""
    table = pa.table({"x": list(range(len(values))), "target": pa.array(values, kind)})
    params = data_params(**changes)
    with Spool() as spool:
        scanned = scan(batched(table, 5), None, params, spool, progress())
        classes, y = find_classes(scanned.surveys["target"], scanned.column("target"), params)
    return classes, y.tolist()


@pytest.mark.parametrize(
    ("values", "classes"),
    [
        (["b", "a", "b", "a"], ["a", "b"]),
        (["10", "9", "10", "9"], ["9", "10"]),
        ([1.0, 0.0, 1.0, 0.0], ["0", "1"]),
        ([2.5, -1.0, 2.5, -1.0], ["-1", "2.5"]),
        ([3, 1, 2, 3, 2, 1], ["1", "2", "3"]),
        ([True, False], ["false", "true"]),
        ([" yes", "no ", "yes", "no"], ["no", "yes"]),
        (["x", "10", "9", "x", "9"], ["10", "9", "x"]),
        (["1_0", "9", "9", "1_0"], ["1_0", "9"]),
        (["2020-01-01", "2021-01-01"], ["2020-01-01", "2021-01-01"]),
        (["01", "1.5"], ["01", "1.5"]),
    ],
    ids=str,
)
def test_classes(values: list[Any], classes: list[str]) -> None:
    """Classes are texts, sorted as numbers if all are numbers, and else alphabetically."""
    names, codes = found(values)
    assert classes == names
    written = [str(each).strip().lower() if not isinstance(each, float) else f"{each:g}" for each in values]
    assert written == [names[code] for code in codes]


def test_rows_without_a_target() -> None:
    """A missing target is not a class, however it is written."""
    assert (["a", "b"], [0, -1, 1, -1, -1, 0]) == found(["a", None, "b", "?", " ", "a"])


def test_positive_stands_last() -> None:
    """The positive class of two has code 1, whatever the type of data.positive."""
    assert (["b", "a"], [1, 0]) == found(["a", "b"], positive="a")
    assert (["1", "0"], [1, 0]) == found([0, 1], positive=0)
    assert (["0", "1"], [0, 1]) == found([0, 1], positive=1)


@pytest.mark.parametrize(
    ("values", "classes"),
    [(["a"] * 39 + ["b"] * 61, ["b", "a"]), (["a"] * 40 + ["b"] * 60, ["a", "b"]), (["a"] * 90 + ["b"] * 10, ["a", "b"]),
     (list("aabbcccc"), ["a", "b", "c"])],
    ids=["39 %", "40 %", "90 %", "three classes"],
)  # fmt: skip
def test_auto_takes_the_clearly_rarer_class(values: list[str], classes: list[str]) -> None:
    """With `auto` a class with less than 40 % of the rows is the positive one, else the last in sorted order."""
    names, codes = found(values, positive="auto")
    assert classes == names
    assert values == [names[code] for code in codes]


@pytest.mark.parametrize(("values", "positive"), [([True, False], False), ([0.0, 1.0], 0.0)])
def test_positive_as_yaml_has_it(values: list[Any], positive: bool | float) -> None:
    """The YAML values false and 0.0 name the labels of false and 0.0 in the table."""
    assert 1 == found(values, positive=positive)[1][values.index(positive)]


def test_labels() -> None:
    """data.labels renames labels, and labels of the same name are one class."""
    assert (["<=50K", ">50K"], [0, 0, 1, 1]) == found(
        ["<=50K", "<=50K.", ">50K.", ">50K"], labels={"<=50K.": "<=50K", ">50K.": ">50K"}
    )
    assert (["1", "2"], [0, 0, 1]) == found(["1", "1.0", "2"], labels={"1.0": "1"})


def test_declared_type_does_not_matter() -> None:
    """The target is read as labels, whatever its type in data.types."""
    for declared in ("number", "category", "boolean", "date"):
        assert (["0", "1"], [0, 1, 1, 0]) == found(["0", "1", "1", "0"], types={"target": declared})


@pytest.mark.parametrize(
    ("values", "changes", "words"),
    [
        (["1", "1.0", "2"], {}, "must write each class in one way, but '1', '1.0' are the same number. Rename one"),
        (["a", "a", "a"], {}, "must have at least two classes, but has one: 'a' (3 rows)."),
        (["a", "a", "b"], {"labels": {"b": "a"}}, "must have at least two classes, but has one: 'a' (3 rows)."),
        ([None, "?", ""], {}, "must hold classes, but is missing in all 3 rows."),
        ([f"u{i}" for i in range(50)], {}, "must hold classes, but 50 of its 50 values occur in one row only"),
        ([i / 8 for i in range(50)] * 2, {}, "1,000 classes, but has 50 different numbers with fractions in 100 rows"),
        ([f"u{i}" for i in range(1001)] * 2, {}, "at most 1,000 classes, but has 1,001 different values in 2,002 rows"),
        (["a", "b"], {"labels": {"c": "a"}}, "must rename classes of 'target', but 'c' is none of: 'a', 'b'."),
        (["a", "b"], {"positive": "c"}, "one of two classes, but is 'c', and the classes of 'target' are: 'a', 'b'."),
        (["a", "b", "c"] * 2, {"positive": "c"}, "must be auto or one of two classes"),
    ],
)  # fmt: skip
def test_no_classes(values: list[Any], changes: dict[str, Any], words: str) -> None:
    """A target without usable classes is refused, with the reason."""
    assert words in refusal(lambda: found(values, **changes))


def test_max_classes() -> None:
    """A thousand classes are accepted."""
    assert 1000 == len(found([f"u{i}" for i in range(1000)] * 2)[0])


def test_shown() -> None:
    """Twelve names are listed, then their number."""
    assert "'a', 'b'" == preview(["a", "b"])
    assert preview([str(i) for i in range(1013)]).endswith("'11' and 1,001 more")


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
def test_as_labels(classes: list[str], labels: list[Any]) -> None:
    """Names are converted if all are integers, floats or booleans as Python writes them; otherwise they stay texts."""
    found = as_labels(classes).tolist()
    assert labels == found
    assert [type(label) for label in labels] == [type(label) for label in found]
