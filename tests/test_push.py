"""`share`: what is pushed, and that a colleague runs nothing again."""

from pathlib import Path

import pytest

from tests.team import Person, overwrite
from veritable.errors import UserError
from veritable.sharing.steps import Silent
from veritable.sharing.store import Store


def test_a_colleague_runs_nothing(team: Person) -> None:
    """After share and fetch, neither the committed state nor one that was committed earlier runs a stage."""
    team.repro(3)  # never committed: only a run record names its outputs
    team.git("checkout", "-q", "--", ".")
    team.checkout()
    shared = team.share()
    assert (11, 0, 6) == (shared.objects, shared.present, shared.records)
    other = team.clone()
    fetched = other.fetch()
    assert (11, 6, []) == (fetched.objects, fetched.records, fetched.missing)
    other.checkout()
    assert [] == other.repro()
    assert [] == other.repro(1)
    assert [] == other.repro(3)
    assert "a: 3" in other.read("out/sub/y")
    assert "a: 3" in other.read("m.json")  # not cached: only the record names it
    assert ["one", "two"] == other.repro(4)


def test_a_second_push_finds_everything_there(team: Person) -> None:
    """Nothing is pushed twice, also by a second person; an object that is lost or truncated in the remote is pushed again."""
    assert 0 < team.share().objects
    assert (0, 0) == (team.share().objects, team.share().records)
    other = team.clone()
    other.fetch()
    assert 0 == other.share().objects
    team.stored(team.oid("z")).unlink()
    overwrite(team.stored(team.oid("out")), b"[")
    assert 2 == team.share().objects
    assert [] == team.clone("third").fetch().missing


def test_plain_dvc_pulls_what_was_shared(team: Person) -> None:
    """`dvc pull` finds what share has pushed, and share finds what `dvc push` has pushed."""
    from dvc.repo import Repo

    with Repo(str(team.root)) as repo:
        assert 0 < repo.push(all_commits=True, run_cache=True)
    shared = team.share()
    assert (2, 0) == (shared.objects, shared.records)  # DVC pushes records without the objects that only they name
    other = team.clone()
    with Repo(str(other.root)) as repo:
        repo.pull()
    assert "a: 2" in other.read("out/sub/y")


def test_a_damaged_object_is_not_pushed(team: Person) -> None:
    """A flipped bit is refused by name and nothing is pushed; an object that was verified is read again if it changes."""
    path = team.cached(team.oid("z"))
    content = path.read_bytes()
    overwrite(path, b"3" + content[1:])
    with pytest.raises(
        UserError, match=r"z \(stage 'two'\) must be intact in DVC's cache to be shared, but .* has other bytes"
    ):
        team.share()
    assert not team.store.exists()
    overwrite(path, content)
    team.share()
    team.stored(team.oid("z")).unlink()
    overwrite(path, b"3" + content[1:])
    with pytest.raises(UserError, match="has other bytes"):
        team.share()


def test_an_output_that_must_not_be_pushed_stays(team: Person) -> None:
    """`push: false` is respected."""
    team.write("dvc.yaml", team.read("dvc.yaml").replace("outs: [z]", "outs: [z: {push: false}]"))
    team.commit()
    team.git("checkout", "-q", "--orphan", "fresh")
    team.commit()
    team.git("branch", "-q", "-D", "main")
    for record in (team.root / ".dvc/cache/runs").glob("*/*/*"):
        record.unlink()
    team.share()
    assert team.stored(team.oid("out")).is_file()
    assert not team.stored(team.oid("z")).exists()


def test_an_output_that_is_nowhere_is_named(team: Person) -> None:
    """If an output of the workspace is neither in the cache nor in the remote, share names it with its stage."""
    team.cached(team.oid("z")).unlink()
    assert ["z (stage 'two')"] == team.share().missing


def test_mistakes_are_one_sentence(team: Person) -> None:
    """No remote, an unknown remote and a remote that fails are one sentence each."""
    from dvc.repo import Repo

    unknown = "'shop' must be a remote of this repository, but the remotes are: store"
    with Repo(str(team.root)) as repo, pytest.raises(UserError, match=unknown):
        Store(repo, "shop", Silent())
    team.store.write_text("a file")
    with pytest.raises(UserError, match="remote 'store' must answer, but fails: "):
        team.share()
    (team.root / ".dvc/config.local").unlink()
    with pytest.raises(UserError, match=r"this repository must have a DVC remote, but has none\. Run `dvc remote add"):
        team.share()


def test_a_folder_that_is_no_repository(tmp_path: Path) -> None:
    """Outside a DVC repository, share says so."""
    from veritable.sharing.push import push

    with pytest.raises(UserError, match="must be a valid DVC repository, but is not"):
        push(tmp_path, None, None, Silent())
