"""The quick tests are chosen by what tests use."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.quick import is_slow, reaches


def runs_a_process() -> None:
    subprocess.run(["true"], check=True)


def calls_what_runs_a_process() -> None:
    [runs_a_process for _ in range(1)]


def runs_nothing() -> None:
    Path().exists()


@pytest.mark.parametrize(
    ("expected", "function"), [(True, runs_a_process), (True, calls_what_runs_a_process), (False, runs_nothing)]
)
def test_is_slow(expected: bool, function: object) -> None:
    """A function is slow if it, or a function of the tests that it calls, uses `subprocess`."""
    assert expected is is_slow(function)  # type: ignore[arg-type]


def test_reaches(tmp_path: Path) -> None:
    """The imports of imported files count, imports within functions do not."""
    path = tmp_path / "test_x.py"
    path.write_text("from tests import (\n    rooms,  # tables\n)\n\ndef f():\n    import shap\n")
    assert reaches(path, {"pyarrow"})
    assert not reaches(path, {"pytorch_lightning", "shap"})
    path.write_text("from veritable.training import fit as room\n")
    assert reaches(path, {"pytorch_lightning"})


def test_a_process_is_refused(request: pytest.FixtureRequest) -> None:
    """With --quick a test that starts a process without being marked fails."""
    if not request.config.getoption("quick"):
        pytest.skip("only with --quick")
    with pytest.raises(RuntimeError, match="test_a_process_is_refused must not start a process"):
        os.posix_spawn("/bin/true", ["true"], {})
