"""The outputs of a stage appear completely or not at all, and only if its inputs did not change while it ran."""

import os
import shutil
import signal
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import HANGS, Ran, Toy, until
from tests.faults import assert_said
from veritable.stage import landlock

COPY = 'result = stage.inputs["in.csv"].read_text() + str(stage.params["p"]["a"])\nstage.outputs["out"].write_text(result)'
WAIT = """
import os, time
open("{signals}/started", "w").close()
while not os.path.exists("{signals}/go"):
    time.sleep(0.02)
"""
IN_AND_PARAM = "deps: [data/in.csv]\nparams: [p.a]\nouts: [out]"


@pytest.fixture
def signals(tmp_path: Path) -> Path:
    """A folder outside the repository, in which a stage reports that it has started and waits for a signal to go on."""
    folder = tmp_path / "signals"
    folder.mkdir()
    return folder


# What changes while a stage runs

EDITS = {
    "an input": ("data/in.csv", "number\n1\n2\n", "number\n1\n", "data/in.csv changed while stage 'x' ran"),
    "another file in an input": ("folder/more", "", "1", "folder/more changed while stage 'x' ran"),
    "a param": ("params.yaml", "a: 1", "a: 3", "params.yaml (p) changed while stage 'x' ran"),
    "a source file": (
        "src/mine.py",
        "VALUE = 1",
        "VALUE = 2",
        "must run the code that code/x.txt lists, but src/mine.py differs",
    ),
    "another param": ("params.yaml", "b: 2", "b: 3", ""),
    "a comment": ("src/mine.py", "VALUE = 1", "VALUE = 1  # one", ""),
}


@pytest.mark.parametrize(("path", "old", "new", "words"), EDITS.values(), ids=EDITS.keys())
def test_a_change_while_the_stage_ran(toy: Toy, signals: Path, path: str, old: str, new: str, words: str) -> None:
    """The outputs are not kept if a declared input changed, because DVC would record the new input beside the old result."""
    toy.write("src/mine.py", "VALUE = 1\n")
    toy.write("folder/one", "1")
    toy.stage(
        f"list(stage.inputs.values())\n{WAIT.format(signals=signals)}\n{COPY}",
        f"deps: [data/in.csv, folder]\nparams: [p.a]\nouts: [out]\nmeta: {{outside: [{signals}]}}",
        imports="import mine",
    )
    running = toy.start(sys.executable, "stages/x.py")
    until((signals / "started").exists)
    toy.write(path, toy.read(path).replace(old, new) if old else new)
    (signals / "go").touch()
    output, _ = running.communicate(timeout=HANGS)
    assert (1 if words else 0) == running.returncode, output
    assert words in output
    assert (not words) == (toy.root / "out").exists()


# Declared but not used


def test_a_warning_names_deps_and_params_that_were_not_used(toy: Toy) -> None:
    """The warning names the line to remove. An imported module counts as used."""
    toy.write("src/mine.py", "VALUE = 1\n")
    toy.stage(
        f"{COPY}",
        "deps: [data/in.csv, data/secret.csv, src/mine.py]\nparams: [p.a, p.b]\nouts: [out]",
        imports="import mine",
    )
    ran = toy.by_hand()
    assert ran.status == 0
    assert [
        "warning: stage 'x' never used data/secret.csv. Remove from stages.x.deps in dvc.yaml:",
        "      - data/secret.csv",
        "warning: stage 'x' never used p.b. Remove from stages.x.params in dvc.yaml:",
        "      - p.b",
    ] == ran.text.splitlines()


# Outputs


FAILURES = {
    "an error": ("1 / 0", "ZeroDivisionError"),
    "sys.exit(0)": ("import sys; sys.exit(0)", "must end by returning"),
    "os._exit(0)": ("import os; os._exit(0)", "must end by returning"),
    "a kill": ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "was ended by SIGKILL"),
    "an output not written": (
        "import shutil; shutil.rmtree(stage.outputs['out'])",
        "must write every declared output, but did not write out",
    ),
}


@pytest.mark.parametrize(("end", "words"), FAILURES.values(), ids=FAILURES.keys())
def test_a_stage_that_fails_by_hand_leaves_the_earlier_outputs(toy: Toy, end: str, words: str) -> None:
    """An incomplete output never replaces an earlier one, however the stage ends."""
    toy.write("out/old", "old")
    toy.stage(f"stage.outputs['out'].mkdir()\n(stage.outputs['out'] / 'new').write_text('new')\n{end}", "outs: [out]")
    ran = toy.by_hand()
    assert 0 != ran.status
    assert words in ran
    assert [toy.root / "out/old"] == list((toy.root / "out").iterdir())


FAILS = "if stage.params['p']['a'] != 1:\n    {}\n"


@pytest.mark.parametrize(
    "end",
    ["raise SystemExit(3)", "1 / 0", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"],
    ids=["exit", "error", "kill"],
)
def test_a_stage_that_fails_under_dvc_has_its_earlier_outputs_back(toy: Toy, end: str) -> None:
    """DVC deletes the outputs before it runs a stage: after a failure they are restored from its cache."""
    body = "stage.outputs['folder'].mkdir()\n(stage.outputs['folder'] / 'one').write_text('1')\n" + FAILS.format(end)
    toy.stage(body + COPY, "deps: [data/in.csv]\nparams: [p.a]\nouts: [out, folder, small: {cache: false}]")
    toy.write("stages/x.py", toy.read("stages/x.py") + "\n    stage.outputs['small'].write_text('s')\n")
    toy.state()
    assert 0 == toy.dvc("repro", "x").status
    toy.write("params.yaml", "p: {a: 2}\n")
    ran = toy.dvc("repro", "x")
    assert 0 != ran.status
    assert "Earlier outputs restored: out, folder." in ran, ran.text
    assert "DVC has deleted outputs that are not in its cache. If git has them: git checkout -- small" in ran
    assert ("number\n1\n2\n1", "1") == (toy.read("out"), toy.read("folder/one"))
    toy.write("params.yaml", "p: {a: 1}\n")
    assert 0 == toy.dvc("repro", "x").status
    assert "s" == toy.read("small")


def test_a_refused_stage_has_its_earlier_outputs_back(toy: Toy) -> None:
    """Outputs are also restored if the stage is refused before it runs."""
    toy.stage(COPY, IN_AND_PARAM)
    assert 0 == toy.dvc("repro", "x").status
    toy.write("code/x.txt", "")
    ran = toy.dvc("repro", "-s", "x")
    assert 0 != ran.status
    assert "that file is absent or empty" in ran
    assert "Earlier outputs restored: out." in ran
    assert "number\n1\n2\n1" == toy.read("out")


def test_what_the_cache_does_not_have_is_not_promised(toy: Toy) -> None:
    """Outputs that are no longer in DVC's cache cannot be restored, and no message says so."""
    toy.stage(FAILS.format("1 / 0") + COPY, IN_AND_PARAM)
    assert 0 == toy.dvc("repro", "x").status
    shutil.rmtree(toy.root / ".dvc/cache")
    toy.write("params.yaml", "p: {a: 2}\n")
    ran = toy.dvc("repro", "x")
    assert 0 != ran.status
    assert "restored" not in ran
    assert not (toy.root / "out").exists()


def test_outputs_replace_earlier_ones(toy: Toy) -> None:
    """A file replaces a folder, a folder replaces a file or a link, and nothing of the earlier output remains."""
    toy.write("one/old", "old")
    (toy.root / "two").symlink_to("data/in.csv")
    toy.stage(
        "stage.outputs['one'].write_text('1')\nstage.outputs['two'].mkdir()\n(stage.outputs['two'] / 'new').write_text('2')",
        "outs: [one, two]",
    )
    assert Ran(0, "") == toy.by_hand()
    assert ("1", [toy.root / "two/new"]) == (toy.read("one"), list((toy.root / "two").iterdir()))
    assert "number\n1\n2\n" == toy.read("data/in.csv")


def test_an_error_that_the_user_can_fix_has_no_traceback(toy: Toy) -> None:
    """A UserError is shown as its message, with exit code 1; other errors have a traceback."""
    imports = "from veritable.errors import UserError"
    toy.stage('raise UserError("target has one class")', "outs: [out]", imports=imports)
    assert Ran(1, "target has one class\n") == toy.by_hand()
    toy.stage("raise ValueError('what')", "outs: [out]")
    ran = toy.by_hand()
    assert (1, True, True) == (ran.status, "Traceback" in ran, "ValueError: what" in ran)


def test_an_error_says_where_its_params_are_set(toy: Toy) -> None:
    """If an error names a param, the stage says in which file it is set; the rooms do not know the file."""
    imports = "from veritable.errors import UserError"
    toy.stage('raise UserError("Check p.a.")', "params: [p.a]\nouts: [out]", imports=imports)
    assert Ran(1, "Check p.a. Params are set in params.yaml.\n") == toy.by_hand()


def test_a_missing_input_is_one_sentence(toy: Toy) -> None:
    """A missing input is named with the remedy if the stage is run by hand, without DVC's own check."""
    toy.stage(COPY, "deps: [data/gone.csv]\nouts: [out]")
    message = "stage 'x' needs data/gone.csv, which does not exist. Run `dvc pull` or `dvc repro`.\n"
    assert Ran(1, message) == toy.by_hand()


def test_a_script_must_define_one_function(toy: Toy) -> None:
    """Two public functions are refused; the message names them."""
    toy.stage("pass", "outs: [out]", imports="def other(stage):\n    pass")
    assert "x.py must define one public function with one argument, the stage, but defines: other, x." in toy.by_hand()


# Scratch


def test_scratch_survives_a_kill_and_is_dropped_after_a_changed_param(toy: Toy, signals: Path) -> None:
    """The next run with the same key finds the scratch files of a killed run; a run with another key does not."""
    body = f"""
epoch = stage.scratch / "epoch"
found = epoch.read_text() if epoch.exists() else "nothing"
epoch.write_text(str(stage.params["p"]["a"]))
if found == "nothing":
{WAIT.format(signals=signals).replace(chr(10), chr(10) + "    ")}
stage.outputs["out"].write_text(found + stage.inputs["in.csv"].read_text()[:0])
"""
    toy.stage(body, f"{IN_AND_PARAM}\nmeta: {{outside: [{signals}]}}")

    def kill_once_started() -> None:
        running = toy.start(sys.executable, "stages/x.py")
        until((signals / "started").exists)
        running.kill()
        running.communicate(timeout=HANGS)
        (signals / "started").unlink()

    kill_once_started()
    assert Ran(0, "") == toy.by_hand()
    assert "1" == toy.read("out")
    kill_once_started()
    toy.write("params.yaml", "p: {a: 2}")
    (signals / "go").touch()
    assert Ran(0, "") == toy.by_hand()
    assert "nothing" == toy.read("out")


# Never twice at the same time


def killed_dvc(toy: Toy, signals: Path, command: str) -> None:
    """Start the stage with DVC, and kill only DVC while the stage runs."""
    toy.stage(f"{WAIT.format(signals=signals)}\n{COPY}", f"cmd: {command}\n{IN_AND_PARAM}\nmeta: {{outside: [{signals}]}}")
    with toy.start(sys.executable, "-m", "dvc", "repro", "-s", "x") as dvc:
        until((signals / "started").exists)
        os.kill(dvc.pid, signal.SIGKILL)
        assert dvc.stdout
        dvc.stdout.close()


@pytest.mark.parametrize("command", ["exec python stages/x.py", "python stages/x.py && true"], ids=["direct", "below a shell"])
def test_a_stage_dies_with_its_dvc(toy: Toy, signals: Path, command: str) -> None:
    """The stage and its sealed process end with the DVC that started them, also if a shell is between them."""
    killed_dvc(toy, signals, command)
    time.sleep(0.5)
    (signals / "go").touch()
    time.sleep(0.5)
    assert not (toy.root / "out").exists()
    assert 0 == toy.by_hand().status


def test_a_stage_does_not_run_twice(toy: Toy, signals: Path) -> None:
    """While a stage runs, a second run of it is refused; later it succeeds."""
    toy.stage(f"{WAIT.format(signals=signals)}\n{COPY}", f"{IN_AND_PARAM}\nmeta: {{outside: [{signals}]}}")
    first = toy.start(sys.executable, "stages/x.py")
    until((signals / "started").exists)
    second = toy.by_hand()
    (signals / "go").touch()
    first.communicate(timeout=60)
    assert (0, 1) == (first.returncode, second.status), second.text
    assert_said("a stage by hand while it runs", second.text)
    assert 0 == toy.by_hand().status


# Forms of dvc.yaml, links, clones and copies


def test_the_forms_of_dvc_yaml(toy: Toy) -> None:
    """matrix, foreach, wdir, templates and a dvc.yaml in a subfolder work with DVC and by hand."""
    for name in ("m", "f", "w", "s"):
        toy.stage(COPY.replace("in.csv", "path" if name in "mf" else "in.csv"), "outs: [none]", name=name)
    path = "{cmd: python stages/%s.py, deps: [code/%s.txt, '${item%s}'], params: [p.a], outs: ['%s/${key}/out']}"
    toy.write(
        "dvc.yaml",
        toy.read("dvc.yaml").split("  m:\n")[0]
        + "  m:\n    matrix: {path: [data/in.csv, data/secret.csv]}\n"
        + "    cmd: python stages/m.py\n    deps: [code/m.txt, '${item.path}']\n    params: [p.a]\n"
        + "    outs: ['m/${key}/out']\n"
        + "  f:\n    foreach: {one: {path: data/in.csv}, two: {path: data/secret.csv}}\n    do: "
        + path % ("f", "f", ".path", "f")
        + "\n  w:\n    wdir: deep\n    cmd: python ../stages/w.py\n    deps: [../code/w.txt, ../data/in.csv]\n"
        + "    params: [../params.yaml: [p.a]]\n    outs: [out]\n",
    )
    toy.write(
        "sub/dvc.yaml",
        "stages:\n  s:\n    cmd: python ../stages/s.py\n    deps: [../code/s.txt, ../data/in.csv]\n"
        "    params: [../params.yaml: [p.a]]\n    outs: [out]\n",
    )
    (toy.root / "deep").mkdir()
    for script in ("m", "f"):
        file = toy.root / f"stages/{script}.py"
        file.write_text(file.read_text().replace('"path"', '"item.path"'))
    ran = toy.dvc("repro", "-P")
    assert 0 == ran.status, ran.text
    assert "warning" not in ran
    first, second = "number\n1\n2\n1", "number\n3\n4\n1"
    outs = {str(each.relative_to(toy.root)): each.read_text() for each in toy.root.rglob("out") if ".dvc" not in each.parts}
    matrix = {"m/data/in.csv/out": first, "m/data/secret.csv/out": second}
    assert matrix | {"f/one/out": first, "f/two/out": second, "deep/out": first, "sub/out": first} == outs
    ran = toy.by_hand("m")
    assert (1, True) == (ran.status, "several stages run stages/m.py: m@" in ran), ran.text
    name = ran.text.partition("Select one: DVC_STAGE=")[2].split()[0]
    assert Ran(0, "") == toy.by_hand("m", DVC_STAGE=name)
    for name, folder in (("w", "deep"), ("s", "sub")):
        (toy.root / folder / "out").unlink()
        assert Ran(0, "") == toy.by_hand(name)
        assert first == toy.read(f"{folder}/out")


def test_by_hand_equals_under_dvc_also_from_a_subfolder(toy: Toy) -> None:
    """`python stages/x.py` makes the same bytes as `dvc repro`, from any folder, so DVC considers them up to date."""
    toy.stage(COPY, IN_AND_PARAM)
    (toy.root / "sub").mkdir()
    ran = toy.dvc("repro", "../dvc.yaml:x", cwd="sub")
    assert 0 == ran.status, ran.text
    under = (toy.root / "out").read_bytes()
    (toy.root / "out").unlink()
    assert Ran(0, "") == toy.run(sys.executable, "../stages/x.py", cwd="sub")
    assert under == (toy.root / "out").read_bytes()
    assert "up to date" in toy.dvc("status", "x")


def test_an_experiment_runs_the_code_of_its_own_copy(toy: Toy) -> None:
    """`dvc exp run --temp` and the queue run the code that they copied, even if the workspace changed in the meantime."""
    toy.write("src/mine.py", "VALUE = 'copied'\n")
    body = """
import pathlib, veritable
stage.outputs["out"].write_text(f"{mine.VALUE} {stage.params['p']['a']}")
assert pathlib.Path(veritable.__file__).is_relative_to(pathlib.Path.cwd())
"""
    toy.stage(body, "params: [p.a]\nouts: [out: {cache: false}]", imports="import mine")
    toy.commit("before")
    ran = toy.dvc("exp", "run", "--queue", "-S", "p.a=5", "--name", "queued")
    assert 0 == ran.status, ran.text
    toy.write("src/mine.py", "VALUE = 'workspace'\n")
    ran = toy.dvc("queue", "start")  # `exp run --run-all` may wait for ever: DVC's worker reads a message while it is written
    assert 0 == ran.status, ran.text
    until(lambda: "/queued" in toy.git("for-each-ref", "refs/exps"))
    assert 0 == toy.dvc("queue", "stop").status
    toy.git("checkout", "-q", "src")
    ran = toy.dvc("exp", "run", "--temp", "-S", "p.a=7", "--name", "temporary")
    assert 0 == ran.status, ran.text
    for name, value in (("queued", "5"), ("temporary", "7")):
        ran = toy.dvc("exp", "apply", name)
        assert 0 == ran.status, ran.text
        assert f"copied {value}" == toy.read("out")


@pytest.mark.parametrize("link", ["copy", "hardlink", "symlink"])
def test_every_link_type_of_the_cache_works(toy: Toy, link: str) -> None:
    """Inputs that DVC links from its cache can be read; an undeclared one is refused."""
    assert 0 == toy.dvc("config", "cache.type", link).status
    toy.git("rm", "-q", "--cached", "-r", "data")
    assert 0 == toy.dvc("add", "-q", "data/in.csv", "data/secret.csv").status
    assert (link == "symlink") == (toy.root / "data/in.csv").is_symlink()
    imports = "import pandas as pd\nfrom pyarrow import csv" if landlock.abi() else "import pandas as pd"
    reads = "result = pd.read_csv(stage.inputs['in.csv'])\n"
    reads += "result = csv.read_csv(str(stage.inputs['in.csv']))\n" if landlock.abi() else ""
    toy.stage(reads + COPY, IN_AND_PARAM, imports=imports)
    assert Ran(0, "") == toy.by_hand()
    assert "number\n1\n2\n1" == toy.read("out")
    toy.stage("open('data/secret.csv')\n" + COPY, IN_AND_PARAM)
    assert "stage 'x' may not read data/secret.csv" in toy.by_hand()


def test_a_clone_that_pulled_its_inputs_works(toy: Toy, tmp_path: Path) -> None:
    """A clone that pulled from a remote makes the same outputs by hand and with DVC, and runs its own code."""
    toy.git("rm", "-q", "--cached", "-r", "data")
    assert 0 == toy.dvc("add", "-q", "data/in.csv").status
    toy.stage(COPY, IN_AND_PARAM)
    assert 0 == toy.dvc("repro", "-q").status
    assert 0 == toy.dvc("remote", "add", "-q", "-d", "store", str(tmp_path / "store")).status
    assert 0 == toy.dvc("push", "-q").status
    toy.commit("shared")
    clone = Toy(tmp_path / "clone")
    assert 0 == toy.git("clone", "-q", ".", str(clone.root)).status
    assert 0 == clone.dvc("pull", "-q").status
    (clone.root / "out").unlink()
    assert Ran(0, "") == clone.by_hand()
    assert toy.read("out") == clone.read("out")
    assert "Stage 'x' didn't change" in clone.dvc("repro")


def test_an_output_that_is_a_link_is_refused(toy: Toy) -> None:
    """Outputs must be regular files, because DVC does not see the target of a link change."""
    toy.stage('stage.outputs["out"].symlink_to("../../../../../../data/secret.csv")', "outs: [data/out]")
    ran = toy.by_hand()
    assert (1, True) == (ran.status, "must write regular files, but out is a link" in ran)


def test_arguments_of_the_command_reach_the_stage(toy: Toy) -> None:
    """The words after the script in `cmd` are in sys.argv."""
    toy.stage('stage.outputs["out"].write_text(" ".join(sys.argv[1:]))', "outs: [data/out]", imports="import sys")
    assert 0 == toy.run(sys.executable, "stages/x.py", "--fast", "3").status
    assert "--fast 3" == toy.read("data/out")


def test_params_of_two_files_are_merged(toy: Toy) -> None:
    """A section may have keys in two files; the same key in both is refused."""
    toy.write("more.yaml", "p:\n  c: 3\n")
    toy.stage(
        'stage.outputs["out"].write_text(str(dict(stage.params["p"])))', "params: [p.a, {more.yaml: [p.c]}]\nouts: [data/out]"
    )
    assert 0 == toy.by_hand().status
    assert "{'a': 1, 'c': 3}" == toy.read("data/out")
    toy.write("more.yaml", "p:\n  a: 3\n  c: 3\n")
    toy.stage("pass", "params: [p.a, {more.yaml: [p.a]}]\nouts: [data/out]")
    assert "declares 'a' twice" in toy.by_hand()


def test_a_reported_run_is_not_recorded(toy: Toy) -> None:
    """With VERITABLE_SEAL=report the stage fails for DVC, which would otherwise record a result of undeclared access."""
    toy.stage('stage.outputs["out"].write_text(open("data/secret.csv").read())', "outs: [data/out]")
    assert 0 != toy.dvc("repro", VERITABLE_SEAL="report").status
    assert "may not read data/secret.csv" in toy.dvc("repro")


def test_old_byte_code_is_not_run(toy: Toy) -> None:
    """A .pyc of an older source with the same size and modification time is not used."""
    module = toy.write("src/mine.py", "VALUE = 1\n")
    toy.run(sys.executable, "-m", "compileall", "-q", "src/mine.py")
    status = module.stat()
    module.write_text("VALUE = 2\n")
    os.utime(module, ns=(status.st_atime_ns, status.st_mtime_ns))
    toy.stage('stage.outputs["out"].write_text(str(mine.VALUE))', "outs: [data/out]", imports="import mine")
    assert 0 == toy.by_hand().status
    assert "2" == toy.read("data/out")


def test_a_module_beside_the_contract_is_code(toy: Toy) -> None:
    """Only the contract itself is excluded from the code files: another module in its folder is listed."""
    for name in ("mine", "codes"):  # the second name begins like that of a module of the contract
        toy.write(f"src/veritable/stage/{name}.py", "VALUE = 1\n")
        toy.stage('stage.outputs["out"].write_text("")', "outs: [data/out]", imports=f"from veritable.stage import {name}")
        assert f"module src/veritable/stage/{name}.py " in toy.read("code/x.txt")
