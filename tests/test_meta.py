"""`meta:` of a stage in dvc.yaml declares exceptions from the seal."""

from types import SimpleNamespace
from typing import Any

import pytest

from veritable.errors import UserError
from veritable.stage.meta import Exceptions, exceptions_of, hash_variable


def read(meta: Any, **params: Any) -> Exceptions:
    return exceptions_of(SimpleNamespace(name="x", wdir="/top/folder", meta=meta), params.__getitem__)


@pytest.mark.parametrize("meta", [None, "a text", {}, {"unkeyed": ["machine"], "owner": "me"}])
def test_without_an_entry_there_is_no_exception(meta: Any) -> None:
    """`meta` belongs to the user: only the names of exceptions are read."""
    assert Exceptions() == read(meta)


def test_exceptions_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths are relative to the folder of the stage, and ~ is the home of the user."""
    monkeypatch.setenv("HOME", "/home/me")
    meta = {"env": ["TOWN"], "secrets": ["WORD"], "outside": ["../../srv", "~/fonts", "/data"], "network": True}
    expected = Exceptions(env=("TOWN",), secrets=("WORD",), outside=("/srv", "/home/me/fonts", "/data"), network=True)
    assert expected == read(meta)


@pytest.mark.parametrize(("value", "expected"), [(None, False), (False, False), ("postgresql://h/x", True)])
def test_the_network_can_depend_on_a_param(value: Any, expected: bool) -> None:
    """`network: KEY` opens the network if that param is set."""
    assert expected == read({"network": "data.database"}, **{"data.database": value}).network


@pytest.mark.parametrize(
    ("meta", "message"),
    [
        ({"env": "TOWN"}, "stages.x.meta.env in dvc.yaml must be a list of names of environment variables, but is 'TOWN'."),
        ({"secrets": [1]}, "stages.x.meta.secrets in dvc.yaml must be a list of names of environment variables, but is [1]."),
        ({"outside": [""]}, "stages.x.meta.outside in dvc.yaml must be a list of paths, but is ['']."),
        ({"network": 1}, "stages.x.meta.network in dvc.yaml must be true, or a key of params.yaml that must be set, but is 1."),
    ],
)
def test_an_entry_of_the_wrong_type_is_one_sentence(meta: Any, message: str) -> None:
    """The sentence names the entry, the rule and the value."""
    with pytest.raises(UserError) as raised:
        read(meta)
    assert message == str(raised.value)


def test_a_hash_changes_with_the_value_and_hides_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A code file has a hash of the value, which differs between names; a variable that is not set is "unset"."""
    monkeypatch.setenv("TOWN", "Bern")
    monkeypatch.setenv("CITY", "Bern")
    first = hash_variable("TOWN")
    assert "Bern" not in first
    assert first != hash_variable("CITY")
    monkeypatch.setenv("TOWN", "Basel")
    assert first != hash_variable("TOWN")
    monkeypatch.delenv("TOWN")
    assert "unset" == hash_variable("TOWN")
