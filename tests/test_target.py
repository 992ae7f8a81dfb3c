"""The classes of a target."""

from typing import Any

import pyarrow as pa
import pytest

from tests.rooms import batched, data_params
from tests.sources import refusal
from veritable.progress import progress
from veritable.tables.reading.source import preview
from veritable.tables.scan import scan
from veritable.tables.spool import Spool
from veritable.tables.typing.target import find_classes


def found(values: list[Any], kind: pa.DataType | None = None, **changes: Any) -> tuple[list[str], list[int]]:
    """The classes, and each row's."""
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
        ([1.0, 0.0, 1.0], ["0", "1"]),
        ([2.5, -1.0, 2.5], ["-1", "2.5"]),
        ([3, 1, 2, 3, 2, 1], ["1", "2", "3"]),
        ([True, False], ["false", "true"]),
        ([" yes", "no ", "yes"], ["no", "yes"]),
        (["x", "10", "9", "x", "9"], ["10", "9", "x"]),
        (["1_0", "9", "9", "1_0"], ["1_0", "9"]),
        (["2020-01-01", "2021-01-01"], ["2020-01-01", "2021-01-01"]),
        (["01", "1.5"], ["01", "1.5"]),
    ],
    ids=str,
)
def test_classes(values: list[Any], classes: list[str]) -> None:
    """Classes are texts: numbers in order of size, all else in that of the alphabet."""
    names, codes = found(values)
    assert classes == names
    written = [str(each).strip().lower() if not isinstance(each, float) else f"{each:g}" for each in values]
    assert written == [names[code] for code in codes]


def test_rows_without_a_target() -> None:
    """A missing target is no class, whatever it is written with."""
    assert (["a", "b"], [0, -1, 1, -1, -1, 0]) == found(["a", None, "b", "?", " ", "a"])


def test_positive_stands_last() -> None:
    """The positive class of two has code 1, whatever type it is given with."""
    assert (["b", "a"], [1, 0]) == found(["a", "b"], positive="a")
    assert (["1", "0"], [1, 0]) == found([0, 1], positive=0)
    assert (["0", "1"], [0, 1]) == found([0, 1], positive=1)


@pytest.mark.parametrize(("values", "positive"), [([True, False], False), ([0.0, 1.0], 0.0)])
def test_positive_as_yaml_has_it(values: list[Any], positive: bool | float) -> None:
    """A positive class written as YAML's false or 0.0 is the label that the table's false or 0.0 has."""
    assert 1 == found(values, positive=positive)[1][values.index(positive)]


def test_labels() -> None:
    """Labels are renamed, and equal names make one class."""
    assert (["<=50K", ">50K"], [0, 0, 1, 1]) == found(
        ["<=50K", "<=50K.", ">50K.", ">50K"], labels={"<=50K.": "<=50K", ">50K.": ">50K"}
    )
    assert (["1", "2"], [0, 0, 1]) == found(["1", "1.0", "2"], labels={"1.0": "1"})


def test_declared_type_does_not_matter() -> None:
    """A target is read as labels, whatever data.types says of it."""
    for declared in ("number", "category", "boolean", "date"):
        assert (["0", "1"], [0, 1, 1]) == found(["0", "1", "1"], types={"target": declared})


@pytest.mark.parametrize(
    ("values", "changes", "words"),
    [
        (["1", "1.0", "2"], {}, "must write each class in one way, however '1', '1.0' are the same number. Rename one"),
        (["a", "a", "a"], {}, "must have at least two classes, however it has one: 'a' (3 rows)."),
        (["a", "a", "b"], {"labels": {"b": "a"}}, "must have at least two classes, however it has one: 'a' (3 rows)."),
        ([None, "?", ""], {}, "must hold classes, however all 3 rows lack one."),
        ([f"u{i}" for i in range(50)], {}, "must hold classes of several rows, however 50 of 50 values stand in one row each"),
        ([i / 8 for i in range(50)] * 2, {}, "1,000 classes, however it has 50 different numbers with fractions in 100 rows"),
        ([f"u{i}" for i in range(1001)] * 2, {}, "at most 1,000 classes, however it has 1,001 different values in 2,002 rows"),
        (["a", "b"], {"labels": {"c": "a"}}, "must rename classes of 'target', however 'c' is none of: 'a', 'b'."),
        (["a", "b"], {"positive": "c"}, "one of two classes, however it is 'c' and the classes of 'target' are: 'a', 'b'."),
        (["a", "b", "c"] * 2, {"positive": "c"}, "must be null or one of two classes"),
    ],
)  # fmt: skip
def test_no_classes(values: list[Any], changes: dict[str, Any], words: str) -> None:
    """What cannot be classes is refused, with what it is."""
    assert words in refusal(lambda: found(values, **changes))


def test_most_classes() -> None:
    """A thousand classes are classes."""
    assert 1000 == len(found([f"u{i}" for i in range(1000)] * 2)[0])


def test_shown() -> None:
    """Twelve names are listed, then their number."""
    assert "'a', 'b'" == preview(["a", "b"])
    assert preview([str(i) for i in range(1013)]).endswith("'11' and 1,001 more")
