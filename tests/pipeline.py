"""Fixtures for tests of the whole pipeline: copies of this repository with small params, in which the pipeline has run."""

import os
import re
import runpy
import shutil
import subprocess
import sys
import warnings
from contextlib import chdir, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from unittest.mock import patch

import pytest

from tests.conftest import HERE, Ran, Toy, once
from veritable.cli.main import main
from veritable.stage.contract import DeclaredParams, DeclaredPaths, Stage
from veritable.stage.declaration import merge_params, resolve

AFTER_GENERATE = ("preprocess", "baselines", "plan", "train", "evaluate", "explain", "report")  # `tune` is off
REPRO = (sys.executable, "-m", "veritable", "repro")
MADE = ("code/", "data/", "models/.", "reports/", "dvc.lock")
QUICK = {
    "generate.n_samples": "300",
    "train.network": "mlp",
    "train.blend": "[]",
    "train.n_splits": "0",
    "train.mlp.max_epochs": "3",
    "evaluate.n_resamples": "100",
    "explain.rows": "20",
    "explain.error": "0.3",
}


def copy_of_repository(root: Path) -> Toy:
    """Copy the files of this working tree that git would commit, without outputs, into a new repository with one commit."""
    root.mkdir(parents=True)
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(listed, cwd=HERE, capture_output=True, text=True, check=True).stdout.splitlines():
        if (HERE / name).is_file() and not name.startswith(MADE):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(HERE / name, root / name)
    copy = Toy(root)
    copy.git("init", "-q", "-b", "main")
    copy.commit("clone")
    return copy


def change(copy: Toy, key: str, value: str) -> None:
    """Set one line of params.yaml: `change(copy, "train.mlp.max_epochs", "5")`. Comments stay."""
    *_, name = path = key.split(".")
    lines, above = copy.read("params.yaml").splitlines(), dict[int, str]()
    for number, line in enumerate(lines):
        if found := re.match(r"((?:  )*)(\w+):", line):
            depth = len(found[1]) // 2
            above = {level: each for level, each in above.items() if level < depth} | {depth: found[2]}
            if path == [above.get(level) for level in range(depth + 1)]:
                lines[number] = f"{found[1]}{name}: {value}"
                break
    else:
        raise KeyError(key)
    copy.write("params.yaml", "\n".join(lines) + "\n")


def ran(text: str) -> list[str]:
    """Return the stages that a `dvc repro` ran, without `code`, which always runs."""
    return [name for name in re.findall(r"^Running stage '([^']+)'", text, re.MULTILINE) if name != "code"]


def would_run(copy: Toy, *targets: str) -> list[str]:
    """Return the stages that DVC would run now, each judged only by what it depends on, without `code`, which always runs."""
    from dvc.repo import Repo

    with chdir(copy.root), Repo() as repo:
        return [stage.name for stage in repo.reproduce(list(targets), dry=True, single_item=True) if stage.name != "code"]


def call(copy: Toy, *names: str) -> None:
    """Call the functions of stages in this process, each with what dvc.yaml declares for it.

    What a stage makes of its inputs and params is the same as in a process of its own, whose imports take seconds.
    `test_a_stage_by_hand_is_the_stage_under_dvc` checks that.
    """
    for name in names:
        with chdir(copy.root), patch.dict(os.environ), warnings.catch_warnings():  # Lightning sets a variable
            warnings.simplefilter("default")  # as in a process of its own
            _call(copy.root, name)


def _call(root: Path, name: str) -> None:
    declared = resolve(root / f"stages/{name}.py")
    merge_params(declared.params, declared.unkeyed, name)
    inputs, outputs = (
        {key: Path(os.path.relpath(path)) for key, path in paths.items()} for paths in (declared.inputs, declared.outputs)
    )
    scratch = Path(".dvc/tmp/called")
    for path in (scratch, *outputs.values()):
        if path.is_dir():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)
        path.parent.mkdir(parents=True, exist_ok=True)
    scratch.mkdir()
    function = runpy.run_path(str(declared.script))[name]
    paths = DeclaredPaths(name, "deps", inputs), DeclaredPaths(name, "outs", outputs)
    function(Stage(name, *paths, DeclaredParams(name, declared.params), scratch))


def veritable(copy: Toy, *words: str) -> Ran:
    """Run a command of `python -m veritable` in this process; one that runs stages needs a process of its own."""
    output = StringIO()
    with chdir(copy.root), redirect_stdout(output), redirect_stderr(output):
        status = main(list(words))
    return Ran(status, output.getvalue())


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo with small params, run once and committed. Tests must not change it, but copy it."""
    return once(tmp_path_factory, "finished", _finish)


def _finish(root: Path) -> None:
    copy = copy_of_repository(root)
    for key, value in QUICK.items():
        change(copy, key, value)
    first = copy.run(sys.executable, "-m", "veritable", "repro")
    assert first.status == 0, first.text
    copy.write("first-run.txt", first.text)
    copy.commit("the demo, run")


@pytest.fixture(scope="session")
def versions(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The finished demo as tag v1, and with more epochs as HEAD and as the experiment `longer`. Tests must not change it.

    The second version was run in two parts: up to the training, and the rest.
    """

    def make(root: Path) -> None:
        shutil.copytree(finished, root, symlinks=True)
        copy = Toy(root)
        copy.git("tag", "v1")
        change(copy, "train.mlp.max_epochs", "8")
        part, rest = copy.run(*REPRO, "train"), copy.run(*REPRO)
        assert (0, 0) == (part.status, rest.status), part.text + rest.text
        copy.write("part.txt", part.text)
        copy.write("rest.txt", rest.text)
        saved = copy.dvc("exp", "save", "-n", "longer")
        assert 0 == saved.status, saved.text
        copy.commit("more epochs")

    return once(tmp_path_factory, "versions", make)


@pytest.fixture
def repository(versions: Path, tmp_path: Path) -> Toy:
    """A copy of the two versions that a test may change."""
    root = tmp_path / "veritable"
    shutil.copytree(versions, root, symlinks=True)
    return Toy(root)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the tests of the whole pipeline, so that one worker of pytest-xdist makes the finished demo, and the other one
    does not wait for it, but does other tests. Those of test_pipeline.py are first: they say most, should the time end early.
    """
    items.sort(key=lambda item: ("finished" not in getattr(item, "fixturenames", ()), item.path.name != "test_pipeline.py"))


@pytest.fixture
def demo(finished: Path, tmp_path: Path) -> Toy:
    """A copy of the finished demo that a test may change."""
    root = tmp_path / "veritable"
    shutil.copytree(finished, root, symlinks=True)
    return Toy(root)
