"""Assignment of the rows to parts: at random, by group, by time, or as given."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.quick import examples
from tests.rooms import InMemory, data_params, mixed_table, prepare_file, prepare_frame
from tests.sources import refusal
from veritable.tables.splitting.assign import Assignment, assign
from veritable.tables.splitting.split import EXCLUDED, PARTS, TEST, TRAIN, VALID

ROLES = ("target", "id", "group", "time", "part")


def assigned(frame: pd.DataFrame, rows: int = 10**6, test: pd.DataFrame | None = None, **changes: Any) -> Assignment:
    """Split a frame. Its columns are features unless they have a role, and its keys come in batches of `rows` rows."""
    params = data_params(**changes)
    table = frame if test is None else pd.concat([frame, test], ignore_index=True)
    roles = {role: getattr(params, role) for role in ROLES}
    classes = sorted(table["target"].dropna().unique())
    y = pd.Categorical(table["target"], classes).codes.astype(np.int16)
    features = hashes(table.drop(columns=[name for name in roles.values() if name]))
    grouped, named = None, params.group or params.id
    if named:
        grouped = table[named].notna().to_numpy()
        features = np.where(grouped, hashes(table[[named]]), features)
    keys = hashes(table.drop(columns=params.part) if params.part else table)
    return assign(
        y,
        classes,
        params,
        row_keys=lambda: [keys[start : start + rows] for start in range(0, len(keys), rows)],
        unit_keys=lambda: [features[start : start + rows] for start in range(0, len(keys), rows)],
        grouped=grouped,
        first_test_row=None if test is None else len(frame),
        times=table[params.time].to_numpy(dtype=float) if params.time else None,
        given=table[params.part].map(PARTS.index).to_numpy(np.uint8) if params.part else None,
    )


def hashes(frame: pd.DataFrame) -> np.ndarray:
    return np.asarray(pd.util.hash_pandas_object(frame, index=False), dtype=np.uint64)


def split_frame(frame: pd.DataFrame, **changes: Any) -> np.ndarray:
    """Return the part of every row that `prepare` makes. Shape: (rows,)"""
    parts = np.full(len(frame), EXCLUDED)
    for code, part in enumerate(prepare_frame(frame, **changes).parts.values()):
        parts[part.row] = code
    return parts


def table(rows: int = 300, seed: int = 0) -> pd.DataFrame:
    """Return two classes, an id in no order, groups of about five rows, a time with ties, and an x that three rows share."""
    draw = np.random.default_rng(seed)
    columns = {
        "x": draw.integers(0, rows // 3, rows),
        "key": draw.permutation(rows).astype(str),
        "who": draw.integers(0, rows // 5, rows).astype(str),
        "when": draw.integers(0, 50, rows) * 1.0,
        "target": draw.choice(["a", "b"], rows),
    }
    return pd.DataFrame(columns)


@st.composite
def long_tables(draw: st.DrawFn) -> tuple[pd.DataFrame, int]:
    """Draw a table with repeated rows, missing targets and late classes, and the number of its first rows."""
    rows = draw(st.integers(60, 120))
    first = draw(st.integers(40, 60))
    random = np.random.default_rng(draw(st.integers(0, 10**6)))
    frame = pd.DataFrame(
        {
            "x": random.integers(0, draw(st.integers(30, 100)), rows),
            "key": random.integers(0, 1000, rows).astype(str),
            "who": random.integers(0, 30, rows).astype(str),
            "target": random.choice(["b", "c", None], rows, p=[0.5, 0.45, 0.05]),
        }
    )
    late = random.choice(["a", "b", "d"], rows - first)
    frame.loc[first:, "target"] = late
    return frame, first


@settings(max_examples=examples(40), deadline=None)
@given(long_tables(), st.sampled_from([{}, {"id": "key"}, {"group": "who"}, {"group": "who", "id": "key"}]), st.integers(1, 50))
def test_rows_added_at_the_end_move_no_earlier_row(case: tuple[pd.DataFrame, int], roles: dict[str, str], rows: int) -> None:
    """The parts of the first rows do not depend on the rows behind them, or on the size of the batches."""
    frame, first = case
    frame = frame if "id" in roles else frame.drop(columns="key")
    before, after = assigned(frame.head(first), **roles), assigned(frame, rows, **roles)
    np.testing.assert_array_equal(before.parts, after.parts[:first])


@pytest.mark.parametrize("changes", [{}, {"id": "key"}, {"group": "who"}])
def test_order_in_the_table_is_all_that_counts_beside_class(changes: dict[str, str]) -> None:
    """The values of the features do not matter, unless they make two rows equal."""
    frame = table()
    other = frame.assign(x=frame["x"] * 100 + 7)
    np.testing.assert_array_equal(assigned(frame, **changes).parts, assigned(other, **changes).parts)


def test_groups_never_straddle() -> None:
    """A group is in one part, rows without a group are dealt one by one, and the parts nearly have their shares."""
    frame = table(2000)
    frame.loc[::10, "who"] = None
    found = assigned(frame, group="who")
    parts = pd.Series(found.parts)
    assert 1 == parts.groupby(frame["who"]).nunique().max()
    assert 3 == parts[frame["who"].isna()].nunique()
    assert [0.6, 0.2, 0.2] == pytest.approx((found.counts.sum(axis=1) / 2000).tolist(), abs=0.05)


def test_one_id_one_part() -> None:
    """Rows with the same id are in one part."""
    frame = table(500)
    frame["key"] = [str(i % 100) for i in range(500)]
    assert 1 == pd.Series(assigned(frame, id="key").parts).groupby(frame["key"]).nunique().max()


def test_equal_features_are_in_one_part() -> None:
    """Rows with equal features are in one part, whatever their labels; 1.0 and 1 are equal, and so are two missing values."""
    frame = table(900)[["x", "target"]].astype({"x": float})
    frame.loc[frame["x"] < 3, "x"] = np.nan
    parts = pd.Series(split_frame(frame.assign(x=[f"{x:g}" if i % 2 else f"{x:.1f}" for i, x in enumerate(frame["x"])])))
    assert 1 == parts.groupby(frame["x"], dropna=False).nunique().max()
    assert 50 < (frame.groupby("x")["target"].nunique() == 2).sum()
    found = assigned(frame)
    assert 1 == pd.Series(found.parts).groupby(frame["x"], dropna=False).nunique().max()
    assert (int(frame.duplicated().sum()), 0, 0) == (found.duplicates, found.across, found.dropped)


def test_features_alone_decide() -> None:
    """Columns that are not features do not make rows different: a weight, or an identifier that data.id does not name."""
    frame = mixed_table(200).drop(columns="target")
    twice = pd.concat([frame, frame], ignore_index=True).assign(target=["a", "b"] * 200, w=np.arange(400.0) % 7)
    twice["row_id"] = np.arange(400)
    parts = split_frame(twice, weight="w")
    np.testing.assert_array_equal(parts[:200], parts[200:])
    assert [0.6, 0.2, 0.2] == pytest.approx((np.bincount(parts) / 400).tolist(), abs=0.03)


def test_drop_duplicates() -> None:
    """Of rows that are equal in every column, the first is kept; the counts add up, also if targets are missing."""
    frame = table(400)[["x", "target"]]
    frame.loc[::9, "target"] = None
    found = assigned(frame, duplicates="drop")
    with_target = frame["target"].notna()
    np.testing.assert_array_equal(~frame.duplicated() & with_target, found.parts != EXCLUDED)
    assert (int((frame.duplicated() & with_target).sum()), int((~with_target).sum())) == (found.dropped, found.without_target)
    assert 400 == found.counts.sum() + found.dropped + found.without_target
    placed = found.parts != EXCLUDED
    assert 1 == pd.Series(found.parts[placed]).groupby(frame["x"].to_numpy()[placed]).nunique().max()


@pytest.mark.parametrize("as_text", [False, True])
def test_by_time(as_text: bool) -> None:
    """Train is before valid, and valid before test; equal times are together; rows without a time are dropped and counted."""
    frame = table(400)
    times = pd.Timestamp("2020-01-01") + pd.to_timedelta(frame["when"], unit="D")
    frame["when"] = times.dt.strftime("%d.%m.%Y").astype(object) if as_text else times
    frame.loc[5, "when"] = None
    done = prepare_frame(frame, time="when")
    assert {"without_target": 0, "unplaced": 1, "duplicates": 0} == done.facts["left_out"]
    ends = [times[part.row] for part in done.parts.values()]
    assert 399 == sum(map(len, ends))
    assert ends[0].max() < ends[1].min() <= ends[1].max() < ends[2].min()


def test_time_that_is_none() -> None:
    """A time column of texts is refused; the message quotes one of them and names the remedy."""
    frame = table().assign(when="soon")
    message = refusal(lambda: split_frame(frame, time="when"))
    assert "the time column 'when' must hold dates or numbers, but holds texts such as 'soon'. Set its format" in message


def test_given_parts() -> None:
    """The part column is followed, in upper or lower case; rows without a part are dropped and counted."""
    frame = table()
    frame["part"] = np.resize(["Train", "val", "TEST", "training", "validation", "valid", "train"], 300)
    frame.loc[10, "part"] = None
    done = prepare_frame(frame, part="part")
    own = {"train": TRAIN, "training": TRAIN, "val": VALID, "validation": VALID, "valid": VALID, "test": TEST}
    assert [own.get(str(each).lower(), EXCLUDED) for each in frame["part"]] == split_frame(frame, part="part").tolist()
    assert 1 == done.facts["left_out"]["unplaced"]


def test_given_parts_without_valid() -> None:
    """If the part column has no valid rows, they are taken from train, and equal rows stay together."""
    frame = table(500)[["x", "target"]].assign(part=["train"] * 400 + ["test"] * 100)
    found = assigned(frame, part="part")
    assert 100 == (found.parts[400:] == TEST).sum()
    assert {TRAIN, VALID} == set(found.parts[:400].tolist())
    own = frame.head(400)
    assert 1 == pd.Series(found.parts[:400]).groupby(own["x"]).nunique().max()
    unlike = assigned(table(500)[["key", "x", "target"]].assign(part=["train"] * 400 + ["test"] * 100), part="part")
    assert 80 == pytest.approx((unlike.parts == VALID).sum(), abs=4)


def test_unknown_part() -> None:
    """A part column with another word is refused."""
    frame = table().assign(part="somewhere")
    message = refusal(lambda: split_frame(frame, part="part"))
    assert "the part column 'part' must hold train, valid, test, but has 'somewhere'." in message


def test_duplicates_across_given_parts() -> None:
    """Rows of the test file that are equal to a row of the table are counted, and can be dropped."""
    frame = table(100)[["key", "x", "target"]]
    found = assigned(frame, test=frame.head(10), test_file="t")
    assert (10, 10, 0) == (found.duplicates, found.across, found.dropped)
    more = pd.concat([frame.head(10), frame.tail(20).assign(key="new")])
    more.loc[more["key"] == "new", "key"] = [f"new {i}" for i in range(20)]
    found = assigned(frame, test=more, test_file="t", duplicates="drop")
    assert (10, 0, 10, 20) == (found.duplicates, found.across, found.dropped, found.counts[TEST].sum())


def test_given_test_file(tmp_path: Path) -> None:
    """The rows of the test file are the test part, and do not change how the other rows are dealt."""
    frame = mixed_table(200)
    frame.head(150).to_csv(tmp_path / "a.csv", index=False)
    frame.tail(50).to_csv(tmp_path / "test.csv", index=False)
    done = prepare_file(tmp_path, tmp_path / ".prepared", test_file="test.csv")
    assert list(range(150, 200)) == sorted(done.parts["test"].row.tolist())
    assert 30 == pytest.approx(len(done.parts["valid"]), abs=4)
    alone = assigned(frame.head(150), test=frame.tail(3))
    np.testing.assert_array_equal(np.flatnonzero(alone.parts[:150] == VALID), np.sort(done.parts["valid"].row))


def test_test_file_with_other_columns(tmp_path: Path) -> None:
    """A test file without one of the columns is refused, with the name of the column."""
    table().to_csv(tmp_path / "a.csv", index=False)
    table().drop(columns="x").to_csv(tmp_path / "test.csv", index=False)
    message = refusal(lambda: prepare_file(tmp_path, tmp_path / ".prepared", test_file="test.csv"))
    assert "data.test_file 'test.csv' must have the columns of the table, but only one of them has 'x'." in message


def test_three_rows_of_a_class_reach_all_parts() -> None:
    """A class of three rows is in every part, a class of two rows in train and one other part."""
    frame = table(200)
    frame.loc[[20, 90, 130], "target"] = "rare"
    frame.loc[[50, 51], "target"] = "rarer"
    counts = assigned(frame).counts
    assert [1, 1, 1] == counts[:, 2].tolist()
    assert [0, 1, 1] == sorted(counts[:, 3].tolist())
    assert 1 == counts[TRAIN, 3]


@pytest.mark.parametrize("changes", [{"group": "one"}, {"part": "one"}])
def test_a_group_that_holds_all(changes: dict[str, str]) -> None:
    """A group or a given part that holds all rows is refused, because the other parts are empty."""
    frame = table().assign(one="train")
    assert "must leave rows for every part, but" in refusal(lambda: assigned(frame, **changes))


def with_frequent_rows(rows: int = 3000, sizes: tuple[int, ...] = (300,), seed: int = 0) -> pd.DataFrame:
    """Return a table of different rows, except for one row per size that is repeated so many times."""
    draw = np.random.default_rng(seed)
    frame = pd.DataFrame({"x": draw.permutation(rows) * 1.0, "y": draw.normal(size=rows)})
    places = np.split(draw.permutation(rows)[: sum(sizes)], np.cumsum(sizes)[:-1])
    for i, place in enumerate(places):
        frame.loc[place, ["x", "y"]] = [-9.0 - i, -8.0]
    return frame.assign(target=draw.choice(["a", "b", "c"], rows, p=[0.5, 0.4, 0.1]))


@pytest.mark.parametrize("sizes", [(300,), (900,), (2400,), (40, 90, 300), (100,) * 5])
@pytest.mark.parametrize("rows", [10**6, 70])
def test_frequent_rows_are_dealt_one_by_one(sizes: tuple[int, ...], rows: int) -> None:
    """Each part gets its share of each class of a frequent unit; the units are counted, and are not duplicates across parts."""
    frame = with_frequent_rows(sizes=sizes)
    found = assigned(frame, rows)
    for i, size in enumerate(sizes):
        for label, own in frame[frame["x"] == -9.0 - i].groupby("target"):
            counts = np.bincount(found.parts[own.index], minlength=3)
            assert (np.abs(counts - [0.6 * len(own), 0.2 * len(own), 0.2 * len(own)]) <= 2).all(), (size, label)
    np.testing.assert_array_equal(frame["x"] < 0, found.frequent)
    assert sorted(sizes, reverse=True) == found.frequent_units.tolist()
    assert 0 == found.across
    shares = found.counts / found.counts.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(shares, shares[[0]].repeat(3, axis=0), atol=0.01 + 0.005 * len(sizes))


def test_frequent_rows_move_no_other_row() -> None:
    """The other rows are in the same parts as if the unit were too small to be frequent."""
    frame = with_frequent_rows()
    unit = frame[frame["x"] < 0]
    firsts = unit.drop_duplicates("target").index
    few = frame.drop(index=unit.index.difference(firsts)[6:])
    found = assigned(few)
    assert not found.frequent.any()
    others = (few["x"] >= 0).to_numpy()
    np.testing.assert_array_equal(assigned(frame).parts[few.index][others], found.parts[others])


@pytest.mark.parametrize("first", [1500, 2999])
def test_rows_added_at_the_end_move_no_frequent_row(first: int) -> None:
    """The rows of a unit that is frequent already stay in their parts, like all others."""
    frame = with_frequent_rows(sizes=(300, 200))
    np.testing.assert_array_equal(assigned(frame.head(first)).parts, assigned(frame).parts[:first])


def test_a_unit_that_becomes_frequent_moves_its_own_rows_alone() -> None:
    """If rows added at the end make a unit frequent, only rows of this unit move."""
    frame = with_frequent_rows()
    first = int(np.flatnonzero(frame["x"] < 0)[8]) + 1
    before, after = assigned(frame.head(first)), assigned(frame)
    assert not before.frequent.any()
    others = (frame["x"] >= 0).to_numpy()
    np.testing.assert_array_equal(before.parts[others[:first]], after.parts[:first][others[:first]])


def test_a_class_that_is_one_frequent_row() -> None:
    """A class whose rows are all equal is in every part."""
    frame = with_frequent_rows()
    frame["target"] = np.where(frame["x"] < 0, "a", "b")
    assert [180, 60, 60] == assigned(frame).counts[:, 0].tolist()


def test_copies_are_not_frequent() -> None:
    """If all rows of a class have the same number of copies, as after oversampling, the copies of a row stay in one part."""
    frame = with_frequent_rows(sizes=(100,) * 25)
    frame["target"] = np.where(frame["x"] < 0, "a", "b")
    found = assigned(frame)
    assert not found.frequent.any()
    assert 1 == pd.Series(found.parts).groupby(frame["x"]).nunique().max()


def test_frequent_rows_without_a_target() -> None:
    """Rows without a target are dropped, and do not count for a frequent unit."""
    frame = with_frequent_rows()
    frequent = np.flatnonzero(frame["x"] < 0)
    frame.loc[frequent[:100], "target"] = None
    found = assigned(frame)
    assert (200, [200], 100) == (found.frequent.sum(), found.frequent_units.tolist(), found.without_target)
    assert [120, 40, 40] == pytest.approx(np.bincount(found.parts[frequent[100:]]).tolist(), abs=5)


@pytest.mark.parametrize("changes", [{"group": "who"}, {"id": "who"}])
def test_a_large_group_is_never_torn(changes: dict[str, str]) -> None:
    """A group stays in one part, whatever its size; frequent rows without a group are dealt one by one."""
    frame = with_frequent_rows(sizes=(300,))
    frequent = (frame["x"] < 0).to_numpy()
    who = pd.Series([f"g{i // 3}" for i in range(3000)])
    found = assigned(frame.assign(who=who.mask(frequent, "all")), **changes)
    assert 1 == len(set(found.parts[frequent]))
    assert (0, 300) == (found.frequent.sum(), found.largest_group)
    found = assigned(frame.assign(who=who.mask(frequent)), **changes)
    assert [180, 60, 60] == pytest.approx(np.bincount(found.parts[frequent]).tolist(), abs=5)
    assert (300, 3) == (found.frequent.sum(), found.largest_group)


def test_frequent_rows_beside_given_parts() -> None:
    """Frequent rows are dealt to train and valid if only test is given, and are not duplicates across parts."""
    frame = with_frequent_rows()
    frequent = (frame["x"] < 0).to_numpy()
    for found in (
        assigned(frame.head(2400), test=frame.tail(600), test_file="t"),
        assigned(frame.assign(part=["train"] * 2400 + ["test"] * 600), part="part"),
    ):
        own = found.parts[:2400][frequent[:2400]]
        assert 0.2 == pytest.approx((own == VALID).mean(), abs=0.02)
        assert (TEST == found.parts[2400:]).all()
        assert 0 == found.across


def test_frequent_rows_beside_a_large_test_part() -> None:
    """Rows that were dealt one by one are not duplicates across parts, however rare they are beside a large test file."""
    frame = with_frequent_rows(3000, (12,))
    test = pd.concat([with_frequent_rows(30_000, (), seed=1)] * 3)  # repeated rows are usual there
    found = assigned(frame, test=test.assign(x=test["x"] + 10_000), test_file="t")
    assert 12 == (found.frequent & (np.arange(93_000) < 3000)).sum()
    assert 0 == found.across


def test_frequent_rows_in_time() -> None:
    """In a split by time no row is dealt, and frequent rows are not duplicates across parts."""
    frame = with_frequent_rows().drop(columns="y").assign(when=np.arange(3000.0))
    found = assigned(frame, time="when")
    assert (0, 300) == (found.across, found.frequent.sum())


def test_dropped_rows_are_not_frequent() -> None:
    """After duplicates are dropped, a unit has one row per label, and is not frequent."""
    frame = with_frequent_rows()
    found = assigned(frame, duplicates="drop")
    own = found.parts[frame["x"] < 0]
    assert (3, 1) == ((own != EXCLUDED).sum(), len(set(own[own != EXCLUDED])))
    assert not found.frequent.any()


@pytest.mark.parametrize("as_csv", [False, True])
def test_frequent_rows_with_weights(as_csv: bool) -> None:
    """The weights do not make rows different, and rows are counted unweighted."""
    frame = with_frequent_rows()
    done = prepare_frame(frame.assign(w=np.random.default_rng(1).random(3000) * 100), as_csv=as_csv, weight="w")
    counts = [int((part.X[:, 0] == part.X[:, 0].min()).sum()) for part in done.parts.values()]
    assert [180, 60, 60] == pytest.approx(counts, abs=5)
    found = next(each for each in done.prepared.findings if each.code == "frequent_rows")
    assert {"rows": 300, "combinations": 1, "largest": 300} == found.numbers


def test_frequent_rows_in_shards(tmp_path: Path) -> None:
    """Every shard has its share of the frequent rows."""
    with_frequent_rows(9000, (1800,)).to_parquet(tmp_path / "table.parquet")
    prepare_file(tmp_path / "table.parquet", tmp_path / "prepared", shard_rows=900)
    files = sorted((tmp_path / "prepared").glob("*/*.parquet"))
    assert 10 <= len(files)
    for file in files:
        x = pd.read_parquet(file)["x"]
        assert 0.2 == pytest.approx((x == x.min()).mean(), abs=0.06)


def test_weights() -> None:
    """A part holds the weights of its rows, and the weight column is not a feature."""
    frame = mixed_table(100).assign(w=np.arange(100) / 4)
    done: InMemory = prepare_frame(frame, weight="w")
    for part in done.parts.values():
        assert part.weight is not None
        np.testing.assert_array_equal(part.row / 4, part.weight)
    assert "w" not in done.encoder.names


@pytest.mark.parametrize(
    ("weight", "has"), [([1, None], "is missing in 50 rows"), ([1, -1], "from -1 to 1"), ([0, 0], "from 0 to 0")]
)
def test_bad_weights(weight: list[float | None], has: str) -> None:
    """Weights that are missing, negative, all 0, infinite or texts are refused."""
    frame = mixed_table(100).assign(w=np.resize(np.array(weight, dtype=float), 100))
    assert has in refusal(lambda: prepare_frame(frame, weight="w"))
    assert "row 1 has 'heavy'" in refusal(lambda: prepare_frame(frame.assign(w="heavy"), weight="w"))
    assert "of at most 1e+150, but has 100 infinite values" in refusal(
        lambda: prepare_frame(frame.assign(w=np.inf), weight="w")
    )
