"""JSON lines: each object is a row, and its values are texts as in a CSV file."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.quick import examples
from tests.rooms import HOSTILE
from tests.sources import refused, rows, write
from veritable.tables.reading import stream

VALUE = st.none() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.booleans() | st.text(min_size=1)


def as_text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value)


@settings(max_examples=examples(50), deadline=None, suppress_health_check=list(HealthCheck))
@given(
    table=st.lists(st.fixed_dictionaries({"x": VALUE}, optional={"y": VALUE}), min_size=1, max_size=6), ascii_only=st.booleans()
)
def test_round_trip(table: list[dict[str, Any]], ascii_only: bool, tmp_path: Path) -> None:
    """Numbers, booleans and texts become the texts that JSON writes. Null and an absent key are missing."""
    safe = json.loads(json.dumps(table).encode("utf-8", "replace"))
    try:
        written = "".join(json.dumps(row, ensure_ascii=ascii_only) + "\n" for row in safe).encode()
    except UnicodeEncodeError:
        return
    found = rows(write(tmp_path, written, "t.jsonl"))
    for name in found:
        assert [as_text(row.get(name)) for row in safe] == found[name]


@pytest.mark.parametrize("name", ["t.jsonl", "t.ndjson", "t.json", "t.jsonl.gz"])
def test_values(tmp_path: Path, name: str) -> None:
    """Numbers have the shortest decimals, blank lines are skipped, and the keys of all first lines are columns."""
    text = (
        '\n{"a": 1, "b": 0.1, "c": true}\r\n\n{"c": null, "a": "?", "d": "x\\ny"}\n'
        '{"a": 12345678901234567890, "b": NaN}\n{"b": Infinity}\n{"b": -Infinity, "c": false, "a": 1e400}'
    )
    content = gzip.compress(text.encode()) if name.endswith(".gz") else text
    expected = {
        "a": ["1", "?", "12345678901234567890", None, "inf"],
        "b": ["0.1", None, None, "inf", "-inf"],
        "c": ["true", None, None, None, "false"],
        "d": [None, "x\ny", None, None, None],
    }
    assert expected == rows(write(tmp_path, content, name), missing=("?",))


def test_hostile_names(tmp_path: Path) -> None:
    """Keys with quotes, line ends, emoji or markup are kept exactly."""
    text = json.dumps({name: i for i, name in enumerate(HOSTILE)})
    assert {name: [str(i)] for i, name in enumerate(HOSTILE)} == rows(write(tmp_path, text, "t.jsonl"))


def test_skipped(tmp_path: Path) -> None:
    """A dropped key may be nested, and may occur late."""
    text = '{"a": {"b": 1}, "t": "x"}\n' + '{"t": "y"}\n' * 2000 + '{"late": 1, "t": "z"}\n'
    assert ["x", "z"] == rows(write(tmp_path, text, "t.jsonl"), frozenset(["a", "late"]))["t"][::2001]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"a": 1}\n{"a": }\n', "line 2 is not one: Expecting value."),
        ('{"a": 1}\n' * 2000 + '{"a": 1', "line 2,001 is not one:"),
        ("[1, 2]\n", "line 1 is a list."),
        ("1\n", "line 1 is a int."),
        ("x,t\n1,a\n", "line 1 is not one: Expecting value."),
        ("[" * 100_000, "line 1 is not one: "),
        ('{"a": 1, "a": 2}\n', "line 1 is not one: it has the same key twice."),
        ('{"a": 1}\n' * 2000 + '{"b": 1}\n', "line 2,001 adds 'b' to 'a'."),
        ('{"a": 1}\n{"a": [1]}\n', "line 2 has a list."),
        ('{"a": 1}\n{"a": {"b": 1}}\n', "line 2 has a dict."),
        ('{"a": ' + "9" * 5000 + "}\n", "line 1 is not one: "),
        ('{"": 1}\n', "has an empty key or no key."),
        ("{}\n", "has an empty key or no key."),
        ("\n\n", "must have rows, but has none."),
        ('{"a": "\\ud800"}\n', "line 1 is not one: it has an unpaired surrogate."),
    ],
    ids=lambda value: str(value)[:30],
)
def test_refused(tmp_path: Path, text: str, words: str) -> None:
    """A line that is not an object of single values raises an error with its number."""
    assert words in refused(write(tmp_path, text, "t.jsonl"))


def test_bad_bytes(tmp_path: Path) -> None:
    """Bytes that are not UTF-8, and a file that ends too early, raise an error with the line."""
    assert "line 2 has the bytes ff" in refused(write(tmp_path, b'{"a": 1}\n{"a": "\xff"}\n', "t.jsonl"))
    content = gzip.compress(b"".join(b'{"a": %d}\n' % i for i in range(10_000)))
    assert "undamaged gzip file" in refused(write(tmp_path, content[:-20], "t.jsonl.gz"))
    assert "at most 50 bytes" in refused(write(tmp_path, '{"a": 1}\n' * 10, "t.jsonl"), max_bytes=50)
    assert "at most 5 rows" in refused(write(tmp_path, '{"a": 1}\n' * 10, "t.jsonl"), max_rows=5)


def test_endless_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line that never ends raises an error before it fills the memory."""
    monkeypatch.setattr(stream, "MAX_LINE", 100)
    assert "must have lines of at most 100 characters" in refused(write(tmp_path, '{"a": "' + "1" * 100 + '"}\n', "t.jsonl"))
