"""The gate: what is shown of a table is held by enough rows."""

import json
from collections import Counter
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rooms import InMemory, params, prepare_frame, prepared
from tests.training import MLP_SPEC, trees_of
from veritable.evaluation.groups import compute_group_metrics
from veritable.evaluation.mistakes import list_mistakes
from veritable.evaluation.params import EvaluateParams
from veritable.evaluation.predictions import PartPredictions
from veritable.evaluation.slices import find_slices
from veritable.explanation.explain import explain_test
from veritable.explanation.params import ExplainParams
from veritable.models.background import Background
from veritable.models.classifier import Classifier
from veritable.models.ensemble import Ensemble
from veritable.serving.checking.columns import most_frequent
from veritable.tables.encoding.gate import HIDDEN, Gate, share_edges
from veritable.tables.encoding.show import decode_rounded

RARE = ("Rarefied-Xq", "Rarefaith", "987654", "1931-07-23", "1931-07")


def with_dates(rows: int = 300) -> InMemory:
    """Prepare a table with a number, a category, a date and a sensitive column, each with values that one or two rows hold."""
    draw = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "income": draw.normal(40_000, 9_000, rows).round(2),
            "city": draw.choice(["Aa", "Bb", "Cc"], rows),
            "born": pd.to_datetime("1970-01-01") + pd.to_timedelta(draw.integers(0, 9_000, rows), "D"),
            "faith": draw.choice(["x", "y"], rows),
            "code": [str(each) for each in draw.integers(0, 40, rows)],
            "part": np.resize(["train", "test", "valid"], rows),
        }
    )
    frame["target"] = np.where(frame["income"] + draw.normal(0, 5_000, rows) > 40_000, "rich", "poor")
    for place in (1, 3, 4):  # in test and train
        frame.loc[place, ["income", "city", "born", "faith", "code"]] = [
            987654.25, "Rarefied-Xq", pd.Timestamp("1931-07-23"), "Rarefaith", "Rarefied-Xq",
        ]  # fmt: skip
    return prepare_frame(frame, part="part", sensitive=["faith"], types={"code": "category"})


DONE = with_dates()


def test_what_is_published_of_a_table_holds_no_rare_value() -> None:
    """Mistakes, slices, groups, explanation, findings and profile hold no value of fewer than five rows; with 1 they do."""
    found = {count: publish(DONE, count) for count in (5, 1)}
    assert [] == [value for value in RARE if value in found[5]]
    assert [] == [value for value in RARE[:4] if value not in found[1]]


def publish(done: InMemory, min_count: int) -> str:
    """Return what the stages give to the report, as one text."""
    test, evaluate = done.parts["test"], params(EvaluateParams, "evaluate", n_resamples=100)
    trees = Ensemble(tuple(trees_of(done)), (1.0,))  # explained exactly, and so quickly
    one = Classifier(trees, MLP_SPEC, done.encoder, done.contract, 0.5)
    y_prob = np.stack([np.where(test.y == 0, 0.1, 0.9), np.where(test.y == 0, 0.9, 0.1)], axis=1)
    faith = {"faith": done.sensitive["test"]["faith"]}
    predictions = PartPredictions(test.row, test.y, 1 - test.y, y_prob, sensitive=faith)
    # A rare row is the most confident mistake.
    rare = np.flatnonzero(np.isin(test.row, [1, 4]))
    y_prob[rare] = np.where(test.y[rare, None] == [[0, 1]], 0.01, 0.99)
    background = Background.draw(done.parts["train"], 40, 0)
    assert background is not None
    explained = explain_test(one, background, test, params(ExplainParams, "explain", rows=len(test)), min_count)
    shown = [
        explained.frames[name].drop(columns="row", errors="ignore").to_json(double_precision=6) for name in explained.frames
    ]
    published: list[Any] = [
        list_mistakes(predictions, test.X, one, min_count),
        find_slices(predictions, test.X, None, one.encoder, evaluate, min_count),
        compute_group_metrics(predictions, evaluate, done.classes, min_count),
        explained.facts,
        [each.to_json() for each in done.prepared.findings] if min_count > 1 else [],
        done.prepared.profile.to_json() if min_count > 1 else {},
    ]
    return "\n".join([*shown, *map(json.dumps, published)])


@pytest.mark.parametrize("min_count", [2, 5, 20])
def test_enough_rows_agree_on_the_cells_of_a_row(min_count: int) -> None:
    """At least so many rows have all the cells that are shown of a row."""
    encoder, X = DONE.encoder, DONE.parts["train"].X
    gate, names = Gate.of(encoder, X, min_count), list(encoder.blocks)
    decoded = decode_rounded(encoder, X)
    for place in range(0, len(X), 7):
        shown = gate.show_row(X[place], names)
        same = np.logical_and.reduce([agrees(decoded[name], text) for name, text in shown.items() if text != HIDDEN] or [True])
        assert np.sum(same | np.zeros(len(X), bool)) >= min_count


def agrees(values: pd.Series, text: str) -> np.ndarray:
    """Return which values a text may stand for: an oracle that reads the text."""
    if text == "missing":
        return values.isna().to_numpy()
    if pd.api.types.is_float_dtype(values):
        number = float(text.removeprefix("about "))
        if not text.startswith("about "):
            return np.isclose(values, number, rtol=1e-5)
        digits = len(text.removeprefix("about ").partition(".")[2])
        zeros = len(f"{number:.0f}") - len(f"{number:.0f}".rstrip("0")) if not digits else -digits
        return (np.abs(values - number) <= 0.5 * 10.0**zeros * 1.0001).to_numpy()
    return values.map(lambda value: str(value) == text or (text[:4].isdigit() and str(value).startswith(text))).to_numpy(bool)


def test_everything_is_shown_with_a_count_of_one() -> None:
    """With a count of 1, a row has the exact values of the table."""
    encoder, X = DONE.encoder, DONE.parts["test"].X
    gate, decoded = Gate.of(encoder, X, 1), decode_rounded(encoder, X)
    shown = gate.show_row(X[0], ["city", "born", "code"])
    assert {name: decoded[name].iloc[0] for name in shown} == shown
    assert decoded["income"].tolist() == gate.show_column("income", decoded["income"]).tolist()


def test_values_of_a_column_are_rounded_as_far_as_needed() -> None:
    """A frequent value is exact, a number is rounded until five rows share it, and a rare level is not shown."""
    rows = pd.DataFrame(
        {"age": [30.0] * 6 + [41.0, 42.0, 43.0, 38.0, 39.0, 1e6], "colour": ["red"] * 11 + ["gold"], "member": "yes"}
    )
    gate = Gate(prepared(300, 2).encoder, rows, 5)
    found = gate.show_column("age", pd.Series([30.0, 41.0, 38.0, 1e6, np.nan])).tolist()
    assert [30.0, 40.0, 40.0, HIDDEN] == found[:4]
    assert np.isnan(found[4])
    assert ["red", HIDDEN] == gate.show_column("colour", pd.Series(["red", "gold"])).tolist()


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60), st.integers(2, 6))
def test_edges_are_shared(values: list[float], min_count: int) -> None:
    """Edges are in order, below the largest value, and leave no range between them empty."""
    given = np.array(values)
    edges = share_edges(np.quantile(given, [0.25, 0.5, 0.75]), given, min_count)
    assert (np.diff(edges) > 0).all()
    assert (edges < given.max()).all()
    assert (np.bincount(np.searchsorted(edges, given, side="left"), minlength=len(edges) + 1) > 0).all()


def test_new_levels_of_few_rows_are_not_listed() -> None:
    """The check of new rows lists a level that train lacks only if enough of the new rows have it."""
    assert [("often", 5)] == most_frequent(Counter({"often": 5, "once": 1}), 5)
