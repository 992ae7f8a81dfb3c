"""The part of every row: stable, grouped, by time, or as given."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.rooms import InMemory, batched, data_params, mixed_table, prepare_file, prepare_frame
from tests.sources import refusal
from veritable.progress import progress
from veritable.tables.scan import scan
from veritable.tables.splitting.assign import Assigned, assign
from veritable.tables.splitting.split import LEFT_OUT, TEST, TRAIN, VALID
from veritable.tables.spool import Spool
from veritable.tables.typing.target import find_classes


def assigned(frame: pd.DataFrame, rows: int = 10**6, test: pd.DataFrame | None = None, **changes: Any) -> Assigned:
    params = data_params(**changes)
    with Spool(columns=len(frame.columns), keys=2) as spool:
        scanned = scan(batched(frame, rows), None if test is None else batched(test, rows), params, spool, progress())
        labels, y = find_classes(scanned.surveys["target"], scanned.column("target"), params)
        return assign(scanned, y, labels, params)


def table(rows: int = 300, seed: int = 0) -> pd.DataFrame:
    """Two classes, an id in no order, a group of some rows, a time with ties, and many rows that are equal in x."""
    draw = np.random.default_rng(seed)
    columns = {
        "x": draw.integers(0, 5, rows),
        "key": draw.permutation(rows).astype(str),
        "who": draw.integers(0, rows // 5, rows).astype(str),
        "when": draw.integers(0, 50, rows) * 1.0,
        "target": draw.choice(["a", "b"], rows),
    }
    return pd.DataFrame(columns)


@st.composite
def long_tables(draw: st.DrawFn) -> tuple[pd.DataFrame, int]:
    """A table with repeats, gaps in the target, and classes that come late; and where it is cut."""
    rows = draw(st.integers(60, 120))
    first = draw(st.integers(40, 60))
    random = np.random.default_rng(draw(st.integers(0, 10**6)))
    frame = pd.DataFrame(
        {
            "x": random.integers(0, draw(st.integers(1, 100)), rows),
            "key": random.integers(0, 1000, rows).astype(str),
            "who": random.integers(0, 30, rows).astype(str),
            "target": random.choice(["b", "c", None], rows, p=[0.5, 0.45, 0.05]),
        }
    )
    late = random.choice(["a", "b", "d"], rows - first)
    frame.loc[first:, "target"] = late
    return frame, first


@settings(max_examples=40, deadline=None)
@given(long_tables(), st.sampled_from([{}, {"id": "key"}, {"group": "who"}, {"group": "who", "id": "key"}]), st.integers(1, 50))
def test_rows_added_at_the_end_move_none(case: tuple[pd.DataFrame, int], roles: dict[str, str], rows: int) -> None:
    """The parts of a table's first rows do not change with what is added behind, new classes too, in batches of any size."""
    frame, first = case
    frame = frame if "id" in roles else frame.drop(columns="key")
    before, after = assigned(frame.head(first), **roles), assigned(frame, rows, **roles)
    np.testing.assert_array_equal(before.parts, after.parts[:first])


@pytest.mark.parametrize("changes", [{}, {"id": "key"}, {"group": "who"}])
def test_order_in_the_table_is_all_that_counts_beside_class(changes: dict[str, str]) -> None:
    """What stands in the features has no part in the split, unless it makes two rows equal."""
    frame = table()
    other = frame.assign(x=frame["x"] * 100 + 7)
    np.testing.assert_array_equal(assigned(frame, **changes).parts, assigned(other, **changes).parts)


def test_groups_never_straddle() -> None:
    """All rows of a group are in one part, those without a group on their own, and shares are met nearly."""
    frame = table(2000)
    frame.loc[::10, "who"] = None
    found = assigned(frame, group="who")
    parts = pd.Series(found.parts)
    assert 1 == parts.groupby(frame["who"]).nunique().max()
    assert 3 == parts[frame["who"].isna()].nunique()
    assert [0.6, 0.2, 0.2] == pytest.approx((found.counts.sum(axis=1) / 2000).tolist(), abs=0.05)


def test_one_id_one_part() -> None:
    """Rows of one id are together, wherever they stand."""
    frame = table(500)
    frame["key"] = [str(i % 100) for i in range(500)]
    assert 1 == pd.Series(assigned(frame, id="key").parts).groupby(frame["key"]).nunique().max()


def test_equal_rows_never_straddle() -> None:
    """Rows that are equal in every column are in one part and counted; 1.0 and 1 are equal, a gap equals a gap."""
    frame = table(400)[["x", "target"]].astype({"x": float})
    frame.loc[frame["x"] == 4, "x"] = np.nan
    found = assigned(frame)
    assert 1 == pd.Series(found.parts).groupby([frame["x"], frame["target"]], dropna=False).nunique().max()
    assert (int(frame.duplicated().sum()), 0, 0) == (found.duplicates, found.across, found.dropped)


def test_drop_duplicates() -> None:
    """Of equal rows the first stays; the counts add up, also where the target is missing."""
    frame = table(400)[["x", "when", "target"]]
    frame.loc[::9, "target"] = None
    found = assigned(frame, duplicates="drop")
    with_target = frame["target"].notna()
    np.testing.assert_array_equal(~frame.duplicated() & with_target, found.parts != LEFT_OUT)
    assert (int((frame.duplicated() & with_target).sum()), int((~with_target).sum())) == (found.dropped, found.without_target)
    assert 400 == found.counts.sum() + found.dropped + found.without_target


@pytest.mark.parametrize("as_text", [False, True])
def test_by_time(as_text: bool) -> None:
    """By time the past trains and the future judges, ties are together, and a row without a time is left out and counted."""
    frame = table(400)
    times = pd.Timestamp("2020-01-01") + pd.to_timedelta(frame["when"], unit="D")
    frame["when"] = times.dt.strftime("%d.%m.%Y").astype(object) if as_text else times
    frame.loc[5, "when"] = None
    found = assigned(frame, time="when")
    assert (LEFT_OUT, 1, 0) == (found.parts[5], found.unplaced, found.without_target)
    ends = [times.drop(5)[np.delete(found.parts, 5) == code] for code in (TRAIN, VALID, TEST)]
    assert ends[0].max() < ends[1].min() <= ends[1].max() < ends[2].min()


def test_time_that_is_none() -> None:
    """A time column of texts is refused with one of them and the way out."""
    frame = table().assign(when="soon")
    said = refusal(lambda: assigned(frame, time="when"))
    assert "the time column 'when' must hold dates or numbers, however it holds texts such as 'soon'. Give its format" in said


def test_given_parts() -> None:
    """A column's words for the parts hold, in any case, and what has none is left out and counted."""
    frame = table()
    frame["part"] = np.resize(["Train", "val", "TEST", "training", "validation", "valid", "train"], 300)
    frame.loc[10, "part"] = None
    found = assigned(frame, part="part")
    own = {"train": TRAIN, "training": TRAIN, "val": VALID, "validation": VALID, "valid": VALID, "test": TEST}
    assert [own.get(str(each).lower(), LEFT_OUT) for each in frame["part"]] == found.parts.tolist()
    assert 1 == found.unplaced


def test_given_parts_without_valid() -> None:
    """Where the column names no valid rows, they are dealt from train, equal ones together."""
    frame = table(500)[["x", "target"]].assign(part=["train"] * 400 + ["test"] * 100)
    found = assigned(frame, part="part")
    assert 100 == (found.parts[400:] == TEST).sum()
    assert {TRAIN, VALID} == set(found.parts[:400].tolist())
    own = frame.head(400)
    assert 1 == pd.Series(found.parts[:400]).groupby([own["x"], own["target"]]).nunique().max()
    unlike = assigned(table(500)[["key", "x", "target"]].assign(part=["train"] * 400 + ["test"] * 100), part="part")
    assert 80 == pytest.approx((unlike.parts == VALID).sum(), abs=4)


def test_unknown_part() -> None:
    """Another word is refused."""
    frame = table().assign(part="somewhere")
    said = refusal(lambda: assigned(frame, part="part"))
    assert "the part column 'part' must hold train, valid, test, however it has 'somewhere'." in said


def test_duplicates_across_given_parts() -> None:
    """Rows of the test file that are equal to one of the table are counted, and can be dropped; so by a part's column."""
    frame = table(100)[["key", "x", "target"]]
    found = assigned(frame, test=frame.head(10), test_file="t")
    assert (10, 10, 0) == (found.duplicates, found.across, found.dropped)
    more = pd.concat([frame.head(10), frame.tail(20).assign(key="new")])
    more.loc[more["key"] == "new", "key"] = [f"new {i}" for i in range(20)]
    found = assigned(frame, test=more, test_file="t", duplicates="drop")
    assert (10, 0, 10, 20) == (found.duplicates, found.across, found.dropped, found.counts[TEST].sum())


def test_given_test_file(tmp_path: Path) -> None:
    """The rows of the test file are the test part, and train and valid are dealt from the rest as if it were not there."""
    frame = mixed_table(200)
    frame.head(150).to_csv(tmp_path / "a.csv", index=False)
    frame.tail(50).to_csv(tmp_path / "test.csv", index=False)
    done = prepare_file(tmp_path, tmp_path / ".prepared", test_file="test.csv")
    assert list(range(150, 200)) == sorted(done.parts["test"].row.tolist())
    assert 30 == pytest.approx(len(done.parts["valid"]), abs=4)
    alone = assigned(frame.head(150), test=frame.tail(3))
    np.testing.assert_array_equal(np.flatnonzero(alone.parts[:150] == VALID), np.sort(done.parts["valid"].row))


def test_test_file_with_other_columns() -> None:
    """A test file that lacks a column, or has one more, is refused with its name."""
    said = refusal(lambda: assigned(table(), test=table().drop(columns="x"), test_file="t.csv"))
    assert "data.test_file 't.csv' must have the columns of the table, however only one of them has 'x'." in said


def test_three_rows_of_a_class_reach_all_parts() -> None:
    """A class of three rows is in every part; of two, in train and one other."""
    frame = table(200)
    frame.loc[[20, 90, 130], "target"] = "rare"
    frame.loc[[50, 51], "target"] = "rarer"
    counts = assigned(frame).counts
    assert [1, 1, 1] == counts[:, 2].tolist()
    assert [0, 1, 1] == sorted(counts[:, 3].tolist())
    assert 1 == counts[TRAIN, 3]


@pytest.mark.parametrize("changes", [{"group": "one"}, {"part": "one"}])
def test_a_group_that_holds_all(changes: dict[str, str]) -> None:
    """A group, or a part, that holds all rows leaves the others empty, which is refused."""
    frame = table().assign(one="train")
    assert "must leave rows for every part, however" in refusal(lambda: assigned(frame, **changes))


def test_weights() -> None:
    """Each row's weight is in its part, and the column is no feature."""
    frame = mixed_table(100).assign(w=np.arange(100) / 4)
    done: InMemory = prepare_frame(frame, weight="w")
    for part in done.parts.values():
        assert part.weight is not None
        np.testing.assert_array_equal(part.row / 4, part.weight)
    assert "w" not in done.encoder.names


@pytest.mark.parametrize(
    ("weight", "has"), [([1, None], "50 rows lack one"), ([1, -1], "from -1 to 1"), ([0, 0], "from 0 to 0")]
)
def test_bad_weights(weight: list[float | None], has: str) -> None:
    """A weight that is missing, negative, or 0 everywhere is refused; so is a text, with its row, and an infinite one."""
    frame = mixed_table(100).assign(w=np.resize(np.array(weight, dtype=float), 100))
    assert has in refusal(lambda: prepare_frame(frame, weight="w"))
    assert "row 1 has 'heavy'" in refusal(lambda: prepare_frame(frame.assign(w="heavy"), weight="w"))
    assert "at most 1e+150 in size, however it has 100 infinite values" in refusal(
        lambda: prepare_frame(frame.assign(w=np.inf), weight="w")
    )
