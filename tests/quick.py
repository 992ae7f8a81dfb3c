"""Quick tests: `pytest --quick` (or `make quick`) runs those that start no process and need neither Lightning nor shap.

A test is marked `slow` if it, a function that it calls or a fixture that it requests starts a process or makes a large table;
the few others that take long are marked by hand. A file whose imports reach a library that takes seconds to import is not
even collected by `--quick`.

`pytest --slow-minutes N` (as `make test` does) starts no slow test after that time, so that the tests also end on a machine
that starts processes many times more slowly than others. Tests that were left out for that count as skipped, with the reason.
`make test` says in PYTEST_BEGAN when its setup began.
"""

import gc
import os
import re
import sys
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parents[1]
SLOW_LIBRARIES = {"pytorch_lightning", "shap", "veritable.explanation.library"}  # the last one imports shap
SLOW_FIXTURES = {"around", "sealed", "team", "template", "finished", "versions", "repository", "postgres", "browser"}
SLOW_NAMES = {"subprocess", "multiprocessing", "ProcessPoolExecutor", "growth_bytes", "large_table"}
PROCESS_EVENTS = {"subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.exec"}
IMPORT = re.compile(r"^(?:from ([\w.]+) import (?:\(([^)]*)\)|(.*))|import ([\w.]+))", re.MULTILINE)
_running: list[str] = []  # the quick test that runs


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--quick", action="store_true", help="Run only tests that start no process and need neither Lightning nor shap."
    )
    parser.addoption("--slow-minutes", type=float, help="Skip the slow tests that would start after this many minutes.")


def pytest_configure(config: pytest.Config) -> None:
    os.environ.setdefault("PYTEST_BEGAN", str(time.time()))  # the workers of pytest-xdist inherit it
    slow = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}  # a busy machine may be slow
    for name, count in {"quick": 8, "all": 40, "thorough": 200}.items():
        settings.register_profile(name, max_examples=count, **slow)
    if not config.getoption("--hypothesis-profile"):
        settings.load_profile("quick" if config.getoption("quick") else "all")
    if config.getoption("quick"):
        sys.addaudithook(_refuse_processes)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    if not config.getoption("quick") or collection_path.suffix != ".py":
        return None
    return True if collection_path.parent.name == "browser" or reaches(collection_path, SLOW_LIBRARIES) else None


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    gc.disable()  # imports create many objects and little garbage
    try:
        return (yield)
    finally:
        gc.enable()


def pytest_itemcollected(item: pytest.Item) -> None:
    function = getattr(item, "function", None)
    if SLOW_FIXTURES & set(getattr(item, "fixturenames", ())) or (function and is_slow(function)):
        item.add_marker("slow")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("quick"):
        slow = [item for item in items if item.get_closest_marker("slow")]
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if not item.get_closest_marker("slow")]


@pytest.hookimpl(tryfirst=True)  # before the fixtures
def pytest_runtest_setup(item: pytest.Item) -> None:
    minutes = item.config.getoption("slow_minutes")
    if minutes is None or not item.get_closest_marker("slow"):
        return
    if time.time() - float(os.environ["PYTEST_BEGAN"]) > 60 * minutes:
        pytest.skip(f"The {minutes:g} minutes for slow tests are over. To run them all: make test MINUTES=600.")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    _running.append(item.nodeid)
    try:
        return (yield)
    finally:
        _running.pop()


def _refuse_processes(event: str, arguments: tuple[Any, ...]) -> None:
    counts_cores = event == "subprocess.Popen" and arguments[1] == ["cat", "/proc/cpuinfo"]  # joblib, below scikit-learn
    if event in PROCESS_EVENTS and _running and not counts_cores:
        raise RuntimeError(f"{_running[-1]} must not start a process: {event} {arguments[:2]}. Add what it uses to {__name__}.")


def examples(count: int) -> int:
    """Return the number of examples for a test that draws `count` where hypothesis draws 100; profiles draw more or fewer."""
    return max(1, count * settings.default.max_examples // 100)


@cache
def is_slow(function: FunctionType) -> bool:
    """Return whether a function, or one of the tests' functions that it calls, uses one of `SLOW_NAMES`."""
    seen: set[FunctionType] = set()
    left = [function]
    while left:
        each = left.pop()
        if each in seen:
            continue
        seen.add(each)
        names = names_in(each.__code__)
        if names & SLOW_NAMES:
            return True
        called = [each.__globals__.get(name) for name in names]
        left += [one for one in called if isinstance(one, FunctionType) and one.__module__.startswith("tests.")]
    return False


def names_in(code: CodeType) -> set[str]:
    """Return the global names and attributes that a function uses, those of its inner functions included."""
    return set(code.co_names).union(*(names_in(each) for each in code.co_consts if isinstance(each, CodeType)))


def reaches(path: Path, libraries: set[str]) -> bool:
    """Return whether importing a file imports one of the libraries, by way of this repository's files too."""
    seen: set[str] = set()
    left = imports(path)
    while left:
        name = left.pop()
        if name in libraries:
            return True
        seen.add(name)
        left |= imports_of(name) - seen
    return False


@cache
def imports_of(module: str) -> set[str]:
    """Return the modules that a module of this repository imports; none for that of a library."""
    if not module.startswith(("tests", "veritable")):
        return set()
    bases = (base / module.replace(".", "/") for base in (ROOT, ROOT / "src"))
    files = [file for base in bases for file in (base.with_suffix(".py"), base / "__init__.py") if file.is_file()]
    return set().union(*map(imports, files))


def imports(path: Path) -> set[str]:
    """Return the modules that the import statements of a file name; a name that is imported from a module may be one too."""
    found: set[str] = set()
    for module, inner, line, plain in IMPORT.findall(path.read_text()):
        names = re.findall(r"(\w+)(?: as \w+)?,?", re.sub(r"#.*", "", inner or line))
        found |= {plain} if plain else {module, *(f"{module}.{name}" for name in names)}
    return found | {name.split(".")[0] for name in found}
