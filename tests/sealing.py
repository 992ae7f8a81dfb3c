"""Run stages behind the seal without DVC: their declaration is made by hand, which saves DVC's import."""

import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import HEAD, Ran
from veritable.stage import code, supervisor
from veritable.stage.declaration import Declaration
from veritable.stage.meta import Exceptions


@dataclass(frozen=True)
class Sealed:
    """A folder with one stage, which has the output "out"."""

    root: Path
    captured: pytest.CaptureFixture[str]

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
        try:
            status = supervisor._run_alone(declaration, time.time_ns() + 10**9)
        finally:
            for each, handler in handlers.items():
                signal.signal(each, handler)
        captured = self.captured.readouterr()
        return Ran(status, captured.out + captured.err)

    def result(self) -> str:
        return (self.root / "out").read_text()


@pytest.fixture
def sealed(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Sealed:
    root = tmp_path / "repository"
    for folder in (".dvc/tmp", "stages", "src", "code", "data"):
        (root / folder).mkdir(parents=True)
    (root / "dvc.yaml").write_text("stages: {}\n")
    (root / "data/in.csv").write_text("in")
    (root / "data/secret.csv").write_text("secret")
    return Sealed(root, capfd)
