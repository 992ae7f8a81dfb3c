"""Pseudonyms of values: keyed, stable, and without a trace of what they stand for."""

import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.making import TEXTS
from tests.rooms import InMemory, data_params, mixed_table, prepare_file, prepare_frame
from tests.sources import refusal
from veritable.params import ParamsError
from veritable.stored import parse_json
from veritable.tables.checking.findings import format_findings
from veritable.tables.reading.pseudonyms import KEY, fingerprint, pseudonymise
from veritable.tables.reading.source import Reading
from veritable.tables.typing.contract import Contract

SECRET = "correct horse battery staple, twice over"
PRINT = fingerprint(SECRET)


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, SECRET)


def people(rows: int = 120) -> pd.DataFrame:
    """Return a table with names of persons, cities and a sensitive column, which no output may hold."""
    frame = mixed_table(rows)
    frame["person"] = [f"Zorblax-{i // 2}" for i in range(rows)]
    frame["city"] = np.resize(["Quuxville", "Fnordham", "Grelmont"], rows)
    frame["faith"] = np.resize(["Xyzzyism", "Plughism"], rows)
    return frame


HIDDEN = ["person", "city", "faith"]
RAW = (b"Zorblax", b"Quuxville", b"Fnordham", b"Grelmont", b"Xyzzyism", b"Plughism")


def prepare_people(frame: pd.DataFrame, **changes: Any) -> InMemory:
    return prepare_frame(
        frame, **{"pseudonymise": HIDDEN, "pseudonym_key": PRINT, "id": "person", "sensitive": ["faith"], **changes}
    )


@given(st.lists(st.none() | TEXTS, min_size=1, max_size=9))
def test_a_pseudonym_is_an_hmac(values: list[str | None]) -> None:
    """A pseudonym is the HMAC-SHA256 of the text without blanks around it; a missing value stays missing."""
    reading = Reading(pseudonymise=("x",), pseudonym_key=PRINT, missing=("", "?"))
    expected = [
        None
        if value is None or value.strip() in ("", "?")
        else "p" + hmac.new(SECRET.encode(), value.strip().encode(), hashlib.sha256).hexdigest()[:32]
        for value in values
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(KEY, SECRET)
        found = pseudonymise({"x": pa.array(values, pa.string()), "y": pa.array(values, pa.string())}, reading)
    assert (expected, values) == (found["x"].to_pylist(), found["y"].to_pylist())


@pytest.mark.parametrize("values", [[7, 10, 7], ["7", " 10", "7 "], [7.0, 10.0, 7.0]])
def test_the_same_value_has_the_same_pseudonym_in_every_table(values: list[Any]) -> None:
    """A value has the same pseudonym whether a table holds it as a whole number, a float or a text."""
    reading = Reading(pseudonymise=("x",), pseudonym_key=PRINT)
    first = pseudonymise({"x": pa.array(["7", "10", "7"])}, reading)["x"]
    assert first.to_pylist() == pseudonymise({"x": pa.array(values)}, reading)["x"].to_pylist()


@pytest.mark.parametrize("as_csv", [False, True])
def test_no_output_holds_a_raw_value(tmp_path: Path, as_csv: bool, capfd: pytest.CaptureFixture[str]) -> None:
    """Id, category and sensitive column are replaced before anything is written, and the parts are split as without."""
    frame, path = people(), tmp_path / ("table.csv" if as_csv else "table.parquet")
    frame.to_csv(path, index=False) if as_csv else frame.to_parquet(path, index=False)
    roles = {"id": "person", "sensitive": ["faith"]}
    done = prepare_file(path, tmp_path / "out", pseudonymise=HIDDEN, pseudonym_key=PRINT, **roles)
    plain = prepare_file(path, tmp_path / "raw", **roles)
    texts = [json.dumps(each) for each in (done.contract.to_json(), done.encoder.to_json(), done.facts)]
    texts += [json.dumps(done.prepared.profile.to_json()), format_findings(done.prepared.findings), *capfd.readouterr()]
    content = "".join(texts).encode() + b"".join(file.read_bytes() for file in (tmp_path / "out").rglob("*") if file.is_file())
    assert [] == [raw for raw in RAW if raw in content]
    assert 3 == len(next(column.levels for column in done.encoder.columns if column.name == "city"))
    assert sorted(np.bincount(plain.parts["train"].y)) == sorted(np.bincount(done.parts["train"].y))
    persons = [set(frame["person"].iloc[part.row]) for part in done.parts.values()]
    assert set() == persons[0] & persons[1] | persons[0] & persons[2] | persons[1] & persons[2]


def test_the_same_key_gives_the_same_bytes() -> None:
    """Two runs with one key give the same encoder; another key gives other levels."""
    first, again = (prepare_people(people()).encoder.to_json() for _ in range(2))
    assert first == again
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(KEY, SECRET[::-1])
        assert first != prepare_people(people(), pseudonym_key=fingerprint(SECRET[::-1])).encoder.to_json()


def test_the_key_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the key, with a short one or with another one, one sentence says what to set; the key is in no message."""
    other = "another key of the same length, or about"
    assert f"must be the fingerprint of the key in {KEY}, but is null. Set it to {PRINT}." in refusal(
        lambda: prepare_people(people(), pseudonym_key=None)
    )
    for value, said in (
        (None, f"must be in the environment variable {KEY}, which is not set"),
        ("short", f"the key in {KEY} must have at least 32 characters, but has 5"),
        (other, f"must have the fingerprint '{PRINT}', but the one in {KEY} has '{fingerprint(other)}'"),
    ):
        monkeypatch.delenv(KEY) if value is None else monkeypatch.setenv(KEY, value)
        found = refusal(lambda: prepare_people(people()))
        assert said in found
        assert other not in found
    monkeypatch.delenv(KEY)
    assert "secrets.token_hex" in refusal(lambda: prepare_people(people(), pseudonym_key=None))


def test_new_rows_are_pseudonymised_as_the_table_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """A frame of new rows is read with the same pseudonyms; without the key, only rows without these columns are read."""
    done = prepare_people(people())
    frame, names = people(), [column.name for column in done.encoder.columns]
    read = done.encoder.read(done.contract.columns_of(frame, names), done.contract, rows=len(frame))
    assert "unseen" not in {what for what, columns in read.odd.items() if "city" in columns}
    assert PRINT == parse_json(Contract, json.dumps(done.contract.to_json()).encode()).reading.pseudonym_key
    monkeypatch.delenv(KEY)
    assert "which is not set" in refusal(lambda: done.contract.columns_of(frame, names))
    assert ["age"] == list(done.contract.columns_of(frame, ["age"]))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"pseudonymise": ["target"]}, "data.pseudonymise must not name the column of data.target"),
        ({"pseudonymise": ["a"], "drop": ["a"]}, "data.pseudonymise must not name the column of data.drop"),
        ({"pseudonymise": ["a"], "types": {"a": "number"}}, "must be category or identifier"),
        ({"pseudonymise": ["a"], "missing_codes": {"a": [-9]}}, "data.missing says which"),
        ({"withhold": ["w"], "weight": "w"}, "data.withhold must not name the column of data.weight"),
        ({"pseudonym_key": "xyz"}, "pseudonym_key"),
    ],
)
def test_columns_that_cannot_be_private(changes: dict[str, Any], said: str) -> None:
    """A column that must be read as it is, or is not read at all, is refused."""
    with pytest.raises(ParamsError, match=said):
        data_params(**changes)


def test_a_fingerprint_does_not_help_to_guess_the_key() -> None:
    """The fingerprint is made by scrypt, which takes 16 MiB of memory for each guess."""
    expected = hashlib.scrypt(SECRET.encode(), salt=b"veritable pseudonym key", n=16384, r=8, p=1, dklen=8).hex()
    assert expected == PRINT
