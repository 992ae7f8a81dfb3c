"""Results are shared through real servers: SSH, S3, encrypted S3, WebDAV and Azure, with the commands of docs/share.md."""

import gc
import random
import re
import shlex
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import HANGS
from tests.rooms import ROOT
from tests.servers import S3, Azure, Encrypted, Server, Ssh, WebDav
from veritable.errors import UserError
from veritable.sharing.commands import fetch
from veritable.sharing.params import ShareParams
from veritable.sharing.pull import Fetched, pull
from veritable.sharing.push import push
from veritable.sharing.steps import Silent

pytestmark = pytest.mark.filterwarnings("default")  # DVC and the clients of the servers use deprecated functions of theirs
PAGE = (ROOT / "docs/share.md").read_text()
FILES, FILE_BYTES = 8, 30_000
PIPELINE = """
stages:
  table: {cmd: sh table.sh, deps: [table.sh, source], outs: [table]}
  model: {cmd: sh model.sh, deps: [model.sh, table], params: [lr], outs: [model], metrics: [metrics.json]}
"""


@pytest.fixture(scope="module")
def surroundings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Give this module a home of its own, and return the file to which each run of a stage appends a line."""
    folder = tmp_path_factory.mktemp("home")
    (folder / ".ssh").mkdir()
    marker = folder / "ran"
    with pytest.MonkeyPatch.context() as patch:
        author = {f"GIT_{who}_{what}": "me@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        for name, value in (author | {"HOME": str(folder), "MARKER": str(marker), "DVC_NO_ANALYTICS": "1"}).items():
            patch.setenv(name, value)
        yield marker


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, surroundings: Path) -> Path:
    """Return a repository of two stages in which lr 0.1 was run, then lr 0.2 was run and committed."""
    root = tmp_path_factory.mktemp("project") / "project"
    git(root.parent, "init", "-q", "-b", "main", str(root))
    from dvc.repo import Repo

    Repo.init(str(root)).close()
    (root / ".dvc/config").write_text("[core]\n    analytics = false\n    check_update = false\n")
    (root / "dvc.yaml").write_text(PIPELINE)
    (root / "table.sh").write_text('echo table >> "$MARKER"\ncp -r source table\n')
    (root / "model.sh").write_text('echo model >> "$MARKER"\ncat params.yaml table/* > model\necho {} > metrics.json\n')
    (root / "source").mkdir()
    for number in range(FILES):
        (root / f"source/{number}").write_bytes(random.Random(number).randbytes(FILE_BYTES))
    for lr in (0.1, 0.2):
        assert {"table", "model"} >= set(reproduce(root, lr))
    git(root, "add", "-A")
    git(root, "commit", "-qm", "run")
    return root


@pytest.fixture(scope="module", params=[Ssh, S3, Encrypted, WebDav, Azure], ids=lambda kind: kind.__name__)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, surroundings: Path) -> Iterator[Server]:
    """Return a running server of each kind."""
    found: Server = request.param(tmp_path_factory.mktemp(request.param.__name__))
    found.start()
    yield found
    found.kill()
    gc.collect()  # closes the sockets of clients that leave them open, while this module allows their warnings


@pytest.fixture(scope="module")
def shared(server: Server, project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the repository, whose results were pushed to the server."""
    root = copy(project, tmp_path_factory.mktemp("shared"))
    follow_page(root, server, "store")
    git(root, "commit", "-qam", "remote")
    assert 2 * FILES > push(root, None, None, Silent()).objects > FILES
    return root


@contextmanager
def repository(root: Path) -> Iterator[Any]:
    """Open a repository with DVC as its working directory, which DVC's Python interface expects."""
    from dvc.repo import Repo  # takes seconds

    with chdir(root), Repo() as repo:
        yield repo


def git(root: Path, *words: str) -> None:
    subprocess.run(["git", *words], cwd=root, check=True, timeout=HANGS)


def copy(project: Path, folder: Path) -> Path:
    return shutil.copytree(project, folder / "project", symlinks=True)


def follow_page(root: Path, server: Server, store: str, *, own: bool = False, port: int = 0, **wrong: str) -> None:
    """Run the commands of docs/share.md for a kind of server in a repository.

    Parameters
    ----------
    own
        Run only those that each person runs: credentials and the host key.
    wrong
        Words of the page to replace by other values than the right ones.
    """
    from dvc.cli import main as dvc

    words = server.words(store, port or server.port) | wrong
    section = re.search(rf"^### {server.heading}\n(.*?)^##", PAGE, re.DOTALL | re.MULTILINE)
    assert section
    for line in re.findall(r"^(?:dvc|ssh-keyscan) .+", section[1], re.MULTILINE):
        filled = re.sub(rf"\b({'|'.join(words)})\b", lambda found: shlex.quote(words[found[0]]), line)
        if line.startswith("ssh-keyscan"):
            if not port:
                subprocess.run(["sh", "-c", filled], check=True, timeout=HANGS, stderr=subprocess.DEVNULL)
        elif not own or "--local" in line:
            filled = filled.replace("remote add", "remote add --force")  # a clone has the remote already
            assert 0 == dvc(["--cd", str(root), *shlex.split(filled)[1:]])


def clone(shared: Path, folder: Path, server: Server, **wrong: str) -> Path:
    """Clone a repository as a second person, who adds credentials."""
    git(folder, "clone", "-q", str(shared), str(folder / "clone"))
    follow_page(folder / "clone", server, "store", own=True, **wrong)
    return folder / "clone"


def fetch_here(root: Path) -> Fetched:
    """Do what `fetch` does, but in this process."""
    done = pull(root, None, ["store"], False, Silent())
    with repository(root) as repo:
        repo.checkout(targets=[str(root / path) for path in done.outputs])
    return done


def reproduce(root: Path, lr: float) -> list[str]:
    """Set the parameter and run the pipeline. Return the stages that DVC found changed."""
    (root / "params.yaml").write_text(f"lr: {lr}\n")
    with repository(root) as repo:
        return [stage.addressing for stage in repo.reproduce()]


def contents(root: Path) -> dict[str, bytes]:
    """Return the outputs of the pipeline."""
    files = [root / "model", root / "metrics.json", *sorted((root / "table").iterdir())]
    return {str(file.relative_to(root)): file.read_bytes() for file in files}


def test_second_person(shared: Path, server: Server, surroundings: Path, tmp_path: Path) -> None:
    """A clone fetches and runs nothing, also for a parameter that was tried but not committed, and after losing its cache."""
    root = clone(shared, tmp_path, server)
    before = surroundings.read_text()
    fetch_here(root)
    assert contents(shared) == contents(root)
    assert [] == reproduce(root, 0.2)
    assert ["model"] == reproduce(root, 0.1)  # restored from the run cache
    assert b"lr: 0.1" in (root / "model").read_bytes()
    shutil.rmtree(root / ".dvc/cache")
    git(root, "checkout", "-q", ".")
    for path in (root / "model", root / "metrics.json"):
        path.unlink()
    shutil.rmtree(root / "table")
    fetch_here(root)
    assert contents(shared) == contents(root)
    assert [] == reproduce(root, 0.2)
    assert before == surroundings.read_text()
    assert 0 == fetch_here(root).objects == push(root, None, None, Silent()).objects


def test_plain_dvc(shared: Path, project: Path, server: Server, tmp_path: Path) -> None:
    """`dvc pull` gets what `share` has pushed, and `fetch` what `dvc push` has pushed."""
    root = clone(shared, tmp_path, server)
    with repository(root) as repo:
        repo.pull()
    assert contents(shared) == contents(root)
    follow_page(root, server, "plain")
    with repository(root) as repo:
        repo.push()
    shutil.rmtree(root / ".dvc/cache")
    assert FILES < fetch_here(root).objects


def test_wrong_credentials(shared: Path, server: Server, tmp_path: Path) -> None:
    """A wrong credential is refused in one sentence that does not repeat it, and nothing arrives."""
    root = clone(shared, tmp_path, server, **server.wrong())
    with pytest.raises(
        UserError, match=r"remote 'store' must answer, but fails: .+ Check its URL and your credentials"
    ) as refusal:
        pull(root, None, [], False, Silent())
    assert "\n" not in str(refusal.value)
    assert not any((root / ".dvc/cache").rglob("*.dir"))


class KillAfter(Silent):
    """Steps that kill a server once some bytes were transferred."""

    def __init__(self, server: Server, step: str, after_bytes: int):
        self._server, self._step, self._left, self._is_on = server, step, after_bytes, False

    def begin(self, description: str, total: int | None = None) -> None:
        self._is_on = description.startswith(self._step)

    def advance(self, count: int = 1) -> None:
        if self._is_on:
            self._left -= count
            if self._left < 0:
                self._server.kill()


def test_killed_server(project: Path, server: Server, tmp_path: Path) -> None:
    """After the server is killed in the middle, the same command continues: what has arrived is not sent again."""
    root = copy(project, tmp_path)
    follow_page(root, server, "killed")
    with repository(root) as repo, repo.config.edit("local") as config:
        config["remote"]["store"]["jobs"] = 1  # one after the other, so that some have arrived in the middle
    with pytest.raises(UserError, match="run the command again: it continues where it stopped"):
        push(root, None, None, KillAfter(server, "Pushing", 2 * FILE_BYTES * FILES))
    server.start()
    again = push(root, None, None, Silent())
    assert again.objects > 0 < again.present
    shutil.rmtree(root / ".dvc/cache")
    assert again.objects + again.present == fetch_here(root).objects


def test_silent_server(project: Path, server: Server, tmp_path: Path) -> None:
    """A server that accepts a connection and never answers ends the command after the time limit, with one sentence."""
    root = copy(project, tmp_path)
    shutil.rmtree(root / ".dvc/cache")  # otherwise `fetch` has nothing to ask for
    with socket.create_server(("127.0.0.1", 0)) as silent:
        follow_page(root, server, "store", port=silent.getsockname()[1])
        with pytest.raises(UserError, match=r"must answer within 2 seconds .+ but has been silent"):
            fetch(root, ShareParams(trusted=[], time_limit=2), None, verify=False)


only_ssh = pytest.mark.parametrize("server", [Ssh], indirect=True, ids=["Ssh"])
only_encrypted = pytest.mark.parametrize("server", [Encrypted], indirect=True, ids=["Encrypted"])


@only_ssh
def test_host_key(shared: Path, server: Ssh, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An SSH server whose host key is unknown or has changed is refused; the command that the message names accepts the key."""
    root = clone(shared, tmp_path, server)
    monkeypatch.setenv("HOME", str(tmp_path))
    known = tmp_path / ".ssh/known_hosts"
    known.parent.mkdir()
    with pytest.raises(UserError, match=rf"127.0.0.1:{server.port} must have a host key in ~/.ssh/known_hosts, but has none"):
        pull(root, None, [], False, Silent())
    known.write_text(f"[127.0.0.1]:{server.port} {(server.folder / 'another-key.pub').read_text()}")
    with pytest.raises(UserError, match=rf"but has another one: .+ `ssh-keygen -R '\[127.0.0.1\]:{server.port}'`") as refusal:
        pull(root, None, [], False, Silent())
    assert not any((root / ".dvc/cache").rglob("*.dir"))
    known.unlink()
    *_, accept = re.findall(r"`([^`]+)`", str(refusal.value))
    subprocess.run(["sh", "-c", accept], check=True, timeout=HANGS, stderr=subprocess.DEVNULL)
    assert FILES < pull(root, None, [], False, Silent()).objects


@only_ssh
def test_plain_dvc_accepts_any_host_key(shared: Path, server: Ssh, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain `dvc fetch` does not check the host key. When this test fails, DVC does, and docs/share.md must say so."""
    root = clone(shared, tmp_path, server)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh/known_hosts").write_text(f"[127.0.0.1]:{server.port} {(server.folder / 'another-key.pub').read_text()}")
    with repository(root) as repo:
        assert FILES < repo.fetch()


@only_encrypted
def test_encryption_at_rest(project: Path, server: Encrypted, tmp_path: Path) -> None:
    """The storage holds neither names nor contents in plain text, and one altered byte in it is refused."""
    before = set(server.stored())
    root = copy(project, tmp_path)
    follow_page(root, server, "flipped")
    push(root, None, None, Silent())
    new = [path for path in server.stored() if path not in before]
    sources = [(root / f"source/{number}").read_bytes()[:64] for number in range(FILES)]
    stored = [path.read_bytes() for path in new]
    assert [] == [each for each in sources if any(each in content for content in stored)]
    assert [] == [path for path in new if "flipped" in str(path) or ".dir" in path.name]
    shutil.rmtree(root / ".dvc/cache")
    largest = max(new, key=lambda path: path.stat().st_size)
    content = bytearray(largest.read_bytes())
    content[len(content) // 2] ^= 1
    largest.write_bytes(content)
    with pytest.raises(UserError, match="remote 'store'"):
        pull(root, None, ["store"], False, Silent())
    content[len(content) // 2] ^= 1
    largest.write_bytes(content)
    assert 0 < pull(root, None, ["store"], False, Silent()).objects
