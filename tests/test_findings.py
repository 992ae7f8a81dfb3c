"""Checks: each finds its fault, and has no finding in a table without it."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.rooms import HOSTILE, ROOT, mixed_table, prepare_frame
from tests.sources import refusal
from veritable.tables.checking.findings import CODES, LEVELS, Finding, format_findings, refuse_errors

ROWS = 600
DRAW = np.random.default_rng(5)
CLEAN = mixed_table(ROWS)
Y = CLEAN["target"].eq("class 1").to_numpy().astype(int)
SORTED = CLEAN.sort_values("target", ignore_index=True)
UNIFORM = DRAW.random(ROWS)


def with_column(values: Any, name: str = "x") -> pd.DataFrame:
    return CLEAN.assign(**{name: values})


def without_target(rows: int) -> pd.DataFrame:
    frame = CLEAN.copy()
    frame.loc[: rows - 1, "target"] = None
    return frame


def gaps(values: Any, every: int) -> np.ndarray:
    return np.where(np.arange(ROWS) % every == 0, None, values)


BIG = np.where(UNIFORM < 0.5, 2**60 + 5, 12)
DAYS = pd.Series(pd.Timestamp("2020-01-01") + pd.to_timedelta(DRAW.integers(0, 12, ROWS) * 31, unit="D"))
WORDY = [f"the {i % 97} of them went {i % 89} miles {i} times" for i in range(ROWS)]
ASKED = with_column(np.resize(["1", "2", "?"], ROWS))
MINUS_ONE = with_column(np.where(UNIFORM < 0.1, -1, np.floor(UNIFORM * 30)))
COMMAS = with_column([f"{i * 7919 % 10007:,}" for i in range(ROWS)])
TWICE = pd.concat([CLEAN, CLEAN.head(50)]).assign(t=["train"] * 300 + ["valid"] * 300 + ["test"] * 50)
OFTEN = pd.concat([CLEAN, CLEAN.head(1).assign(target="class 1"), *[CLEAN.head(1)] * 60])
OFTEN_2 = pd.concat([OFTEN, *[CLEAN.tail(1)] * 50])
THIRDS = np.resize(["train", "valid", "test"], len(OFTEN))
OFTEN_GIVEN = OFTEN.sample(frac=1, random_state=0).assign(t=THIRDS)
OFTEN_IN_VALID = OFTEN.assign(t=np.where(OFTEN.index == 0, "valid", THIRDS))
SEVEN = pd.concat([CLEAN, *[CLEAN.head(1)] * 6])
GROUPED = CLEAN.assign(t=np.arange(ROWS).astype(str)).assign(t=lambda own: own["t"].where(own.index > 300, "unknown"))
PART = np.repeat(["train", "valid", "test"], ROWS // 3)
VALID_ONLY = CLEAN.assign(x=UNIFORM + (PART == "valid"), t=PART)
VALID_ONLY.loc[200:350, "target"] = "class 1"
ONE_ID = CLEAN.assign(x=UNIFORM + 9 * (np.arange(ROWS) % 3 == 0), t=np.where(np.arange(ROWS) % 3 == 0, -1, np.arange(ROWS)))
HEAD = CLEAN.head(1).assign(target="class 9")

# code, level, column, a table that has it, params, and a table that all but has it
CASES: list[tuple[str, str, str | None, pd.DataFrame, dict[str, Any], pd.DataFrame]] = [
    ("gives_target_away", "error", "x", with_column(Y * 3.5), {}, with_column(np.where(UNIFORM < 0.7, Y * 3.5, 1))),
    ("gives_target_away", "error", "x", with_column(np.where(Y, "p", "q")), {}, with_column(np.where(UNIFORM < 0.5, "p", "q"))),
    ("gives_target_away", "warning", "x", with_column(np.where(UNIFORM < 0.97, Y, 1 - Y)), {}, CLEAN),
    ("gives_target_away", "error", "x", SORTED.assign(x=np.arange(ROWS) * 2), {}, with_column(DRAW.permutation(ROWS) * 2)),
    ("time_order", "warning", "x", with_column(np.arange(ROWS) // 3), {}, with_column(DRAW.permutation(ROWS) // 3)),
    ("identifier", "warning", "x", with_column(np.arange(ROWS)), {}, with_column(DRAW.permutation(ROWS))),
    ("identifier", "warning", "id", with_column(DRAW.permutation(ROWS), "id"), {}, with_column(np.arange(ROWS) // 2, "id")),
    ("identifier", "warning", "x", with_column([f"A{i}" for i in range(ROWS)]), {}, with_column(np.resize(["A", "B"], ROWS))),
    ("free_text", "warning", "x", with_column(WORDY), {}, with_column(np.resize(["a text of five words", "b"], ROWS))),
    ("constant", "warning", "x", with_column("same"), {}, with_column(gaps("same", 2))),
    ("all_missing", "warning", "x", with_column(None), {}, with_column(gaps("same", 2))),
    ("hidden_missing", "note", "x", ASKED, {}, with_column(np.resize(["1", "2", None], ROWS))),
    ("mixed", "warning", "x", with_column(["oops", *map(str, range(ROWS - 1))]), {}, with_column(np.resize(["1", "b"], ROWS))),
    ("mixed", "warning", "x", with_column(np.resize(["oops", *map(str, range(50))], ROWS)), {}, with_column(UNIFORM)),
    ("many_categories", "warning", "x", with_column(np.resize(list("abcdefg"), ROWS)), {"max_categories": 6}, CLEAN),
    ("many_categories", "warning", "x", with_column(np.arange(ROWS) % 101), {"types": {"x": "category"}}, with_column(UNIFORM)),
    ("rare_categories", "note", "x", with_column(["odd"] * 9 + ["a"] * 591), {}, with_column(["odd"] * 300 + ["a"] * 300)),
    ("sentinel", "warning", "x", with_column(np.where(UNIFORM < 0.1, -999, UNIFORM)), {}, with_column(np.floor(UNIFORM * 999))),
    ("sentinel", "warning", "x", MINUS_ONE, {}, with_column(UNIFORM * 40 - 1)),
    ("rounded", "warning", "x", with_column(BIG), {}, with_column(BIG // 2**10)),
    ("number_format", "note", "x", COMMAS, {}, with_column((UNIFORM * 9).astype(str))),
    ("ambiguous_date", "warning", "x", with_column(np.resize(["01/02/2020", "03/04/2020"], ROWS)), {}, with_column(DAYS)),
    ("duplicates", "note", None, pd.concat([CLEAN, CLEAN.head(3)]), {}, CLEAN),
    ("duplicates", "warning", None, pd.concat([CLEAN, CLEAN.head(30)]), {"duplicates": "drop"}, CLEAN),
    ("frequent_rows", "warning", None, OFTEN, {}, SEVEN),
    ("frequent_rows", "warning", None, OFTEN_2, {}, SEVEN),
    ("frequent_rows", "note", None, OFTEN_GIVEN, {"part": "t"}, SEVEN),
    ("frequent_rows", "warning", None, OFTEN_IN_VALID, {"part": "t"}, SEVEN),
    ("uneven_parts", "warning", "t", GROUPED, {"group": "t"}, CLEAN),
    ("positive_class", "note", "target", CLEAN, {"positive": "auto"}, CLEAN),
    ("class_rare", "warning", None, pd.concat([CLEAN, HEAD, HEAD.assign(age=1.0)]), {}, CLEAN),
    ("imbalance", "note", None, CLEAN.assign(target=np.where(UNIFORM < 0.05, "a", "b")), {}, CLEAN),
    ("target_missing", "warning", None, without_target(3), {}, CLEAN),
    ("drift", "warning", "x", with_column(UNIFORM + np.arange(ROWS) / ROWS), {"time": "t"}, with_column(UNIFORM)),
    ("drift", "warning", "x", VALID_ONLY, {"part": "t"}, CLEAN.assign(x=UNIFORM)),
    ("target_drift", "warning", "target", VALID_ONLY, {"part": "t"}, CLEAN.assign(x=UNIFORM)),
    ("drift", "note", "x", ONE_ID, {"id": "t"}, CLEAN),
    ("unplaced", "warning", None, with_column(gaps(np.arange(ROWS), 100).astype(float), "t"), {"time": "t"}, CLEAN),
    ("duplicates_across_parts", "error", None, TWICE, {"part": "t"}, CLEAN),
]  # fmt: skip


def found(frame: pd.DataFrame, **changes: Any) -> list[Finding]:
    if "t" in changes.values() and "t" not in frame:
        frame = frame.assign(t=np.arange(len(frame)))
    classes = sorted(frame["target"].dropna().unique())
    if len(classes) == 2:
        changes = {"positive": classes[1]} | changes  # with `auto` each of these tables would have a finding
    return prepare_frame(frame.reset_index(drop=True), **changes).prepared.findings


def test_clean() -> None:
    """A clean table has no findings."""
    assert [] == found(CLEAN)


@pytest.mark.parametrize(("code", "level", "column", "frame", "changes", "innocent"), CASES, ids=[case[0] for case in CASES])
def test_found(
    code: str, level: str, column: str | None, frame: pd.DataFrame, changes: dict[str, Any], innocent: pd.DataFrame
) -> None:
    """Each fault is found, at its level, in a sentence that names its column; a similar table has no such finding."""
    own = [each for each in found(frame, **changes) if (each.code, each.column) == (code, column)]
    assert [level] == [each.level for each in own]
    assert own[0].sentence.endswith(".")
    assert column is None or f"'{column}'" in own[0].sentence
    assert (code, column) not in [(each.code, each.column) for each in found(innocent)]


def test_every_code_has_a_case() -> None:
    """Every code has a test."""
    assert set(CODES) == {case[0] for case in CASES}


def test_declared_columns_are_not_disputed() -> None:
    """There is no finding about the type of a column that data.types declares."""
    frame = with_column(np.arange(ROWS)).assign(c="same")
    types = {"x": "identifier", "c": "constant"}
    assert [] == [each for each in found(frame, types=types) if each.column in types]


def test_named_time_is_no_finding() -> None:
    """There is no finding about the order of the rows if data.time names the column."""
    frame = with_column(np.arange(ROWS) // 3)
    assert "time_order" not in [each.code for each in found(frame, time="x")]


def test_errors_first() -> None:
    """The errors come first, and each finding can be written as JSON."""
    frame = with_column(Y * 3.5).assign(a="same", b=np.resize(["1", "?"], ROWS))
    findings = found(frame)
    assert ["error", "warning", "note"] == [each.level for each in findings] == list(LEVELS)
    assert {"code", "level", "sentence", "column", "numbers"} == set(findings[0].to_json())


def test_strict() -> None:
    """With data.strict, an error fails the run with the sentence of the finding, and a warning does not."""
    findings = found(with_column(Y * 3.5))
    assert "with data.strict, no finding may be an error, but 1 is: 'x' alone predicts the target" in refusal(
        lambda: refuse_errors(findings)
    )
    refuse_errors([each for each in findings if each.level != "error"])


def test_many_of_one_kind() -> None:
    """Of each code and level, twenty findings are listed, and the others counted."""
    frame = CLEAN.assign(**{f"c{i}": "same" for i in range(50)})
    own = [each for each in found(frame) if each.code == "constant"]
    assert 21 == len(own)
    assert (None, {"more": 30}) == (own[-1].column, own[-1].numbers)
    assert "30 more findings of this kind" in own[-1].sentence


def test_spoken() -> None:
    """In the terminal, each finding is one line of printable characters, whatever the name of its column."""
    frame = CLEAN.assign(**dict.fromkeys([*HOSTILE, "\x1b[31mred"], "same"))
    findings = found(frame)
    lines = format_findings(findings).split("\n")
    assert f"{len(HOSTILE) + 1} findings:" == lines[0]
    assert len(HOSTILE) + 2 == len(lines)
    assert all(line.isprintable() for line in lines)
    assert "No findings." == format_findings([])
    assert "1 finding:" == format_findings(findings[:1]).split("\n")[0]


def test_the_documentation_lists_every_code() -> None:
    """docs/tables.md lists each code with its description."""
    text = (ROOT / "docs/tables.md").read_text()
    assert [] == [code for code, words in CODES.items() if f"| `{code}` | {words} |" not in text]
