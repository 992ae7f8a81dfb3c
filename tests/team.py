"""Fixture `team`: a small pipeline that one person has run and committed twice, and an empty remote."""

import os
import shutil
import subprocess
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path

import pytest

from veritable.sharing.pull import Fetched, pull
from veritable.sharing.push import Shared, push
from veritable.sharing.steps import Silent

PIPELINE = """stages:
  one:
    cmd: echo one >> $MARKS && mkdir -p out/sub && cp in.csv out/x && cp params.yaml out/sub/y
    deps: [in.csv]
    params: [a]
    outs: [out]
  two:
    cmd: echo two >> $MARKS && cp out/x z && echo z >> z && cp out/sub/y m.json && echo m >> m.json
    deps: [out]
    outs: [z]
    metrics:
    - m.json: {cache: false}
"""
PARAMS = "a: {a}\nshare:\n  trusted: [store]\n  time_limit: 60\n"


@dataclass(frozen=True)
class Person:
    """A clone of the pipeline."""

    root: Path
    store: Path

    def read(self, path: str) -> str:
        return (self.root / path).read_text()

    def write(self, path: str, text: str) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)  # it may be read-only
        file.write_text(text)

    def git(self, *words: str) -> str:
        return subprocess.run(["git", *words], cwd=self.root, capture_output=True, text=True, check=True).stdout

    def commit(self) -> None:
        self.git("add", "-A")
        self.git("commit", "-qm", "state")

    def connect(self) -> None:
        """Name the remote outside git, because each test has another path."""
        self.write(".dvc/config.local", f"['remote \"store\"']\n    url = {self.store}\n[core]\n    remote = store\n")

    def repro(self, a: int | None = None) -> list[str]:
        """Run the pipeline with a param, and return the stages whose commands ran."""
        from dvc.repo import Repo

        if a is not None:
            self.write("params.yaml", PARAMS.format(a=a))
        marks = Path(os.environ["MARKS"])
        marks.write_text("")
        with chdir(self.root), Repo(str(self.root)) as repo:  # without targets, DVC runs the dvc.yaml of the working directory
            repo.reproduce()
        return marks.read_text().split()

    def checkout(self) -> None:
        from dvc.repo import Repo

        with Repo(str(self.root)) as repo:
            repo.checkout(force=True)

    def share(self) -> Shared:
        return push(self.root, None, None, Silent())

    def fetch(self, *, trusted: tuple[str, ...] = ("store",), verify: bool = False) -> Fetched:
        return pull(self.root, None, trusted, verify, Silent())

    def oid(self, path: str) -> str:
        """Return the object that dvc.lock names for an output."""
        lines = self.read("dvc.lock").split("outs:", 1)[1]
        return lines.split(f"- path: {path}\n", 1)[1].split("md5: ", 1)[1].split("\n", 1)[0]

    def cached(self, oid: str) -> Path:
        return self.root / ".dvc/cache/files/md5" / oid[:2] / oid[2:]

    def stored(self, oid: str) -> Path:
        return self.store / "files/md5" / oid[:2] / oid[2:]

    def clone(self, name: str = "clone") -> "Person":
        """Return a second person, who has what is committed and nothing else."""
        other = Person(self.root.parent / name, self.store)
        self.git("clone", "-q", str(self.root), str(other.root))
        other.connect()
        return other


def overwrite(path: Path, content: bytes) -> None:
    """Write to a file that is read-only, and leave it read-only."""
    path.chmod(0o644)
    path.write_bytes(content)
    path.chmod(0o444)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pipeline, run and committed with a: 1 and with a: 2. Tests copy it."""
    from dvc.repo import Repo

    folder = tmp_path_factory.mktemp("team")
    person = Person(folder / "owner", folder / "store")
    person.root.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MARKS", str(folder / "marks"))
        patch.setenv("DVC_SITE_CACHE_DIR", str(folder / "site"))
        person.git("init", "-q", "-b", "main")
        for key, value in {"user.name": "owner", "user.email": "owner@example.org"}.items():
            person.git("config", key, value)
        Repo.init(str(person.root)).close()
        person.write(".dvc/config", "[core]\n    analytics = false\n    check_update = false\n")
        person.write("in.csv", "1\n2\n")
        person.write("code/one.txt", "the code of one\n")
        person.write("dvc.yaml", PIPELINE)
        for a in (1, 2):
            assert person.repro(a)
            person.commit()
    return person.root


@pytest.fixture
def team(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Person:
    """The owner of the pipeline, with an empty remote."""
    monkeypatch.setenv("MARKS", str(tmp_path / "marks"))
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / "site"))
    person = Person(tmp_path / "owner", tmp_path / "store")
    shutil.copytree(made, person.root, symlinks=True)
    person.connect()
    return person
