"""A stage can access only what dvc.yaml declares for it, whatever reader, child process or link it uses."""

import re
import shutil
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.conftest import Ran, Toy
from veritable.stage import landlock

kernel = pytest.mark.skipif(not landlock.abi(), reason="this kernel has no Landlock")

DONE = "stage.outputs['out'].write_text(str(result))"
TORCH = """
import torch
from torch.utils.data import DataLoader, Dataset


class Rows(Dataset):
    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> int:
        return len(open("data/secret.csv").read())
"""
LOADER = 'result = list(DataLoader(Rows(), num_workers=1, multiprocessing_context="{}"))'

READS = {
    "open": ("", 'result = open("data/secret.csv").read()'),
    "pathlib": ("from pathlib import Path", 'result = Path("data/secret.csv").read_bytes()'),
    "an absolute path": ("import os", 'result = open(os.path.abspath("data/secret.csv")).read()'),
    "pandas CSV": ("import pandas as pd", 'result = pd.read_csv("data/secret.csv")'),
    "a worker of multiprocessing": (
        "import multiprocessing\ndef _read(path):\n    return open(path).read()",
        'with multiprocessing.get_context("spawn").Pool(1) as pool:\n    result = pool.map(_read, ["data/secret.csv"])',
    ),
    "a Python child": (
        "import subprocess, sys",
        """result = subprocess.run([sys.executable, "-c", "open('data/secret.csv').read()"], check=True)""",
    ),
    "a joblib worker": (
        "import joblib\ndef _read(path):\n    return open(path).read()",
        'result = joblib.Parallel(n_jobs=2)(joblib.delayed(_read)("data/secret.csv") for _ in range(2))',
    ),
    "a DataLoader worker (fork)": (TORCH, LOADER.format("fork")),
    "a DataLoader worker (spawn)": (TORCH, LOADER.format("spawn")),
    "a DataLoader worker (forkserver)": (TORCH, LOADER.format("forkserver")),
}
KERNEL_READS = {
    "pyarrow CSV": ("from pyarrow import csv", 'result = csv.read_csv("data/secret.csv")'),
    "another program": (
        "import subprocess",
        'result = subprocess.run(["cat", "data/secret.csv"], check=True, capture_output=True).stdout',
    ),
    "an isolated Python child": (
        "import subprocess, sys",
        """result = subprocess.run([sys.executable, "-I", "-c", "open('data/secret.csv').read()"], check=True)""",
    ),
}
LISTINGS = {
    "os.listdir": ("import os", 'result = os.listdir("data")'),
    "glob": ("import glob", 'result = glob.glob("data/*.csv")'),
    "pathlib": ("from pathlib import Path", 'result = list(Path("data").iterdir())'),
    "os.walk": ("import os", 'result = list(os.walk("data"))'),
}


def ways(table: dict[str, tuple[str, str]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(("imports", "body"), table.values(), ids=table.keys())


def refused(toy: Toy, imports: str, body: str, what: str, add: str) -> None:
    """Check the refusal and its message, and that the stage succeeds after the line of the message is added to dvc.yaml."""
    toy.stage(f"{body}\n{DONE}", "outs: [out]", imports=imports)
    ran = toy.by_hand()
    assert (1, True) == (ran.status, re.search(f"stage 'x' may not {what}", ran.text) is not None), ran.text
    assert f"stages.x.deps in dvc.yaml:\n      - {add}\n" in ran
    assert "at stages/x.py:" in ran
    assert "Traceback" not in ran.text.replace('Traceback (most recent call last):\n  File "<string>"', "")
    assert not (toy.root / "out").exists()
    toy.stage(f"{body}\n{DONE}", f"deps: [{add}]\nouts: [out]", imports=imports)
    ran = toy.by_hand()
    assert ran.status == 0, ran.text
    assert (toy.root / "out").exists()


@ways(READS)
def test_an_undeclared_read_is_refused(toy: Toy, imports: str, body: str) -> None:
    """The refusal names the stage, the file, the source line and the line to add, in every Python process of the stage."""
    refused(toy, imports, body, "read data/secret.csv: dvc.yaml does not declare it", "data/secret.csv")


@kernel
@ways(KERNEL_READS)
def test_an_undeclared_read_that_python_does_not_see_is_refused(toy: Toy, imports: str, body: str) -> None:
    """The kernel refuses a C++ reader or another program, with the same message; pyarrow looks for the file by Python first."""
    refused(toy, imports, body, "(read|ask for) data/secret.csv: dvc.yaml does not declare it", "data/secret.csv")


@kernel
def test_an_undeclared_read_by_pyarrow_parquet_is_refused(toy: Toy) -> None:
    """Parquet, which pyarrow opens in C++, is refused like any other file."""
    import pandas as pd

    pd.DataFrame({"number": [1, 2]}).to_parquet(toy.root / "data/secret.parquet")
    refused(
        toy,
        "import pandas as pd",
        'result = pd.read_parquet("data/secret.parquet")',
        "read data/secret.parquet",
        "data/secret.parquet",
    )


@ways(LISTINGS)
def test_a_listing_of_an_undeclared_folder_is_refused(toy: Toy, imports: str, body: str) -> None:
    """Listing an undeclared folder is refused, even in functions that ignore OSError."""
    refused(toy, imports, body, "list the folder data: dvc.yaml does not declare it", "data")


def test_a_read_at_the_top_of_the_script_is_refused(toy: Toy) -> None:
    """The process is sealed before the script is executed, so its module level is sealed too."""
    refused(toy, 'TEXT = open("data/secret.csv").read()', "result = TEXT", "read data/secret.csv", "data/secret.csv")


def test_a_read_in_a_module_is_shown_where_it_happens(toy: Toy) -> None:
    """The source line is the innermost line of the project, even if a library opened the file."""
    toy.write("src/mine.py", '"""Mine."""\n\n\ndef load():\n    return open("data/secret.csv").read()\n')
    toy.stage(f"result = mine.load()\n{DONE}", "outs: [out]", imports="import mine")
    assert "\n  at src/mine.py:5 in load\n" in toy.by_hand()


def test_a_refusal_that_the_stage_ignores_still_fails(toy: Toy) -> None:
    """`except Exception` around an undeclared read does not make the stage succeed."""
    body = 'try:\n    open("data/secret.csv")\nexcept Exception:\n    pass\nresult = 1\n'
    refused(toy, "", body, "read data/secret.csv", "data/secret.csv")


def test_a_user_error_made_of_a_refusal_is_explained_too(toy: Toy) -> None:
    """A module that converts the kernel's OSError into another error does not hide the reason."""
    pytest.importorskip("pyarrow")
    if not landlock.abi():
        pytest.skip("this kernel has no Landlock")
    imports = "from pyarrow import csv\nfrom veritable.errors import UserError"
    read = 'result = csv.read_csv("data/secret.csv")'
    body = f'try:\n    {read}\nexcept OSError as error:\n    raise UserError("bad table") from error'
    refused(toy, imports, body, "(read|ask for) data/secret.csv", "data/secret.csv")


def test_a_link_to_a_secret_is_refused(toy: Toy) -> None:
    """The name of a link must be declared, whether its target is inside or outside the repository."""
    outside = toy.root.parent / "outside.csv"
    outside.write_text("secret")
    (toy.root / "data/link.csv").symlink_to("secret.csv")
    (toy.root / "data/far.csv").symlink_to(outside)
    for name in ("link", "far"):
        (toy.root / "out").unlink(missing_ok=True)
        refused(toy, "", f'result = open("data/{name}.csv").read()', f"read data/{name}.csv", f"data/{name}.csv")


# SQLite


DATABASES = {
    "a path": 'sqlite3.connect("data/my table.db")',
    "a relative URI": 'sqlite3.connect("file:data/my%20table.db?mode=ro", uri=True)',
    "an absolute URI": 'sqlite3.connect("file:" + quote(os.path.abspath("data/my table.db")) + "?mode=ro", uri=True)',
    "a URI with a host": 'sqlite3.connect("file://localhost" + quote(os.path.abspath("data/my table.db")), uri=True)',
}
SQLITE = "import os, sqlite3\nfrom urllib.parse import quote\nfrom pathlib import Path"


def make_database(toy: Toy, wal: bool = False) -> None:
    """Write data/my table.db; with `wal`, its row is in the write-ahead log only."""
    path = toy.root / "data/my table.db"
    source = toy.root.parent / "source.db"
    with closing(sqlite3.connect(source, isolation_level=None)) as database:
        database.execute("create table t (number integer)")
        if wal:
            database.execute("pragma journal_mode=wal")
        database.execute("insert into t values (7)")
        shutil.copy(source, path)  # while it is open: closing it would empty the log
        if wal:
            shutil.copy(f"{source}-wal", f"{path}-wal")


@pytest.mark.parametrize("connect", DATABASES.values(), ids=DATABASES.keys())
def test_an_undeclared_database_is_refused(toy: Toy, connect: str) -> None:
    """SQLite opens files in C: the argument of `connect` is checked, be it a path or a URI."""
    make_database(toy)
    body = f'result = {connect}.execute("select number from t").fetchall()'
    toy.stage(f"{body}\n{DONE}", "outs: [out]", imports=SQLITE)
    ran = toy.by_hand()
    assert (1, True) == (ran.status, "stage 'x' may not read data/my table.db: dvc.yaml does not declare it." in ran), ran.text
    assert '  Add to stages.x.deps in dvc.yaml:\n      - "data/my table.db"\n' in ran
    toy.stage(f"{body}\n{DONE}", 'deps: ["data/my table.db"]\nouts: [out]', imports=SQLITE)
    ran = toy.by_hand()
    assert 0 == ran.status, ran.text
    assert "[(7,)]" == toy.read("out")


def test_databases_in_memory_are_allowed(toy: Toy) -> None:
    """A database without a file is no access to a file."""
    body = "for name in (':memory:', '', 'file::memory:?cache=shared', 'file:x?mode=memory'):\n"
    body += "    sqlite3.connect(name, uri=True).close()\nresult = 1"
    toy.stage(f"{body}\n{DONE}", "outs: [out]", imports="import sqlite3")
    assert Ran(0, "") == toy.by_hand()


def test_a_write_ahead_log_beside_a_declared_database_is_refused(toy: Toy) -> None:
    """DVC tracks the database alone: rows that are only in its log would change the result unseen. The remedy works."""
    make_database(toy, wal=True)
    connect = DATABASES["a relative URI"]
    body = f'result = {connect}.execute("select number from t").fetchall()'
    toy.stage(f"{body}\n{DONE}", 'deps: ["data/my table.db"]\nouts: [out]', imports=SQLITE)
    ran = toy.by_hand()
    assert 1 == ran.status
    assert "stage 'x' may not read data/my table.db: data/my table.db-wal has changes of it that DVC does not track.\n" in ran
    assert "PRAGMA journal_mode=DELETE" in ran
    with closing(sqlite3.connect(toy.root / "data/my table.db", isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode=DELETE")
    ran = toy.by_hand()
    assert 0 == ran.status, ran.text
    assert "[(7,)]" == toy.read("out")


# Modules


DYNAMIC = ("import importlib", 'result = importlib.import_module("hid" + "den").VALUE')


@pytest.mark.parametrize("compiled", [False, True], ids=["source", "byte code"])
def test_a_module_that_the_code_file_does_not_list_is_refused(toy: Toy, compiled: bool) -> None:
    """A dynamic import of a module of src/ is refused, even if its byte code exists; an import by name is not."""
    toy.write("src/hidden.py", "VALUE = 5\n")
    if compiled:
        toy.run(sys.executable, "-m", "compileall", "-q", "src/hidden.py")
    toy.stage(f"{DYNAMIC[1]}\n{DONE}", "outs: [out]", imports=DYNAMIC[0])
    ran = toy.by_hand()
    assert ran.status == 1
    assert "stage 'x' may not read src/hidden.py: no import statement names it, so code/x.txt does not list it.\n" in ran
    assert "add to stages.x.deps in dvc.yaml:\n      - src/hidden.py\n" in ran
    toy.stage(f"{DYNAMIC[1]}\n{DONE}", "deps: [src/hidden.py]\nouts: [out]", imports=DYNAMIC[0])
    assert Ran(0, "") == toy.by_hand()
    toy.stage(f"result = hidden.VALUE\n{DONE}", "outs: [out]", imports="import hidden")
    assert Ran(0, "") == toy.by_hand()
    assert "5" == toy.read("out")


def test_packages_in_packages_are_imported(toy: Toy) -> None:
    """Imports at the top of a script and in a function may list the folders of modules, however deep these are."""
    for name in ("one/__init__.py", "one/two/__init__.py", "one/two/three/__init__.py"):
        toy.write(f"src/{name}", "")
    toy.write("src/one/two/first.py", "VALUE = 5\n")
    toy.write("src/one/two/three/second.py", "VALUE = 6\n")
    body = "from one.two.three.second import VALUE as second\nresult = (VALUE, second)"
    toy.stage(f"{body}\n{DONE}", "outs: [out]", imports="from one.two.first import VALUE")
    assert Ran(0, "") == toy.by_hand()
    assert "(5, 6)" == toy.read("out")


def test_the_folders_above_the_repository_exist(toy: Toy) -> None:
    """A path can be resolved, which asks for each folder above it."""
    body = "result = [each.is_dir() for each in Path().resolve().parents]"
    toy.stage(f"{body}\n{DONE}", "outs: [out]", imports="from pathlib import Path")
    assert Ran(0, "") == toy.by_hand()
    assert "False" not in toy.read("out")


def test_a_module_beside_the_contract_is_no_exception(toy: Toy) -> None:
    """Of the package's modules, only those that the contract itself needs are readable without an import statement."""
    toy.write("src/veritable/files.py", "VALUE = 5\n")
    imports, body = "import importlib", 'result = importlib.import_module("veritable.files").VALUE'
    refused(toy, imports, body, "read src/veritable/files.py", "src/veritable/files.py")


# Params


def test_an_undeclared_param_is_refused(toy: Toy) -> None:
    """A stage gets only its declared params; the refusal names the key and the line to add."""
    for ask in ('stage.params["p"]["b"]', 'stage.params["p"].get("b", 7)'):
        toy.stage(f"result = {ask}\n{DONE}", "params: [p.a]\nouts: [out]")
        ran = toy.by_hand()
        assert ran.status == 1
        assert "may not use the param 'p.b'" in ran
        assert "Add to stages.x.params in dvc.yaml:\n      - p.b\n" in ran
        toy.stage(f"result = {ask}\n{DONE}", "params: [p.b]\nouts: [out]")
        assert Ran(0, "") == toy.by_hand()
        assert "2" == toy.read("out")


def test_an_unkeyed_param_runs_nothing_again(toy: Toy) -> None:
    """A stage gets the params of `meta.unkeyed`, and DVC does not compare them."""
    toy.stage(
        f'result = [stage.params["p"]["a"], stage.params["p"]["b"]]\n{DONE}',
        "meta: {unkeyed: [p.b]}\nparams: [p.a]\nouts: [out]",
    )
    ran = toy.dvc("repro", "x")
    assert 0 == ran.status, ran.text
    assert "[1, 2]" == toy.read("out")
    assert "warning" not in ran
    toy.write("params.yaml", "p:\n  a: 1\n  b: 5\n")
    assert "Data and pipelines are up to date." in toy.dvc("status", "x")
    assert "[1, 2]" == toy.read("out")
    toy.write("params.yaml", "p:\n  a: 2\n  b: 5\n")
    assert 0 == toy.dvc("repro", "x").status
    assert "[2, 5]" == toy.read("out")


def test_a_direct_read_of_params_yaml_is_refused(toy: Toy) -> None:
    """A stage may not open params.yaml: it uses `stage.params`."""
    toy.stage(f'result = open("params.yaml").read()\n{DONE}', "params: [p.a]\nouts: [out]")
    ran = toy.by_hand()
    assert ran.status == 1
    assert "stage 'x' may not read params.yaml: a stage may use only its declared params.\n  at stages/x.py:10 in x\n" in ran
    assert "Use stage.params, and add to stages.x.params in dvc.yaml" in ran


# Writes


WRITES = {
    "open": ("", 'open("data/other.csv", "w").write("1")'),
    "mkdir": ("import os", 'os.mkdir("data/other.csv")'),
    "append": ("", 'open("data/secret.csv", "a").write("1")'),
    "remove": ("import os", 'os.remove("data/secret.csv")'),
    "rename": ("import os", 'os.rename("data/secret.csv", stage.outputs["out"])'),
    "an input": ("", 'stage.inputs["in.csv"].write_text("1")'),
}


@ways(WRITES)
def test_a_write_outside_the_outs_is_refused(toy: Toy, imports: str, body: str) -> None:
    """Python may not create, change, rename or delete anything that is not a declared output."""
    before = {path: path.read_text() for path in (toy.root / "data").iterdir()}
    toy.stage(body, "deps: [data/in.csv]\nouts: [out]", imports=imports)
    ran = toy.by_hand()
    assert (1, True) == (ran.status, "stage 'x' may not write data/" in ran), ran.text
    assert "\n  at stages/x.py:" in ran
    assert "Add to stages.x.outs in dvc.yaml:\n      - data/" in ran
    assert before == {path: path.read_text() for path in (toy.root / "data").iterdir()}


@kernel
def test_a_write_outside_the_outs_by_cpp_is_refused(toy: Toy) -> None:
    """The kernel refuses a write by pyarrow, which writes in C++, with the same message; it may write an output."""
    imports = "import pyarrow as pa\nfrom pyarrow import parquet"
    toy.stage('parquet.write_table(pa.table({"a": [1]}), "data/other.parquet")', "outs: [out]", imports=imports)
    ran = toy.by_hand()
    assert ran.status == 1
    assert "stage 'x' may not write data/other.parquet: dvc.yaml does not declare it.\n  at stages/x.py:" in ran
    assert "Add to stages.x.outs in dvc.yaml:\n      - data/other.parquet\n" in ran
    assert not (toy.root / "data/other.parquet").exists()
    toy.stage(
        'parquet.write_table(pa.table({"a": [1]}), stage.outputs["other.parquet"])',
        "outs: [data/other.parquet]",
        imports=imports,
    )
    assert Ran(0, "") == toy.by_hand()
    assert (toy.root / "data/other.parquet").exists()


def test_a_write_to_the_final_path_of_an_output_is_refused(toy: Toy) -> None:
    """The refusal says to write to stage.outputs."""
    toy.stage('open("out", "w")', "outs: [out]")
    assert "may not write out: outputs are moved there after the stage has succeeded" in toy.by_hand()


def test_a_file_beside_the_outputs_is_refused(toy: Toy) -> None:
    """A file beside an output would be lost: it is an error that names the line to add."""
    toy.stage('stage.outputs["out"].write_text("")\nstage.outputs["out"].with_name("more").write_text("")', "outs: [data/out]")
    ran = toy.by_hand()
    assert ran.status == 1
    assert "wrote data/more, which dvc.yaml does not declare.\n  Add to stages.x.outs in dvc.yaml:\n      - data/more\n" in ran
    assert not (toy.root / "data/out").exists()


def test_a_stage_may_do_anything_in_its_own_folders(toy: Toy) -> None:
    """It may replace files atomically, read them, delete trees (Python does so relative to open folders) and use TMPDIR."""
    body = """
import os, pathlib, shutil, tempfile
out = stage.outputs["out"]
(out / "data" / "in.csv").mkdir(parents=True)
(out / "data" / "in.csv" / "secret.csv").write_text("")
shutil.rmtree(out / "data")
(out / "new").write_text("1")
os.replace(out / "new", out / "final")
assert (out / "final").read_text() == "1"
with tempfile.TemporaryDirectory() as folder:
    (pathlib.Path(folder) / "data").mkdir()
    (pathlib.Path(folder) / "data" / "secret.csv").write_text("")
"""
    toy.stage(body, "outs: [out]")
    assert Ran(0, "") == toy.by_hand()
    assert ["final"] == [path.name for path in (toy.root / "out").iterdir()]


# Levels


def test_the_hook_alone_says_so_in_one_line(toy: Toy) -> None:
    """Without Landlock, the hook refuses what Python opens, and one line says what it does not see."""
    toy.stage(f'result = open("data/secret.csv").read()\n{DONE}', "outs: [out]")
    ran = toy.by_hand(VERITABLE_SEAL="hook")
    assert (1, True) == (ran.status, "may not read data/secret.csv" in ran)
    toy.stage(f"result = 1\n{DONE}", "outs: [out]")
    ran = toy.by_hand(VERITABLE_SEAL="hook")
    warning = (
        "seal: without Linux Landlock, only what Python itself opens and connects to is refused, not what C++ readers and "
    )
    warning += "programs do.\n"
    assert (0, warning) == (ran.status, ran.text)


def test_the_level_report_refuses_nothing(toy: Toy) -> None:
    """At the level for debugging, each undeclared access is reported once and not refused."""
    toy.stage(f'result = [open(f"data/{{n}}.csv").read() for n in ("secret", "secret", "in")]\n{DONE}', "outs: [out]")
    ran = toy.by_hand(VERITABLE_SEAL="report")
    assert ran.status == 0
    assert (1, 1) == (ran.text.count("may not read data/secret.csv"), ran.text.count("may not read data/in.csv"))
    assert "seal: VERITABLE_SEAL=report, so undeclared access by Python is reported but not refused." in ran
    assert (toy.root / "out").exists()


def test_kernel_requires_landlock(toy: Toy) -> None:
    """VERITABLE_SEAL=kernel, for CI, fails without Landlock."""
    toy.stage(f"result = 1\n{DONE}", "outs: [out]")
    assert (0 if landlock.abi() else 1) == toy.by_hand(VERITABLE_SEAL="kernel").status
    supervisor = toy.root / "src/veritable/stage/landlock.py"
    supervisor.write_text(supervisor.read_text().replace("return max(0, version)", "return 0"))
    ran = toy.by_hand(VERITABLE_SEAL="kernel")
    assert (1, True) == (ran.status, "VERITABLE_SEAL=kernel needs Linux Landlock" in ran)
    assert (0, True) == ((ran := toy.by_hand()).status, "seal: without Linux Landlock" in ran)


def test_an_unknown_level_is_refused(toy: Toy) -> None:
    """A misspelled VERITABLE_SEAL does not weaken the seal."""
    toy.stage(f"result = 1\n{DONE}", "outs: [out]")
    ran = toy.by_hand(VERITABLE_SEAL="kernal")
    assert (1, True) == (ran.status, "must be kernel, hook or report, but is 'kernal'" in ran)


# What must work unchanged


def test_common_libraries_work(toy: Toy) -> None:
    """scikit-learn in parallel, matplotlib and SQLite work without a message."""
    imports = """
import warnings
import matplotlib
matplotlib.use("agg")
import matplotlib.pyplot as plt
import multiprocessing, sqlite3
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
"""
    body = """
X, y = make_classification(random_state=0)
result = RandomForestClassifier(10, n_jobs=2, random_state=0).fit(X, y).score(X, y)
folder = stage.outputs["out"]
folder.mkdir()
plt.plot([1, 2])
plt.savefig(folder / "figure.png")
with sqlite3.connect(stage.scratch / "facts.db") as facts:
    facts.execute("create table fact (name text)")
sqlite3.connect(":memory:").close()
"""
    toy.stage(body, "outs: [out]", imports=imports)
    assert Ran(0, "") == toy.by_hand()


def test_a_long_path_for_temporary_files_works(toy: Toy, tmp_path: Path) -> None:
    """Workers use sockets, whose names have at most 108 characters: the stage gets a short temporary folder."""
    deep = tmp_path / ("deep" * 15) / ("er" * 30)
    deep.mkdir(parents=True)
    body = 'with multiprocessing.get_context("forkserver").Pool(1) as pool:\n    result = pool.map(abs, [1])\n' + DONE
    toy.stage(body, "outs: [out]", imports="import multiprocessing")
    assert Ran(0, "") == toy.by_hand(TMPDIR=str(deep))
    shutil.rmtree(deep)
