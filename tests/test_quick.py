"""The quick tests are chosen by what tests use."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import clean
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


@pytest.mark.parametrize(("minutes", "outcome"), [("0", "1 passed, 1 skipped"), ("60", "2 passed")])
def test_slow_tests_end_with_the_time(tmp_path: Path, minutes: str, outcome: str) -> None:
    """After --slow-minutes, slow tests are skipped with the reason, and the others run."""
    source = "import pytest\n@pytest.mark.slow\ndef test_a(): pass\ndef test_b(): pass\n"
    (tmp_path / "test_two.py").write_text(source)
    (tmp_path / "conftest.py").write_text("pytest_plugins = ['tests.quick']\n")
    words = ["--slow-minutes", minutes, "-rs", "-o", "markers=slow", str(tmp_path)]
    path = {"PYTHONPATH": str(Path(__file__).resolve().parents[1])}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *words], cwd=tmp_path, env=clean(path), capture_output=True,
        text=True, check=True,
    )  # fmt: skip
    assert outcome in done.stdout
    assert ("make test MINUTES=" in done.stdout) == ("skipped" in outcome)
