"""`fetch` against a remote that lies: nothing that does not verify is used."""

import hashlib
import json
import os
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.team import Person, overwrite
from veritable.errors import UserError
from veritable.sharing.cache import Cache
from veritable.sharing.store import Store


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def plant(person: Person, content: bytes, ending: str = "") -> str:
    """Put an object under its own name into the remote."""
    oid = md5(content) + ending
    person.stored(oid).parent.mkdir(parents=True, exist_ok=True)
    person.stored(oid).write_bytes(content)
    return oid


def quarantined(person: Person) -> list[str]:
    return sorted(path.name for path in (person.root / ".dvc/tmp/share/quarantine").glob("*"))


def test_a_wrong_object_is_set_aside_and_named(team: Person) -> None:
    """An object with other bytes under the old name is refused by output, stage and remote; the old results stay."""
    team.share()
    other = team.clone()
    oid = other.oid("z")
    overwrite(team.stored(oid), b"evil")
    with pytest.raises(UserError, match=r"z \(stage 'two'\) in remote 'store' must verify, but the object \w+ has other bytes"):
        other.fetch()
    assert [oid] == quarantined(other)
    assert not other.cached(oid).exists()
    assert not (other.root / "z").exists()


@pytest.mark.parametrize("place", ["../../.git/config", "/etc/motd", ".git/hooks/post-checkout"])
def test_a_folder_object_that_leaves_its_folder(team: Person, place: str) -> None:
    """A folder object that git names and that lists a path outside its folder is refused and set aside."""
    evil = plant(team, b"evil")
    listed = json.dumps([{"md5": evil, "relpath": place}]).encode()
    oid = plant(team, listed, ".dir")
    lock = team.read("dvc.lock").replace(team.oid("out"), oid)
    team.share()
    other = team.clone()
    other.write("dvc.lock", lock)
    with pytest.raises(UserError, match=rf"out \(stage 'one'\) in remote 'store' must verify, but .* lists '{place}', which"):
        other.fetch()
    assert [oid] == quarantined(other)
    assert not other.cached(oid).exists()


def test_a_changed_folder_object(team: Person) -> None:
    """A folder object to which a path was appended does not have its hash any more, so it is refused (A5)."""
    team.share()
    other = team.clone()
    stored = team.stored(other.oid("out"))
    entries = [*json.loads(stored.read_bytes()), {"md5": plant(team, b"evil"), "relpath": "../in.csv"}]
    overwrite(stored, json.dumps(entries).encode())
    with pytest.raises(UserError, match=r"out \(stage 'one'\) in remote 'store' must verify"):
        other.fetch()
    assert "1\n2\n" == other.read("in.csv")


def test_an_object_that_arrives_intact_the_second_time(team: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was damaged on the way is set aside, named and fetched once again."""
    team.share()
    other, get, damaged = team.clone(), Store.get_object, set[str]()

    def get_badly(self: Store, oid: str, target: Path) -> None:
        get(self, oid, target)
        if oid == other.oid("z") and oid not in damaged:
            damaged.add(oid)
            overwrite(target, b"")

    monkeypatch.setattr(Store, "get_object", get_badly)
    fetched = other.fetch()
    assert (["z (stage 'two')"], []) == (fetched.set_aside, fetched.missing)
    other.checkout()
    assert "1\n2\nz\n" == other.read("z")


def test_a_damaged_object_of_the_cache_is_replaced(team: Person) -> None:
    """An object that plain `dvc pull` or a failing disk has left damaged in the cache is fetched again."""
    team.share()
    overwrite(team.cached(team.oid("z")), b"evil")
    assert ["z (stage 'two')"] == team.fetch().set_aside
    assert b"1\n2\nz\n" == team.cached(team.oid("z")).read_bytes()


def forge(team: Person) -> None:
    """Put a run record for a: 9 into the remote that restores what an attacker wants. Its hashes are right."""
    from dvc.stage.cache import _get_cache_hash

    yaml = YAML(typ="safe")
    evil = plant(team, b"evil")
    records = [path for path in (team.store / "runs").rglob("*") if path.is_file()]
    record = next(path for path in records if "cmd: echo two" in path.read_text() and team.oid("out") in path.read_text())
    content = yaml.load(record.read_text())
    for out in content["outs"]:
        out |= {"md5": evil, "size": 4}
    key, value = (
        _get_cache_hash({**content, "outs": [dict(each) for each in content["outs"]]}, key=True),
        _get_cache_hash(content),
    )
    record.unlink()
    forged = team.store / "runs" / key[:2] / key / value
    forged.parent.mkdir(parents=True, exist_ok=True)
    with forged.open("w") as file:
        yaml.dump(content, file)


def test_a_forged_record_restores_nothing(team: Person) -> None:
    """Run records of a remote that is not trusted are not used: the stage runs."""
    team.share()
    forge(team)
    other = team.clone()
    assert None is other.fetch(trusted=()).records
    assert [] == list((other.root / ".dvc/cache/runs").rglob("*"))
    other.checkout()
    for path in ("z", "m.json", "dvc.lock"):
        (other.root / path).unlink(missing_ok=True)
    assert "two" in other.repro()
    assert "1\n2\nz\n" == other.read("z")


def test_a_trusted_remote_decides(team: Person) -> None:
    """The same forged record is used if the remote is trusted: that is what trust means."""
    team.share()
    forge(team)
    other = team.clone()
    assert 4 == other.fetch(trusted=("store",)).records
    other.checkout()
    for path in ("z", "m.json", "dvc.lock"):
        (other.root / path).unlink(missing_ok=True)
    assert "two" not in other.repro()
    assert "evil" == other.read("z")


def test_a_record_that_is_not_what_its_name_says(team: Person) -> None:
    """A record with other content under the old name is left out, also from a trusted remote."""
    team.share()
    record = next(path for path in (team.store / "runs").rglob("*") if path.is_file())
    overwrite(record, record.read_text().replace("cmd: echo", "cmd: ECHO").encode())
    assert 3 == team.clone().fetch().records


def test_a_link_in_git_that_leads_out(team: Person, tmp_path: Path) -> None:
    """A folder that git brings as a link out of the repository is not written through; a link of the user's own is."""
    outside = tmp_path / "outside"
    outside.mkdir()
    team.write("dvc.yaml", "stages:\n  deep:\n    cmd: echo 1 > deep/x\n    deps: [in.csv]\n    outs: [deep/x]\n")
    team.write("deep/.gitignore", "/x\n")
    team.repro()
    team.commit()
    team.share()
    other = team.clone()
    other.git("rm", "-qr", "deep")
    (other.root / "deep").symlink_to(outside)
    assert "deep/x" in other.fetch().outputs
    other.git("add", "deep")
    with pytest.raises(UserError, match="deep must be a folder to be written to, but git tracks it as a link that leads out"):
        other.fetch()


def test_a_link_inside_an_output(team: Person, tmp_path: Path) -> None:
    """A link between the folders of an output is not written through."""
    team.share()
    other = team.clone()
    (other.root / "out").mkdir()
    (other.root / "out/sub").symlink_to(tmp_path)
    with pytest.raises(UserError, match="out/sub must be a folder to be written to, but it is a link"):
        other.fetch()


def test_an_interrupted_fetch_continues(team: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    """After an interruption only what is missing is downloaded, and nothing partial has the name of an object."""
    team.share()
    other, get = team.clone(), Store.get_object

    def fail(self: Store, oid: str, target: Path) -> None:
        if oid == other.oid("z"):
            target.write_bytes(b"1")
            raise ConnectionResetError("gone")
        get(self, oid, target)

    with monkeypatch.context() as patch:
        patch.setattr(Store, "get_object", fail)
        with pytest.raises(UserError, match="remote 'store' must answer, but fails: gone"):
            other.fetch()
    have = [path.name for path in (other.root / ".dvc/cache/files").rglob("*") if path.is_file()]
    assert not any("." in name.removesuffix(".dir") for name in have)
    assert not other.cached(other.oid("z")).exists()
    fetched = other.fetch()
    assert 0 < fetched.objects
    assert [] == fetched.missing


def test_what_dead_processes_left_is_removed(team: Person) -> None:
    """Partial downloads of processes that are gone are removed, those of running ones stay."""
    partial = team.root / ".dvc/cache/files/partial"
    partial.mkdir()
    (partial / f"{team.oid('z')}.4194304").write_text("gone")
    (partial / f"{team.oid('z')}.{os.getppid()}").write_text("running")
    team.share()
    assert [f"{team.oid('z')}.{os.getppid()}"] == [path.name for path in partial.iterdir()]


def test_nothing_verified_is_read_twice(team: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second fetch reads no object again, unless its size, times or inode changed."""
    team.share()
    team.fetch()
    read: list[Path] = []

    def note(path: Path, _: object) -> str:
        read.append(path)
        return path.parent.name + path.name[:30]

    monkeypatch.setattr("veritable.sharing.cache.hash_file", note)
    team.fetch()
    assert [] == read
    os.utime(team.cached(team.oid("z")))
    team.fetch()
    assert [team.cached(team.oid("z"))] == read


def test_a_missing_output_is_named(team: Person) -> None:
    """An output that is neither here nor in the remote is named, and the others can be checked out."""
    team.share()
    team.stored(team.oid("z")).unlink()
    for path in (team.root / ".dvc/cache/files").rglob(team.oid("z")[2:]):
        path.unlink()
    fetched = team.fetch()
    assert (["z (stage 'two')"], ["out"]) == (fetched.missing, fetched.outputs)


def test_old_commits_are_read_once(team: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    """DVC reads each commit once; a new one is read by the next command."""
    team.share()
    known = json.loads(team.read(".dvc/tmp/share/commits.json"))
    assert set(team.git("rev-list", "HEAD").split()) == set(known)
    monkeypatch.setattr("veritable.sharing.named._outputs", lambda _: [])
    team.share()
    assert known == json.loads(team.read(".dvc/tmp/share/commits.json"))


def test_names_that_are_not_objects(team: Person) -> None:
    """A name that is no MD5 never becomes a path."""
    from dvc.repo import Repo

    with Repo(str(team.root)) as repo:
        cache = Cache(repo, team.root / ".dvc/tmp/share")
        for name in ("../../x", "", "a" * 31, "a" * 32 + ".dir/x"):
            with pytest.raises(ValueError, match="is not the name of an object"):
                cache.path(name)
