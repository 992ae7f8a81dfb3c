"""Fixtures: `toy` is a small git and DVC repository that runs its own copy of the stage contract."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from filelock import FileLock

from veritable.stage import code
from veritable.stage.pipeline import list_variables

pytest_plugins = ["tests.pipeline", "tests.quick", "tests.sealing", "tests.team"]

HERE = Path(__file__).resolve().parents[1]
HANGS = 1800  # seconds after which a command hangs, also on a slow machine
HEAD = '''"""A stage of the test."""

from veritable.stage.contract import Stage, run

run(__name__)

'''
CODE_STAGE = """stages:
  code:
    cmd: python stages/code.py
    always_changed: true
    deps: [src, stages]
    outs: [code: {cache: false, persist: true}]
"""


def pytest_configure() -> None:
    """Let the commands that tests start end by Ctrl-C, also if the tests run in the background, where shells ignore it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@dataclass(frozen=True)
class Ran:
    """Exit code and output of a command."""

    status: int
    text: str

    def __contains__(self, words: str) -> bool:
        return words in self.text


@dataclass(frozen=True)
class Toy:
    """A repository to which a test adds stages."""

    root: Path

    def write(self, path: str, text: str) -> Path:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def read(self, path: str) -> str:
        return (self.root / path).read_text()

    def stage(self, body: str, entry: str = "", name: str = "x", imports: str = "") -> None:
        """Write stages/<name>.py with `body` in its function, its entry in dvc.yaml, and its code file.

        The default entry depends on data/in.csv and the param p.a, and has the output data/out.
        """
        lines = "\n".join(f"    {line}" for line in body.strip().splitlines())
        self.write(f"stages/{name}.py", f"{HEAD}{imports}\n\ndef {name}(stage: Stage) -> None:\n{lines}\n")
        entry = entry or "deps: [data/in.csv]\nparams: [p.a]\nouts: [data/out]"
        if f"code/{name}.txt" not in entry:
            entry = entry.replace("deps: [", f"deps: [code/{name}.txt, ", 1)
            entry = entry if "deps:" in entry else f"{entry}\ndeps: [code/{name}.txt]"
        entry = entry if "cmd:" in entry else f"cmd: python stages/{name}.py\n{entry}"
        indented = "\n".join(f"    {line}" for line in entry.splitlines())
        old = self.read("dvc.yaml").split(f"  {name}:\n")[0]
        self.write("dvc.yaml", f"{old}  {name}:\n{indented}\n")
        self.state()

    def state(self) -> None:
        """Write the code files as `dvc repro code` does, but faster."""
        code._parse.cache_clear()
        variables = list_variables(self.read("dvc.yaml"))
        for script in (self.root / "stages").glob("*.py"):
            self.write(f"code/{script.stem}.txt", code.list_code(script, self.root / "src", variables.get(script.stem, ())))

    def run(self, *command: str, cwd: str = ".", **environment: str) -> Ran:
        done = subprocess.run(
            command, cwd=self.root / cwd, env=clean(environment), capture_output=True, text=True, timeout=HANGS
        )
        return Ran(done.returncode, done.stdout + done.stderr)

    def by_hand(self, name: str = "x", **environment: str) -> Ran:
        return self.run(sys.executable, f"stages/{name}.py", **environment)

    def dvc(self, *words: str, cwd: str = ".", **environment: str) -> Ran:
        return self.run(sys.executable, "-m", "dvc", *words, cwd=cwd, **environment)

    def git(self, *words: str) -> Ran:
        return self.run("git", *words)

    def commit(self, message: str = "state") -> None:
        self.git("add", "-A")
        assert self.git("commit", "-qm", message).status == 0

    def start(self, *command: str, **environment: str) -> subprocess.Popen[str]:
        """Start a command in a process group of its own, without waiting for it."""
        return subprocess.Popen(
            command, cwd=self.root, env=clean(environment), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            start_new_session=True,
        )  # fmt: skip


def until(true: Callable[[], bool]) -> None:
    """Wait until a condition is true."""
    end = time.monotonic() + HANGS
    while not true():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.002)


def clean(extra: dict[str, str]) -> dict[str, str]:
    """Return the environment without variables of DVC, git, pytest, Python and Veritable, and with `extra`."""
    mine = {k: v for k, v in os.environ.items() if not k.startswith(("DVC", "GIT", "PYTEST", "VERITABLE", "PYTHON"))}
    path = os.pathsep.join([str(Path(sys.executable).parent), mine["PATH"]])
    author = {f"GIT_{who}_{what}": "toy@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    quiet = {"DVC_NO_ANALYTICS": "1", "SHELL": "/bin/sh", "PATH": path, "GIT_CONFIG_GLOBAL": os.devnull}
    return mine | author | quiet | extra


def once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Make a folder that all workers of pytest-xdist share, and return it. Tests must not change it."""
    base = factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder, done = shared / name / "veritable", shared / name / "done"
    with FileLock(shared / f"{name}.lock").acquire(poll_interval=1):  # seconds; waiting at the default costs a third of a core
        if not done.exists():
            shutil.rmtree(shared / name, ignore_errors=True)
            make(folder)
            done.touch()
    return folder


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository that every toy is a copy of: a copy is faster than `git init` and `dvc init`."""
    return once(tmp_path_factory, "template", _make_template)


def _make_template(root: Path) -> None:
    toy = Toy(root)
    shutil.copytree(HERE / "src/veritable/stage", root / "src/veritable/stage", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("__init__.py", "errors.py"):
        shutil.copy(HERE / "src/veritable" / name, root / "src/veritable")
    toy.write("stages/code.py", (HERE / "stages/code.py").read_text())
    toy.write(".gitignore", "__pycache__/\n")
    toy.write("dvc.yaml", CODE_STAGE)
    toy.write("params.yaml", "p:\n  a: 1\n  b: 2\n")
    toy.write("data/in.csv", "number\n1\n2\n")
    toy.write("data/secret.csv", "number\n3\n4\n")
    toy.git("init", "-q", "-b", "main")
    assert toy.dvc("init", "-q").status == 0
    toy.write(".dvcignore", "__pycache__\n")
    toy.write(".dvc/config", "[core]\n    analytics = false\n    check_update = false\n")
    toy.run(sys.executable, "-m", "compileall", "-q", "src")  # otherwise every toy would compile it again
    toy.commit()


@pytest.fixture
def toy(template: Path, tmp_path: Path) -> Toy:
    root = tmp_path / "toy"
    shutil.copytree(template, root, symlinks=True)
    return Toy(root)
