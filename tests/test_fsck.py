"""`fsck`: each kind of damage of DVC's cache is found, and healed from where the object is intact."""

import json
from pathlib import Path

import pytest

from tests.team import Person, overwrite
from veritable.sharing.fsck import Checked, check
from veritable.sharing.steps import Silent

DAMAGE = {
    "a flipped bit": (lambda content: bytes([content[0] ^ 1]) + content[1:], "has other bytes"),
    "a truncation": (lambda content: content[:-1], "has other bytes"),
    "no content": (lambda content: b"", "is empty"),
}


def fsck(person: Person, *, repair: bool = False) -> Checked:
    return check(person.root, repair, Silent())


def test_an_intact_cache(team: Person) -> None:
    """Nothing is reported about a cache that is intact; all of its bytes were read."""
    done = fsck(team)
    assert (0, [], [], 0) == (len(done.damaged), done.writable, done.lost, done.records)
    assert (
        sum(path.stat().st_size for path in (team.root / ".dvc/cache/files").rglob("*") if path.is_file()) == done.total_bytes
    )


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("output", ["z", "out"])
def test_damage_is_found_and_healed(team: Person, damage: str, output: str) -> None:
    """A flipped bit, a truncation and an empty object are found in files and folder objects, and healed from the workspace."""
    change, words = DAMAGE[damage]
    path = team.cached(team.oid(output))
    content = path.read_bytes()
    overwrite(path, change(content))
    found = fsck(team)
    assert [True] == [f"the object {team.oid(output)} {words}" in each for each in found.damaged]
    assert change(content) == path.read_bytes()
    healed = fsck(team, repair=True)
    assert ["the workspace"] == list(healed.healed.values())
    assert content == path.read_bytes()
    assert 0o444 == path.stat().st_mode & 0o777
    assert [] == fsck(team).damaged


def test_healing_from_the_remote(team: Person) -> None:
    """What the workspace has not is taken from the remote, and a copy of the damage in the workspace is replaced (A7)."""
    team.share()
    path = team.cached(team.oid("z"))
    overwrite(path, b"evil")
    team.write("z", "evil")  # as `dvc checkout` restores it
    done = fsck(team, repair=True)
    assert {"z (stage 'two')": "remote 'store'"} == done.healed
    assert ["z"] == done.outputs
    assert b"1\n2\nz\n" == path.read_bytes()
    assert not (team.root / "z").exists()  # the command checks it out again


def test_an_edited_output_is_not_taken_for_damage(team: Person) -> None:
    """A file of the workspace that is neither the object nor a copy of the damage stays."""
    team.share()
    overwrite(team.cached(team.oid("z")), b"evil")
    team.write("z", "edited")
    assert [] == fsck(team, repair=True).outputs
    assert "edited" == team.read("z")


def test_without_a_remote_the_stage_is_named(team: Person) -> None:
    """If nothing intact is left, the stage is named, and a repro makes the object again."""
    (team.root / ".dvc/config.local").unlink()
    overwrite(team.cached(team.oid("z")), b"evil")
    team.write("z", "evil")
    done = fsck(team, repair=True)
    assert (["two"], [], {}) == (done.lost, done.outputs, done.healed)
    assert ["two"] == team.repro()
    assert b"1\n2\nz\n" == team.cached(team.oid("z")).read_bytes()


def test_a_wrong_mode(team: Person) -> None:
    """An object that somebody may write to is found, and becomes read-only."""
    team.cached(team.oid("z")).chmod(0o644)
    assert ["z (stage 'two')"] == fsck(team).writable
    fsck(team, repair=True)
    assert 0o444 == team.cached(team.oid("z")).stat().st_mode & 0o777
    assert [] == fsck(team).writable


def test_a_wrong_folder_object(team: Person) -> None:
    """A folder object that has its hash but lists a path outside its folder is set aside."""
    from tests.test_pull import md5

    content = json.dumps([{"md5": "0" * 32, "relpath": "../x"}]).encode()
    path = team.cached(md5(content) + ".dir")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    assert ["lists '../x', which leaves the folder"] == [each.split(".dir ", 1)[1] for each in fsck(team).damaged]
    fsck(team, repair=True)
    assert not path.exists()


def test_damage_without_a_trace_in_the_file_system(team: Person) -> None:
    """fsck reads what was verified before, too: a failing disk changes bytes, but neither size nor times."""
    team.share()
    memory = team.root / ".dvc/tmp/share/verified.json"
    path: Path = team.cached(team.oid("z"))
    overwrite(path, b"9\n2\nz\n")
    status = path.stat()
    known = json.loads(memory.read_text())
    known[team.oid("z")] = [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]
    memory.write_text(json.dumps(known))
    team.stored(team.oid("z")).unlink()
    assert 1 == team.share().objects  # misses it
    assert 1 == len(fsck(team).damaged)


def test_a_damaged_record_is_removed(team: Person) -> None:
    """A run record that is not what its name says is found and removed."""
    record = next(path for path in (team.root / ".dvc/cache/runs").rglob("*") if path.is_file())
    record.write_text(record.read_text() + "x: 1\n")
    assert 1 == fsck(team).records
    fsck(team, repair=True)
    assert not record.exists()
