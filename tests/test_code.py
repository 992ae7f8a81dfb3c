"""The code of a stage is in its cache key: the syntax of its modules, and the versions of Python and of its libraries."""

import re
import sys
from pathlib import Path

import pytest

from tests.conftest import Toy
from veritable.errors import UserError
from veritable.stage import code

BODY = 'stage.outputs["{name}"].write_text(str(mine.value()))'


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with src/ and stages/, for functions that need no repository."""
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
    """Absolute and relative imports are followed, also inside functions, and the packages above them are listed."""
    found, foreign = code.trace_imports(project / "stages/x.py", project / "src")
    expected = ["late", "room/__init__", "room/deep/__init__", "room/deep/down", "room/encode", "room/table"]
    assert [project / f"src/{name}.py" for name in expected] == found
    assert {"pandas", "numpy"} == foreign


def test_the_contract_itself_is_in_no_stages_key(project: Path) -> None:
    """veritable.stage decides what a stage may access, not what it computes."""
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
    """Comments and layout are not code; docstrings are, because a program can read them."""
    (tmp_path / "a.py").write_text("x = 1\n")
    (tmp_path / "b.py").write_text(edit)
    assert same == (code.syntax_hash(tmp_path / "a.py") == code.syntax_hash(tmp_path / "b.py"))


def test_a_syntax_error_is_one_sentence(tmp_path: Path) -> None:
    """The sentence names the file, the line and the error."""
    (tmp_path / "a.py").write_text("x = 1\ny = = 2\n")
    with pytest.raises(UserError, match=r"^a.py, line 2: invalid syntax. Correct it and run again.$"):
        code.syntax_hash(tmp_path / "a.py")


def test_required_packages_are_listed_too(project: Path) -> None:
    """The result of scikit-learn depends on the version of numpy too: all packages that Requires-Dist reaches are listed."""
    from importlib.metadata import version

    found = code.packages(["sklearn", "no_such_module"])
    assert {"scikit-learn", "numpy", "scipy", "joblib", "threadpoolctl"} <= found.keys()
    assert version("numpy") == found["numpy"]
    assert "absent" == found["no-such-module"]


def test_a_code_file_lists_python_packages_and_modules(project: Path) -> None:
    """Lines of key and value are sorted; paths are relative to the top folder of the repository."""
    lines = code.list_code(project / "stages/x.py", project / "src").splitlines()
    assert "# The code that `stages/x.py` runs. `dvc repro` writes this file." == lines[0]
    assert f"python {sys.version_info.major}.{sys.version_info.minor}" == lines[1]
    packages, modules = ([line for line in lines if line.startswith(kind)] for kind in ("package", "module"))
    assert sorted(packages) + sorted(modules) == lines[2:]
    assert "src/room/encode.py" in [line.split()[1] for line in modules]


def library(toy: Toy, version: str) -> str:
    """Install version `version` of a library `lib` in a folder of its own. Return the folder."""
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


def test_another_library_version_runs_its_stages_again(toy: Toy) -> None:
    """`dvc status` and `dvc repro` never call a stage up to date if one of its libraries has another version."""
    folder = library(toy, "1.0")
    toy.stage('stage.outputs["out"].write_text(lib.VERSION)', "outs: [out]", imports="import lib")
    toy.stage('stage.outputs["other"].write_text("")', "outs: [other]", name="y")
    assert 0 == toy.dvc("repro", PYTHONPATH=folder).status
    assert "package lib 1.0\n" in toy.read("code/x.txt")
    library(toy, "2.0")
    by_hand = toy.by_hand(PYTHONPATH=folder)
    message = "stage 'x' must run the code that code/x.txt lists, but lib 2.0 is installed instead of 1.0. Run `dvc repro`"
    assert (1, True) == (by_hand.status, message in by_hand), by_hand.text
    assert "1.0" == toy.read("out")
    assert "up to date" not in toy.dvc("status", PYTHONPATH=folder)
    ran = toy.dvc("repro", PYTHONPATH=folder)
    assert 0 == ran.status, ran.text
    assert ["code", "x"] == re.findall("Running stage '(.*)'", ran.text)
    assert "2.0" == toy.read("out")
    for old in (toy.root.parent / "site").rglob("METADATA"):
        old.unlink()
    assert "lib absent is installed instead of 2.0" in toy.by_hand(PYTHONPATH=folder)


def test_the_listing_of_the_code_is_skipped_if_nothing_changed(toy: Toy) -> None:
    """Without a change the stage `code` ends at once; a change of any file that it reads or wrote runs it."""
    toy.write("src/mine.py", "VALUE = 1\n")
    toy.stage('stage.outputs["out"].write_text(str(mine.VALUE))', "outs: [out]", imports="import mine")
    assert 0 == toy.dvc("repro").status
    expected = toy.read("code/x.txt")
    assert not shortcut_taken(toy, "code/x.txt", expected + "#\n")
    assert expected == toy.read("code/x.txt")
    assert not shortcut_taken(toy, "src/mine.py", "VALUE = 2\n")
    assert expected != toy.read("code/x.txt")
    toy.write("src/mine.py", "VALUE = 1\n")
    assert 0 == toy.dvc("repro").status
    assert shortcut_taken(toy, "README.md", "nothing that the stage reads")
    assert shortcut_taken(toy, "README.md", "still nothing")


def shortcut_taken(toy: Toy, path: str, text: str) -> bool:
    """Write a file, run the stage `code` with DVC, and return whether it ran without starting its sealed process."""
    used = toy.root / ".dvc/tmp/stages/code/used.json"
    before = used.stat().st_mtime_ns
    toy.write(path, text)
    ran = toy.dvc("repro", "-s", "code")
    assert 0 == ran.status, ran.text
    return before == used.stat().st_mtime_ns


def test_a_changed_function_runs_the_stages_that_use_it(toy: Toy) -> None:
    """A changed function runs the stages that import it, directly or indirectly; a comment runs no stage but `code`."""
    for name in ("mine", "other", "nobody"):
        toy.write(f"src/{name}.py", "def value():\n    return 1\n")
    toy.stage(BODY.format(name="x"), "outs: [out/x]", imports="import mine")
    toy.stage(BODY.format(name="y").replace("mine", "other"), "outs: [out/y]", name="y", imports="import other")

    def runs() -> set[str]:
        ran = toy.dvc("repro")
        assert 0 == ran.status, ran.text
        return {name for name in ("code", "x", "y") if f"Running stage '{name}'" in ran}

    assert {"code", "x", "y"} == runs()
    assert {"code"} == runs()
    toy.write("src/mine.py", "def value():  # a comment\n    return 1\n")
    toy.write("src/nobody.py", "def value():\n    return 2\n")
    assert {"code"} == runs()
    toy.write("src/mine.py", "def value():\n    return 2\n")
    assert {"code", "x"} == runs()


def test_a_stage_must_depend_on_its_code(toy: Toy) -> None:
    """A stage without its code file among its deps is refused, because DVC would not see a change in the code."""
    toy.stage("pass", "outs: [out]")
    toy.write("dvc.yaml", toy.read("dvc.yaml").replace("code/x.txt", "data/in.csv"))
    ran = toy.by_hand()
    assert (1, True) == (ran.status, "Add to stages.x.deps in dvc.yaml:\n      - code/x.txt" in ran)


def test_code_that_is_not_listed_is_refused(toy: Toy) -> None:
    """A stage that is run by hand after an edit is refused, because the code file lists the earlier code."""
    toy.write("src/mine.py", "VALUE = 1\n")
    toy.stage('stage.outputs["out"].write_text(str(mine.VALUE))', "outs: [out]", imports="import mine")
    toy.write("src/mine.py", "VALUE = 2\n")
    assert "stage 'x' must run the code that code/x.txt lists, but src/mine.py differs. Run `dvc repro`" in toy.by_hand()
    (toy.root / "code/x.txt").unlink()
    toy.write("dvc.yaml", toy.read("dvc.yaml"))
    assert "code/x.txt" in toy.by_hand()


def test_a_library_without_a_version_is_hashed(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module without a distribution, and one whose distribution lies elsewhere, are listed with a hash of their files."""
    site = tmp_path / "site"
    (site / "loose").mkdir(parents=True)
    (site / "loose/__init__.py").write_text("VALUE = 1\n")
    monkeypatch.syspath_prepend(site)
    assert None is code.hash_unversioned("pandas") is code.hash_unversioned("no_such_module") is code.hash_unversioned("sys")
    first = code.hash_unversioned("loose")
    (project / "stages/x.py").write_text("import loose\n")
    assert f"files loose {first}\n" in code.list_code(project / "stages/x.py", project / "src")
    (site / "loose/data.bin").write_bytes(b"1")
    second = code.hash_unversioned("loose")
    (site / "loose/data.bin").write_bytes(b"2")
    assert 3 == len({first, second, code.hash_unversioned("loose")})
    monkeypatch.setattr(
        code, "_providers", lambda: {"loose": ["pandas"]}
    )  # in development mode: a version, and files elsewhere
    assert code.hash_unversioned("loose")


def test_declared_variables_are_listed_as_hashes(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A changed value of a variable of `meta.env` changes the code file, which does not show it."""
    monkeypatch.setenv("TOWN", "Bern")
    script = project / "stages/x.py"
    first = code.list_code(script, project / "src", ["TOWN"])
    monkeypatch.setenv("TOWN", "Basel")
    second = code.list_code(script, project / "src", ["TOWN"])
    assert "Bern" not in first
    assert 1 == len(differing := set(first.splitlines()) - set(second.splitlines()))
    assert differing.pop().startswith("env TOWN ")


def test_a_changed_variable_runs_its_stages_again(toy: Toy) -> None:
    """A stage that declares a variable runs again if its value changes; by hand it is refused, because the list is older."""
    toy.stage('stage.outputs["out"].write_text(os.environ["TOWN"])', "meta: {env: [TOWN]}\nouts: [out]", imports="import os")
    toy.stage('stage.outputs["other"].write_text("")', "outs: [other]", name="y")
    assert 0 == toy.dvc("repro", TOWN="Bern").status
    assert "the environment variable TOWN has another value" in toy.by_hand(TOWN="Basel")
    assert "Bern" == toy.read("out")
    ran = toy.dvc("repro", TOWN="Basel")
    assert ["code", "x"] == re.findall("Running stage '(.*)'", ran.text)
    assert "Basel" == toy.read("out")
