"""Nothing of Veritable loads a pickle, so a file from somebody else cannot run code."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import HANGS, clean
from tests.rooms import ROOT

SOURCES = sorted([*(ROOT / "src").rglob("*.py"), *(ROOT / "stages").glob("*.py")])
MODULES = {"pickle", "_pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal", "diskcache", "jsonpickle"}
LOADS = {"read_pickle", "load_from_checkpoint", "unsafe_load", "full_load"}  # of pandas, Lightning and PyYAML
COMMANDS = {
    "predict": ["predict", "models/classifier", "data/raw/demo.csv", "-o", "scored.csv"],
    "explain": ["explain", "models/classifier", "data/raw/demo.csv", "-o", "why.csv", "--error", "0.5"],
    "check": ["check", "models/classifier", "data/raw/demo.csv"],
}
WATCH = """
import sys
found = []
def watch(event, arguments):
    if event == "pickle.find_class":
        found.append(arguments)
sys.addaudithook(watch)
import pickle
original = pickle.load, pickle.loads
def refuse(*arguments, **named):
    raise SystemExit("a pickle was loaded")
pickle.load = pickle.loads = refuse
import torch
torch.load = refuse
from veritable.cli.main import main
status = main(sys.argv[1:])
assert not found, found
print("no pickle", status)
"""


def faults(tree: ast.AST) -> Iterator[str]:
    """Yield what in a module could load a pickle."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [each.name for each in node.names]
            yield from (name for name in names if name.split(".")[0] in MODULES)
        if isinstance(node, ast.Attribute) and node.attr in LOADS:
            yield node.attr
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "load":
            owner = ast.unparse(node.func.value)
            if owner in {"torch", "joblib"}:
                yield f"{owner}.load"
        if isinstance(node, ast.keyword) and node.arg in {"allow_pickle", "weights_only"}:
            is_safe = isinstance(node.value, ast.Constant) and node.value.value is (node.arg == "weights_only")
            yield from () if is_safe else (node.arg,)


@pytest.mark.parametrize("path", SOURCES, ids=[str(each.relative_to(ROOT)) for each in SOURCES])
def test_no_module_can_load_a_pickle(path: Path) -> None:
    """No module imports pickle or a library of pickles, and none calls a function that loads one."""
    assert [] == list(faults(ast.parse(path.read_bytes())))


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "from cloudpickle import load",
        "pd.read_pickle(x)",
        "torch.load(x)",
        "np.load(x, allow_pickle=True)",
        "f(x, weights_only=False)",
        "Model.load_from_checkpoint(x)",
    ],
)
def test_what_could_load_a_pickle_is_found(line: str) -> None:
    """The test above finds each of the ways."""
    assert [] != list(faults(ast.parse(line)))


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_loads_a_pickle(finished: Path, tmp_path: Path, command: str) -> None:
    """While predict, explain and check run, neither they nor a library below them looks up a class for a pickle."""
    words = [str(tmp_path / each) if each.endswith(("scored.csv", "why.csv")) else each for each in COMMANDS[command]]
    done = subprocess.run(
        [sys.executable, "-c", WATCH, *words], cwd=finished, env=clean({}), capture_output=True, text=True, timeout=HANGS
    )
    assert "no pickle" in done.stdout, done.stdout + done.stderr
