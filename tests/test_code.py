"""A stage's code is in its key: its modules by their syntax, Python, and every library version that they lead to."""

import sys
from pathlib import Path

import pytest

from tests.conftest import Toy
from veritable.errors import UserError
from veritable.stage import code

BODY = 'stage.outputs["{name}"].write_text(str(mine.value()))'


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with src/ and stages/, for the functions that need no repository."""
    for path, text in {
        "stages/x.py": "import json\nimport pandas.api\nfrom room import table\n",
        "src/room/__init__.py": "",
        "src/room/table.py": "from . import encode\nfrom .deep.down import bottom\n",
        "src/room/encode.py": "def f():\n    import late\n",
        "src/room/deep/__init__.py": "",
        "src/room/deep/down.py": "from ..encode import f\nimport numpy as np\nbottom = 1\n",
        "src/late.py": "",
        "src/nobody.py": "import shap\n",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    code._parse.cache_clear()
    return tmp_path


def test_modules_are_found_through_imports_of_imports(project: Path) -> None:
    """Absolute, relative, inside functions, with every package above; nobody's module is not among them."""
    found, foreign = code.trace_imports(project / "stages/x.py", project / "src")
    expected = ["late", "room/__init__", "room/deep/__init__", "room/deep/down", "room/encode", "room/table"]
    assert [project / f"src/{name}.py" for name in expected] == found
    assert {"pandas", "numpy"} == foreign


def test_the_contract_itself_is_in_no_stages_key(project: Path) -> None:
    """veritable.stage decides what a stage may touch, never what it computes."""
    (project / "stages/x.py").write_text("from veritable.stage.contract import Stage, run\n")
    assert ([], set()) == code.trace_imports(project / "stages/x.py", project / "src")


@pytest.mark.parametrize(
    ("edit", "same"),
    [
        ("# a comment\nx = 1\n", True),
        ("x = (\n    1\n)\n", True),
        ("x = 2\n", False),
        ("x: int = 1\n", False),
        ('"""A docstring, which code can read."""\nx = 1\n', False),
    ],
)
def test_a_hash_changes_with_the_syntax_alone(tmp_path: Path, edit: str, same: bool) -> None:
    """Comments and layout are no code; docstrings are, since a program can read them."""
    (tmp_path / "a.py").write_text("x = 1\n")
    (tmp_path / "b.py").write_text(edit)
    assert same == (code.syntax_hash(tmp_path / "a.py") == code.syntax_hash(tmp_path / "b.py"))


def test_a_syntax_error_is_one_sentence(tmp_path: Path) -> None:
    """The file, the line and the fault."""
    (tmp_path / "a.py").write_text("x = 1\ny = = 2\n")
    with pytest.raises(UserError, match=r"^a.py, line 2: invalid syntax. Correct it, then run again.$"):
        code.syntax_hash(tmp_path / "a.py")


def test_packages_bring_what_they_require(project: Path) -> None:
    """scikit-learn's version decides less than numpy's below it: the closure through Requires-Dist is stated."""
    from importlib.metadata import version

    found = code.packages(["sklearn", "no_such_module"])
    assert {"scikit-learn", "numpy", "scipy", "joblib", "threadpoolctl"} <= found.keys()
    assert version("numpy") == found["numpy"]
    assert "absent" == found["no-such-module"]


def test_the_text_states_python_packages_and_modules(project: Path) -> None:
    """Sorted lines of key and value, paths relative to the repository's top."""
    lines = code.list_code(project / "stages/x.py", project / "src").splitlines()
    assert "# What `stages/x.py` runs. Written by `dvc repro code`." == lines[0]
    assert f"python {sys.version_info.major}.{sys.version_info.minor}" == lines[1]
    packages, modules = ([line for line in lines if line.startswith(kind)] for kind in ("package", "module"))
    assert sorted(packages) + sorted(modules) == lines[2:]
    assert "src/room/encode.py" in [line.split()[1] for line in modules]


def library(toy: Toy, version: str) -> str:
    """A library `lib` of a version, installed in a folder of its own; returns that folder."""
    folder = toy.root.parent / "site"
    for old in folder.glob("lib-*/METADATA"):
        old.unlink()
    info = folder / f"lib-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: lib\nVersion: {version}\n")
    (info / "top_level.txt").write_text("lib\n")
    (folder / "lib.py").write_text(f"VERSION = '{version}'\n")
    for old in folder.glob("lib-*"):
        if old != info:
            (old / "top_level.txt").unlink()
            old.rmdir()
    return str(folder)


def test_another_version_than_stated_is_refused_until_it_is_stated(toy: Toy) -> None:
    """A clone with another package does not pass its results for the first one's: it is told what to do, and that works."""
    folder = library(toy, "1.0")
    toy.stage('stage.outputs["out"].write_text(lib.VERSION)', "outs: [out]", imports="import lib")
    assert 0 == toy.dvc("repro", "-f", PYTHONPATH=folder).status
    assert "package lib 1.0\n" in toy.read("code/x.txt")
    library(toy, "2.0")
    ran = toy.by_hand(PYTHONPATH=folder)
    said = "stage 'x' would run with lib 2.0 where code/x.txt states 1.0, and its result would pass for another's. "
    assert (1, True) == (ran.status, said + "Run `make repro`, or `dvc repro --force code` and then `dvc repro`" in ran), (
        ran.text
    )
    assert "1.0" == toy.read("out")
    assert 0 == toy.dvc("repro", "--force", "code", PYTHONPATH=folder).status
    assert 0 == toy.dvc("repro", PYTHONPATH=folder).status
    assert "2.0" == toy.read("out")
    for old in (toy.root.parent / "site").rglob("METADATA"):
        old.unlink()
    assert "lib absent where code/x.txt states 2.0" in toy.by_hand(PYTHONPATH=folder)


def test_a_comment_runs_nothing_again_and_a_body_its_own_stages(toy: Toy) -> None:
    """A changed function runs those stages again that import it, directly or through others; nobody's runs none."""
    for name in ("mine", "other", "nobody"):
        toy.write(f"src/{name}.py", "def value():\n    return 1\n")
    toy.stage(BODY.format(name="x"), "outs: [out/x]", imports="import mine")
    toy.stage(BODY.format(name="y").replace("mine", "other"), "outs: [out/y]", name="y", imports="import other")

    def runs() -> set[str]:
        ran = toy.dvc("repro")
        assert 0 == ran.status, ran.text
        return {name for name in ("code", "x", "y") if f"Running stage '{name}'" in ran}

    assert {"code", "x", "y"} == runs()
    assert set() == runs()
    toy.write("src/mine.py", "def value():  # a comment\n    return 1\n")
    toy.write("src/nobody.py", "def value():\n    return 2\n")
    assert {"code"} == runs()
    toy.write("src/mine.py", "def value():\n    return 2\n")
    assert {"code", "x"} == runs()


def test_a_stage_must_depend_on_its_code(toy: Toy) -> None:
    """Without its code file among its deps a stage would be called up to date after a change: refused, with the line."""
    toy.stage("pass", "outs: [out]")
    toy.write("dvc.yaml", toy.read("dvc.yaml").replace("code/x.txt", "data/in.csv"))
    ran = toy.by_hand()
    assert (1, True) == (ran.status, "Add to stages.x.deps in dvc.yaml:\n      - code/x.txt" in ran)


def test_code_that_was_not_stated_is_refused(toy: Toy) -> None:
    """Edited by hand and run by hand: the code file still states the former."""
    toy.write("src/mine.py", "VALUE = 1\n")
    toy.stage('stage.outputs["out"].write_text(str(mine.VALUE))', "outs: [out]", imports="import mine")
    toy.write("src/mine.py", "VALUE = 2\n")
    assert "stage 'x' would run with another src/mine.py than code/x.txt states" in toy.by_hand()
    (toy.root / "code/x.txt").unlink()
    toy.write("dvc.yaml", toy.read("dvc.yaml"))
    assert "code/x.txt" in toy.by_hand()
