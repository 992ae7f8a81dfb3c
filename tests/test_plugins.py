"""The plugins of DVC that remotes need are optional, and a missing one is named."""

import re
import tomllib

import pytest

from tests.rooms import ROOT
from veritable.errors import UserError
from veritable.sharing import plugins


@pytest.mark.parametrize(
    ("url", "name"), [("s3://b/f", "s3"), ("ssh://u@h:22/f", "ssh"), ("webdavs://h/f", "webdav"), ("azure://c/f", "azure")]
)
def test_missing_plugin(url: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A remote whose plugin is missing is refused with the command that installs it."""
    monkeypatch.setattr(plugins, "find_spec", lambda _: None)
    with pytest.raises(UserError, match=f"'store' must have the plugin dvc-{name}, .+ Run `make setup REMOTES={name}`."):
        plugins.require_plugin("store", url)


@pytest.mark.parametrize("url", ["/srv/store", "../store", "file:///srv/store", "https://h/store"])
def test_no_plugin_needed(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder and HTTP need no plugin."""
    monkeypatch.setattr(plugins, "find_spec", lambda _: None)
    plugins.require_plugin("store", url)


def test_every_plugin_can_be_installed() -> None:
    """Each plugin is an extra, can be named in `make setup REMOTES=`, has pins, and is documented."""
    names = set(plugins.PLUGINS.values())
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert names == {name for name, packages in extras.items() if packages[0].startswith(f"dvc-{name}>=")}
    allowed = re.search(r"filter-out (.+?),", (ROOT / "Makefile").read_text())
    assert allowed
    assert names == set(allowed[1].split())
    assert names == set(re.findall(r"^dvc-(\w+)==", (ROOT / "requirements-remotes.lock").read_text(), re.MULTILINE))
    assert names == set(re.findall(r"^make setup REMOTES=(\w+)$", (ROOT / "docs/share.md").read_text(), re.MULTILINE))


def test_no_package_is_pinned_twice() -> None:
    """The locks of the default installation and of the remotes have no package in common."""
    locks = [(ROOT / name).read_text().splitlines() for name in ("requirements.lock", "requirements-remotes.lock")]
    default, remotes = [{line.split("==")[0].lower() for line in lock} for lock in locks]
    assert set() == default & remotes
