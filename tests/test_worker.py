"""A transfer runs in a process of its own: it ends if a remote falls silent, and continues after every interruption."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import HANGS, clean
from tests.team import Person
from veritable.errors import UserError
from veritable.sharing.commands import fetch
from veritable.sharing.params import ShareParams


def silence(person: Person, path: str) -> bytes:
    """Make the remote silent when it is asked for an output, like a server that accepts and never answers."""
    stored = person.stored(person.oid(path))
    content = stored.read_bytes()
    stored.unlink()
    os.mkfifo(stored)
    return content


def start(person: Person, *words: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "veritable", *words],
        cwd=person.root,
        env=clean({}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def until(true: object, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not true():  # type: ignore[operator]
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.1)


def test_a_silent_remote(team: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    """A remote that never answers is given up after the time limit, in one sentence; the old results stay."""
    team.share()
    other = team.clone()
    silence(team, "z")
    with pytest.raises(
        UserError, match=r"must answer within 1 seconds \(share.time_limit in params.yaml\), but has been silent"
    ):
        fetch(other.root, ShareParams(trusted=[], time_limit=1), None, verify=False)
    assert not (other.root / "z").exists()


def test_a_killed_fetch_continues(team: Person) -> None:
    """The process that transfers ends with its parent, even by SIGKILL; the same command then continues."""
    team.share()
    other = team.clone()
    content = silence(team, "z")
    running = start(other, "fetch")
    until(lambda: other.cached(other.oid("out")).exists() and children(running.pid))
    (worker,) = children(running.pid)
    os.kill(running.pid, signal.SIGKILL)
    running.communicate()
    until(lambda: not Path(f"/proc/{worker}").exists() or "Z" in Path(f"/proc/{worker}/stat").read_text().split()[2])
    team.stored(team.oid("z")).unlink()
    team.stored(team.oid("z")).write_bytes(content)
    again = start(other, "fetch")
    text, _ = again.communicate(timeout=HANGS)
    assert 0 == again.returncode, text
    line = r"Fetched from store: \d+ objects, \d+ bytes in \d+\.\d s; 4 run records; \d+ objects were there already\. All are"
    assert re.search(line, text), text
    assert "1\n2\nz\n" == other.read("z")


def test_an_edited_output_stays(team: Person) -> None:
    """An output that was edited by hand is not replaced: one sentence says so."""
    team.share()
    team.write("z", "edited")
    with pytest.raises(UserError, match="the outputs must be as a stage or DVC left them to be replaced, but are not"):
        fetch(team.root, ShareParams(trusted=[], time_limit=600), None, verify=False)
    assert "edited" == team.read("z")
