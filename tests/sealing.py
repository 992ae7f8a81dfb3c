"""Run stages behind the seal without DVC: their declaration is made by hand, which saves DVC's import.

`refused` and `allowed` are the outcomes of many expressions, each evaluated once by a stage that declares nothing and by one
that declares what the expressions use. A test looks at one of them, so that all tests together start two stages.
"""

import json
import os
import signal
import socket
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, redirect_stderr
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import HEAD, Ran
from veritable.stage import code, supervisor
from veritable.stage.declaration import Declaration
from veritable.stage.meta import Exceptions

EXPRESSIONS = {  # {around} is a folder outside the repository
    "exists": 'os.path.exists("data/secret.csv")',
    "is_file": 'Path("data/secret.csv").is_file()',
    "size": 'os.path.getsize(os.path.abspath("data/secret.csv"))',
    "lstat": 'os.lstat("data/secret.csv").st_size',
    "access": 'os.access("data/secret.csv", os.R_OK)',
    "stat in an open folder": 'os.stat("../secret.csv", dir_fd=OPEN).st_size',
    "readlink": 'os.readlink("data/link.csv")',
    "extended attribute": 'os.listxattr("data/secret.csv")',
    "library stat": "library.exists('data/secret.csv')",
    "absent": 'os.path.exists("data/absent.csv")',
    "folder above": 'os.path.isdir("data")',
    "variable": 'os.environ["TOWN"]',
    "getenv": 'os.getenv("TOWN")',
    "variable of a child": 'subprocess.run("echo $TOWN", shell=True, capture_output=True, text=True).stdout',
    "library variable": "library.variable('TOWN')",
    "secret variable": 'os.environ.get("SECRET")',
    "own variable": 'os.environ.setdefault("NEW", "1") + os.environ["NEW"]',
    "environment of the parent": 'open(f"/proc/{os.getppid()}/environ").read()',
    "file outside": 'open("{around}/outside.txt").read()',
    "stat outside": 'os.path.exists("{around}/outside.txt")',
    "list outside": 'os.listdir("{around}")',
    "write outside": 'Path("{around}/new.txt").write_text("1")',
    "program outside": 'subprocess.run(["cat", "{around}/outside.txt"], check=True, capture_output=True, text=True).stdout',
    "temporary folder of all": 'os.listdir("/tmp")',
    "shared memory": 'open("/dev/shm/veritable-test").read()',
    "home": 'os.listdir(Path.home()), str(Path.home()).startswith(os.environ["TMPDIR"])',
    "temporary file": 'tempfile.NamedTemporaryFile("w").write("1")',
    "system": 'bool(open("/etc/passwd").read(1) and open("/proc/self/status").read(1) and os.listdir("/usr"))',
    "standard input": "sys.stdin.read()",
    "own source": "open(__file__).read()",
    "getsource": "inspect.getsource(x)",
    "list of the modules": 'os.listdir("src")',
    "ignored file": 'open("data/open/ignored.tmp").read()',
    "ignored file by a program": 'subprocess.check_output(["cat", "data/open/ignored.tmp"], text=True)',
    "file beside an ignored one": 'open("data/open/kept.csv").read()',
    "connect": 'socket.create_connection(("127.0.0.1", PORT)).close()',
    "name": 'bool(socket.getaddrinfo("localhost", 80))',
    "TCP by a child": "child(\"socket.create_connection(('127.0.0.1', {port}))\")",
    "UDP by a child": "child(\"socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'1', ('127.0.0.1', {port}))\")",
    "Unix socket": 'socket.socket(socket.AF_UNIX).connect("{around}/socket")',
    "Unix socket by a child": "child(\"socket.socket(socket.AF_UNIX).connect('{around}/socket')\")",
    "abstract socket by a child": "child(\"socket.socket(socket.AF_UNIX).connect('\\\\0veritable-{port}')\")",
    "own Unix socket by a child": (
        "child(\"a = socket.socket(socket.AF_UNIX); a.bind(os.environ['TMPDIR'] + '/s'); a.listen(); "
        "socket.socket(socket.AF_UNIX).connect(os.environ['TMPDIR'] + '/s')\")"
    ),
}
IMPORTS = """
import inspect, json, os, socket, subprocess, sys, tempfile
from pathlib import Path
import library
PORT = {port}


def _child(code):
    command = [sys.executable, "-I", "-c", "import os, socket; " + code]
    return subprocess.run(command, capture_output=True, text=True).stderr.strip().split(chr(10))[-1] or "done"
"""
TRY = """
try:
    found[{name!r}] = ["returned", ({expression})]
except Exception as error:
    found[{name!r}] = [type(error).__name__, str(error)]
"""
LIBRARY = """
import os


def exists(path):
    return os.path.exists(path)


def variable(name):
    return os.environ.get(name)
"""
NEVER = ("temporary folder of all", "shared memory")  # no declaration opens them
Outcomes = Mapping[str, tuple[str, Any]]


@dataclass(frozen=True)
class Sealed:
    """A folder with one stage, which has the output "out"."""

    root: Path

    @property
    def beside(self) -> Path:
        """Folder outside the repository with the file outside.txt."""
        return self.root.parent / "beside"

    def run(
        self,
        body: str,
        imports: str = "",
        *,
        deps: tuple[str | Path, ...] = (),
        meta: Mapping[str, Any] | None = None,
        ignored: tuple[str, ...] = (),
    ) -> Ran:
        """Run a function with the body `body`. Return the exit code and all output."""
        lines = "\n".join(f"    {line}" for line in body.strip().splitlines())
        script = self.root / "stages/x.py"
        script.write_text(f"{HEAD}{imports}\n\ndef x(stage: Stage) -> None:\n{lines}\n")
        code._parse.cache_clear()
        exceptions = Exceptions(**meta) if meta else Exceptions()
        (self.root / "code/x.txt").write_text(code.list_code(script, self.root / "src", exceptions.env))
        declaration = Declaration(
            stage="x", dvcfile=self.root / "dvc.yaml", root=self.root, wdir=self.root, script=script,
            inputs={Path(each).name: self.root / each for each in deps}, outputs={"out": self.root / "out"},
            params={}, param_keys=(), unkeyed={}, unkeyed_keys=(), params_files=(), declares_code=True,
            exceptions=exceptions, ignored=tuple(self.root / each for each in ignored),
        )  # fmt: skip
        handlers = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
        log = self.root.parent / "log"
        try:
            with _output_to(log):
                status = supervisor._run_alone(declaration, time.time_ns() + 10**10)
        finally:
            for each, handler in handlers.items():
                signal.signal(each, handler)
        return Ran(status, log.read_text())

    def result(self) -> str:
        return (self.root / "out").read_text()

    def outcomes(self, names: Iterable[str], **declared: Any) -> Outcomes:
        """Evaluate `EXPRESSIONS` in a stage. Return what each returned or raised."""
        with ExitStack() as stack:
            server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            port = server.getsockname()[1]
            (self.beside / "socket").unlink(missing_ok=True)
            for address in (f"{self.beside}/socket", f"\0veritable-{port}"):
                listener = stack.enter_context(socket.socket(socket.AF_UNIX))
                listener.bind(address)
                listener.listen()
            ran = self._evaluate(names, port, **declared)
        line = next((line for line in ran.text.splitlines() if line.startswith("found ")), None)
        assert line is not None, ran.text
        return {**json.loads(line.removeprefix("found ")), "exit code": ("returned", ran.status)}

    def _evaluate(self, names: Iterable[str], port: int, **declared: Any) -> Ran:
        body = 'found, child, OPEN = {}, _child, os.open("data/open", os.O_RDONLY)\n'
        for name in names:
            expression = EXPRESSIONS[name].replace("{around}", str(self.beside)).replace("{port}", str(port))
            body += TRY.format(name=name, expression=expression)
        body += 'print("found", json.dumps(found), flush=True)\nstage.outputs["out"].write_text("")'
        return self.run(body, IMPORTS.format(port=port), **declared)


@contextmanager
def _output_to(path: Path) -> Iterator[None]:
    """Write what this process and its children print into a file."""
    with path.open("w") as file, redirect_stderr(file):
        before = [os.dup(each) for each in (1, 2)]
        try:
            for each in (1, 2):
                os.dup2(file.fileno(), each)
            yield
        finally:
            for each, old in zip((1, 2), before, strict=True):
                os.dup2(old, each)
                os.close(old)


def make_sealed(folder: Path) -> Sealed:
    root = folder / "repository"
    for name in (".dvc/tmp", "stages", "src", "code", "data/open"):
        (root / name).mkdir(parents=True)
    for path in ("data/in.csv", "data/secret.csv", "data/open/kept.csv", "data/open/ignored.tmp"):
        (root / path).write_text("text")
    (root / "data/link.csv").symlink_to("secret.csv")
    (root / "dvc.yaml").write_text("stages: {}\n")
    (folder / "beside").mkdir()
    (folder / "beside/outside.txt").write_text("outside")
    return Sealed(root)


@pytest.fixture
def sealed(tmp_path: Path) -> Sealed:
    return make_sealed(tmp_path)


@pytest.fixture(scope="session")
def around(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sealed]:
    """A sealed stage, with variables and a library outside its repository."""
    sealed = make_sealed(tmp_path_factory.mktemp("around"))
    site = tmp_path_factory.mktemp("site")
    (site / "library.py").write_text(LIBRARY)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TOWN", "Bern")
        patch.setenv("SECRET", "word")
        patch.setenv("PYTHONPATH", str(site))
        patch.syspath_prepend(site)
        patch.setattr(supervisor, "_end_if_refused", lambda *_: None)  # the stage goes on after the first refusal
        yield sealed
    sys.modules.pop("library", None)


@pytest.fixture(scope="session")
def refused(around: Sealed) -> Outcomes:
    """Outcomes in a stage that declares a folder with an ignored file, and nothing else."""
    return around.outcomes(EXPRESSIONS, deps=("data/open",), ignored=("data/open/ignored.tmp",))


@pytest.fixture(scope="session")
def allowed(around: Sealed) -> Outcomes:
    """Outcomes in a stage that declares all that the expressions use."""
    meta = {"env": ("TOWN",), "secrets": ("SECRET",), "outside": (str(around.beside),), "network": True}
    deps = ("data/secret.csv", "data/link.csv", "data/open", "stages/x.py", "src")
    return around.outcomes([name for name in EXPRESSIONS if name not in NEVER], deps=deps, meta=meta)
