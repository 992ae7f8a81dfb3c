"""Preparing a table: split first, then learn from the train part alone."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tests.rooms import mixed_table, params
from veritable.tables.errors import TableError
from veritable.tables.params import DataParams
from veritable.tables.prepare import Prepared, prepare


def prepare_with(frame: pd.DataFrame, **changes: object) -> Prepared:
    return prepare(frame, params(DataParams, "data", **changes))


def test_parts() -> None:
    """Each part has its rows of the table, encoded, with the codes of their classes."""
    frame = mixed_table(300, classes=3)
    done = prepare_with(frame)
    assert ["class 0", "class 1", "class 2"] == done.classes
    assert {"train": 180, "valid": 60, "test": 60} == {name: len(part.y) for name, part in done.parts.items()}
    for part in done.parts.values():
        rows = frame.iloc[part.row]
        assert rows["target"].tolist() == [done.classes[code] for code in part.y]
        np.testing.assert_array_equal(done.encoder.encode(rows), part.X)


def test_target_is_no_feature() -> None:
    """The target is not among the encoded columns."""
    assert ("age", "age (missing)", "colour", "member", "score") == prepare_with(mixed_table()).encoder.names


def test_learned_from_train_alone() -> None:
    """Whatever stands in the features of valid and test, the encoder, the split and the train part are the same."""
    frame = mixed_table(300)
    done = prepare_with(frame)
    outside = np.concatenate([done.parts["valid"].row, done.parts["test"].row])
    changed = frame.copy()
    changed.loc[outside, "age"] = 1e6
    changed.loc[outside, "score"] = np.nan
    changed.loc[outside, "colour"] = "purple"
    changed.loc[outside, "member"] = "yes"
    again = prepare_with(changed)
    assert done.encoder == again.encoder
    np.testing.assert_array_equal(done.parts["train"].X, again.parts["train"].X)
    for name, part in done.parts.items():
        np.testing.assert_array_equal(part.row, again.parts[name].row)


def test_same_twice() -> None:
    """The same table and params are the same parts, encoder and facts."""
    one, two = prepare_with(mixed_table()), prepare_with(mixed_table())
    assert (one.encoder, one.classes, one.facts) == (two.encoder, two.classes, two.facts)
    for name, part in one.parts.items():
        assert part.X.tobytes() == two.parts[name].X.tobytes()


def test_facts() -> None:
    """The facts count rows, classes, parts, and each column's missing and distinct values."""
    frame = mixed_table(300)
    assert {
        "rows": 300,
        "target": "target",
        "classes": [{"name": "class 0", "rows": 150}, {"name": "class 1", "rows": 150}],
        "parts": {"train": 180, "valid": 60, "test": 60},
        "columns": [
            {"name": name, "kind": kind, "missing": int(frame[name].isna().sum()), "distinct": frame[name].nunique()}
            for name, kind in {"age": "number", "colour": "category", "member": "boolean", "score": "number"}.items()
        ],
    } == prepare_with(frame).facts


@pytest.mark.parametrize(
    "change", [{"valid": 0.3}, {"test": 0.3}, {"seed": 1}, {"positive": "class 0"}, {"max_categories": 2}], ids=str
)
def test_every_knob_matters(change: dict[str, object]) -> None:
    """Each knob of the split and the encoding changes what comes out."""
    one, two = prepare_with(mixed_table()), prepare_with(mixed_table(), **change)
    assert any(
        vars(part)[key].tobytes() != vars(two.parts[name])[key].tobytes()
        for name, part in one.parts.items()
        for key in vars(part)
    )


def test_positive_class_is_code_1() -> None:
    """The positive class of two has code 1."""
    done = prepare_with(mixed_table(), positive="class 0")
    assert ["class 1", "class 0"] == done.classes
    assert {"class 0"} == set(mixed_table().iloc[done.parts["test"].row[done.parts["test"].y == 1]]["target"])


def test_number_target() -> None:
    """Targets of numbers and booleans have the same codes as their texts."""
    frame = mixed_table()
    texts = frame["target"].eq("class 1")
    for target in (texts, texts.astype(int), texts.astype(float), texts.map({True: "1", False: "0"})):
        done = prepare_with(frame.assign(target=target))
        for part in done.parts.values():
            np.testing.assert_array_equal(texts.to_numpy()[part.row], part.y)


def test_columns_called_row_and_y() -> None:
    """Feature columns may be called what a part calls its own."""
    frame = mixed_table().rename(columns={"age": "row", "score": "y"})
    assert ("row", "row (missing)", "colour", "member", "y") == prepare_with(frame).encoder.names


def test_doubles() -> None:
    """Two encoded columns of one name are refused."""
    frame = mixed_table().rename(columns={"score": "age (missing)"})
    with pytest.raises(TableError, match=r"must have different names, however 'age \(missing\)' stands twice"):
        prepare_with(frame)


def test_no_feature() -> None:
    """A table of a target alone is refused."""
    with pytest.raises(TableError, match="must have a feature column beside its target, however it has none"):
        prepare_with(mixed_table()[["target"]])


def test_wrong_value_names_its_row() -> None:
    """A value that no number can be is refused with its row in the table, not in the shuffled part."""
    frame = mixed_table()
    frame.loc[217, "score"] = np.inf
    with pytest.raises(TableError, match=r"column 'score' .* however row 217 has 'inf'"):
        prepare_with(frame)


def test_frozen() -> None:
    """What was prepared can be replaced, not changed."""
    done = prepare_with(mixed_table())
    with pytest.raises(AttributeError):
        done.classes = []  # type: ignore[misc]
    assert [] == replace(done, classes=[]).classes
