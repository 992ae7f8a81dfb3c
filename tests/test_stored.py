"""JSON files that may be damaged: one sentence names the file, the rule, the value and the way out."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pytest
from pydantic import Field

from veritable.errors import UserError
from veritable.stored import STRICT, parse_json, read_stored


@dataclass(frozen=True)
class Pair:
    __pydantic_config__ = STRICT
    name: str
    scales: tuple[Annotated[float, Field(gt=0)], ...] = ()

    def __post_init__(self) -> None:
        if self.name in self.name[1:]:
            raise ValueError("must hold a name, but is empty")


def test_read(tmp_path: Path) -> None:
    """A JSON object becomes the object that it describes, lists as tuples."""
    (tmp_path / "x.json").write_text('{"name": "a", "scales": [1, 2.5]}')
    assert Pair("a", (1.0, 2.5)) == read_stored(Pair, tmp_path / "x.json", "Make it again.")


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("{", "must hold JSON, but is damaged: EOF while parsing an object at line 1 column 1"),
        ("[" * 1000, "must hold JSON, but is damaged: recursion limit exceeded at line 1 column 202"),
        ("[1]", "must hold an object, but has [1]"),
        ("{}", "must have the key 'name', but lacks it"),
        ('{"nam": "a"}', "must not have the key 'nam', but has it"),
        ('{"name": 1}', "must hold a valid string at 'name', but has 1"),
        ('{"name": ""}', "must hold a name, but is empty"),
        ('{"name": "a", "scales": [1, "2"]}', "must hold a valid number at 'scales.1', but has '2'"),
        ('{"name": "a", "scales": [NaN]}', "must hold a finite number at 'scales.0', but has nan"),
        ('{"name": "a", "scales": [1e999]}', "must hold a finite number at 'scales.0', but has inf"),
        ('{"name": "a", "scales": [0]}', "must hold greater than 0 at 'scales.0', but has 0"),
    ],
)
def test_the_rule_that_is_broken(text: str, rule: str) -> None:
    """The message names the first rule that is broken, the place and the value."""
    with pytest.raises(ValueError) as error:
        parse_json(Pair, text.encode())
    assert rule == str(error.value)


def test_the_sentence(tmp_path: Path) -> None:
    """The error of a file names it and says what to do, on one line of limited length."""
    file = tmp_path / "x.json"
    with pytest.raises(UserError) as error:
        read_stored(Pair, file, "Make it again.")
    assert f"the file '{file}' must exist, but does not. Make it again." == str(error.value)
    file.write_text('{"name": "a", "' + "\\n" * 9999 + '": 1}')
    with pytest.raises(UserError) as error:
        read_stored(Pair, file, "Make it again.")
    text = str(error.value)
    assert text.startswith(f"'{file}' must not have the key '\\n")
    assert text.endswith("... Make it again.")
    assert len(text) < 600
    assert "\n" not in text
