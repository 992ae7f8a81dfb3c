"""The profile counts each value of each part once, in bins that reveal no rare level."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rooms import finite, mixed_table, prepare_frame, prepared
from veritable.tables.encoding.encoder import EncodedColumn
from veritable.tables.profile import Bins, Profile, find_edges, make_bins
from veritable.tables.typing.contract import Column


def test_each_row_is_counted_once() -> None:
    """In each part, the counts of each column add up to the rows of the part."""
    done = prepared()
    for part, by_column in done.prepared.profile.counts.items():
        assert [len(done.parts[part])] * 4 == [int(counts.sum()) for counts in by_column]


def test_counts_agree_with_pandas() -> None:
    """The counts of a category, a boolean and of missing numbers are those of pandas."""
    frame = mixed_table(300)
    done = prepare_frame(frame)
    train, profile = frame.iloc[done.parts["train"].row], done.prepared.profile
    by_name = {bins.name: dict(zip(bins.labels, counts.tolist(), strict=True)) for bins, counts in
               zip(profile.bins, profile.counts["train"], strict=True)}  # fmt: skip
    colours = train["colour"].fillna("missing").value_counts().to_dict()
    assert {"other": 0} | colours == by_name["colour"]
    assert train["member"].value_counts().to_dict() | {"missing": 0} == by_name["member"]
    assert int(train["age"].isna().sum()) == by_name["age"]["missing"]


def test_numbers_have_twentieths() -> None:
    """Each bin of a continuous column has about a twentieth of the train rows; its edges are rounded."""
    done = prepare_frame(mixed_table(4000))
    score = done.prepared.profile.counts["train"][3]
    assert 23 == len(score)
    assert score[1:-2] == pytest.approx(len(done.parts["train"]) / 20, rel=0.15)


@given(st.lists(finite(), min_size=1, max_size=300), st.lists(finite(), max_size=50))
def test_places(sample: list[float], values: list[float]) -> None:
    """A value is in the first bin if it is below all edges, in the last but one if above, else between two edges."""
    present = np.array(sample)
    edges = find_edges(present, float(present.min()), float(present.max()))
    bins = Bins("c", "number", edges)
    given_values = np.array([*values, *sample])
    for value, place in zip(given_values.tolist(), bins.place(given_values).tolist(), strict=True):
        if value < edges[0] or value > edges[-1]:
            assert (0 if value < edges[0] else len(bins) - 2) == place
        else:
            assert edges[place - 1] <= value <= edges[place]


def test_a_constant_notices_other_values() -> None:
    """A column that is constant in train has bins below, at and above its value."""
    column = Column("c", "number", "feature", True, minimum=5.0, maximum=5.0)
    bins = make_bins(column, EncodedColumn("c", "number"), np.full(50, 5.0))
    assert ["below 5", "5", "above 5", "missing"] == bins.labels
    assert [0, 1, 2, 3] == bins.place(np.array([4.9, 5, 5.1, np.nan])).tolist()


def test_rare_levels_are_other() -> None:
    """A level with fewer than five train rows is merged into "other", with its rows."""
    frame = mixed_table(400)
    frame["colour"] = frame["colour"].fillna("red")
    frame.loc[frame.index[::97], "colour"] = [f"secret {i}" for i in range(5)]
    profile = prepare_frame(frame, seed=1).prepared.profile
    colour = profile.bins[1]
    assert ("blue", "green", "red") == colour.levels
    assert 5 == sum(int(counts[1][0]) for counts in profile.counts.values())
    assert "secret" not in json.dumps(profile.to_json())


@given(st.lists(st.integers(0, 12), min_size=4, max_size=20))
def test_rare_bins_are_merged(train: list[int]) -> None:
    """No bin within the range has fewer than five train rows, unless it is the only one; no row is lost."""
    counts = np.array(train)
    edges = tuple(float(i) for i in range(len(train) - 2))
    before = Profile((Bins("c", "number", edges),), {"train": [counts], "valid": [counts * 2]}, min_count=5)
    after = before.merge_rare()
    own = after.counts["train"][0]
    assert (counts.sum(), counts[0], counts[-1]) == (own.sum(), own[0], own[-1])
    assert (own * 2).tolist() == after.counts["valid"][0].tolist()
    assert len(own) == len(after.bins[0])
    assert (own[1:-2] >= 5).all() or len(own) == 4


def test_json() -> None:
    """A profile comes back from JSON as it was."""
    profile = prepared().prepared.profile
    again = Profile.parse(json.dumps(profile.to_json()).encode(), prepared().encoder, list(profile.counts))
    assert (profile.bins, profile.min_count) == (again.bins, again.min_count)
    for part, by_column in profile.counts.items():
        for expected, found in zip(by_column, again.counts[part], strict=True):
            np.testing.assert_array_equal(expected, found)


def test_missing_where_train_has_none() -> None:
    """A category that is never missing in train counts a missing new value as missing, not as another level."""
    frame = mixed_table(300)
    frame["colour"] = frame["colour"].fillna("red")
    done = prepare_frame(frame)
    profile = Profile.empty(done.prepared.profile.bins, ["new"])
    new = pd.DataFrame({"age": [1.0] * 3, "colour": [None, "purple", "red"], "member": ["yes"] * 3, "score": [0.0] * 3})
    read = done.encoder.read(done.contract.columns_of(new, list(new)), done.contract, rows=3)
    profile.add(read, done.encoder, np.zeros(3, dtype=np.uint8))
    labels = profile.bins[1].labels
    assert {"missing": 1, "other": 1, "red": 1, "blue": 0, "green": 0} == dict(
        zip(labels, profile.counts["new"][1].tolist(), strict=True)
    )
