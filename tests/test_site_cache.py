"""DVC's site cache, from which it loads pickles, is a private folder of the repository."""

import os
from pathlib import Path

import pytest

from tests.team import Person
from veritable.errors import UserError
from veritable.stage.site_cache import FOLDER, VARIABLE, use_private_site_cache


class Evil:
    """Makes a folder when it is unpickled."""

    def __init__(self, marker: Path):
        self.marker = marker

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.marker),)


def plant(team: Person, marker: Path) -> None:
    """Write a pickle into the database of links, as another user of the machine can (A8)."""
    from diskcache import Cache
    from dvc.repo import Repo

    with Repo(str(team.root)) as repo:
        folder = repo.site_cache_dir
    with Cache(str(Path(folder) / "links")) as links:
        links["in.csv"] = Evil(marker)  # DVC reads the entries of files that are no outputs


def test_a_planted_pickle(team: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """DVC runs what was planted in a folder that others can write to; in the private folder nobody else can plant anything."""
    marker = tmp_path / "ran"
    plant(team, marker)
    monkeypatch.delenv(VARIABLE)  # set by the fixture: the shared folder
    with monkeypatch.context() as patch:
        patch.setenv(VARIABLE, "")
        use_private_site_cache(team.root)
        team.checkout()
        assert str(team.root / FOLDER) == os.environ[VARIABLE]
    assert not marker.exists()
    assert 0o700 == (team.root / FOLDER).stat().st_mode & 0o777
    monkeypatch.setenv(VARIABLE, str(tmp_path / "site"))
    team.checkout()
    assert marker.exists()


def test_the_folder_becomes_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that DVC itself has made for everybody becomes private; a folder that the user names stays."""
    monkeypatch.delenv(VARIABLE, raising=False)
    folder = tmp_path / FOLDER
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    monkeypatch.setenv(VARIABLE, "/elsewhere")
    use_private_site_cache(tmp_path)
    assert ("/elsewhere", 0o777) == (os.environ[VARIABLE], folder.stat().st_mode & 0o777)
    monkeypatch.setenv(VARIABLE, "")
    use_private_site_cache(tmp_path)
    assert (str(folder), 0o700) == (os.environ[VARIABLE], folder.stat().st_mode & 0o777)


def test_a_file_in_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If there cannot be such a folder, one sentence says what to do; outside a DVC repository nothing is made."""
    monkeypatch.setenv(VARIABLE, "")
    use_private_site_cache(tmp_path)
    assert [] == list(tmp_path.iterdir())
    (tmp_path / ".dvc/tmp").mkdir(parents=True)
    (tmp_path / FOLDER).write_text("")
    with pytest.raises(UserError, match=r"\.dvc/tmp/site must be a folder that belongs to you, but is not"):
        use_private_site_cache(tmp_path)
