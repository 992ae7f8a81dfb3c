"""Faults of the machine while a stage runs. Each is a row of docs/reliability.md: nothing is lost, and one sentence says it."""

import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest

from tests.conftest import HANGS, HERE, Toy, until
from tests.faults import assert_said, read_only, rows, small_disk
from tests.test_supervisor import COPY, FAILS, IN_AND_PARAM, WAIT
from veritable.cli.outputs import KEPT, kept_outputs
from veritable.cli.repro import _end_stages, _stage_log
from veritable.cli.stopping import StoppedError, on_stop
from veritable.errors import explain_shortage
from veritable.stage import changes
from veritable.stage.declaration import resolve

Dvc = Callable[[list[str]], int]
FILES = "stage.outputs['out'].mkdir()\nfor i in range(3):\n    (stage.outputs['out'] / str(i)).write_bytes(bytes([i]) * {size})"


def test_each_row_has_its_test() -> None:
    """Each fault that docs/reliability.md lists is injected by a test."""
    tests = "".join(path.read_text("utf-8") for path in sorted((HERE / "tests").glob("test_*.py")))
    assert len(rows()) > 20
    assert [] == [fault for fault in rows() if f'"{fault}"' not in tests]


@pytest.fixture
def earlier(toy: Toy) -> Toy:
    """A toy whose stage x has an output from before."""
    toy.write("data/out", "old")
    return toy


# Memory, space and permissions


def test_a_full_disk(earlier: Toy) -> None:
    """A stage that cannot write says which file and why, and its earlier output stays."""
    earlier.stage("stage.outputs['out'].write_bytes(bytes(2**21))", "outs: [data/out]")
    with small_disk(earlier.root / ".dvc/tmp"):
        ran = earlier.by_hand()
    assert (1, "old") == (ran.status, earlier.read("data/out"))
    assert_said("the disk is full while a stage writes", ran.text)


def test_a_limit_on_the_size_of_files(earlier: Toy) -> None:
    """So does a stage with a limit, and the next run succeeds without it."""
    body = "if stage.params['p']['a'] == 1:\n    resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, 2**20))\n"
    earlier.stage(
        body + "stage.outputs['out'].write_bytes(bytes(2**21))", "params: [p.a]\nouts: [data/out]", imports="import resource"
    )
    ran = earlier.by_hand()
    assert (1, "old") == (ran.status, earlier.read("data/out"))
    assert_said("a limit on the size of files", ran.text)
    earlier.write("params.yaml", "p: {a: 2}\n")
    assert 0 == earlier.by_hand().status


def test_out_of_memory(earlier: Toy) -> None:
    """A stage without memory says where it needed more."""
    limit = "resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30))\n"
    earlier.stage(f"{limit}bytes(2**31)", "outs: [data/out]", imports="import resource")
    ran = earlier.by_hand()
    assert (1, "old") == (ran.status, earlier.read("data/out"))
    assert_said("a stage runs out of memory", ran.text)
    assert "(at stages/x.py:" in ran


def test_a_killed_worker(earlier: Toy) -> None:
    """A stage whose worker process is killed says so."""
    imports = (
        "import os, signal\nfrom concurrent.futures import ProcessPoolExecutor\n\n\n"
        "def _end():\n    os.kill(os.getpid(), signal.SIGKILL)"
    )
    earlier.stage("with ProcessPoolExecutor(1) as pool:\n    pool.submit(_end).result()", "outs: [data/out]", imports=imports)
    ran = earlier.by_hand()
    assert (1, "old") == (ran.status, earlier.read("data/out"))
    assert_said("a worker process of a stage is killed", ran.text)


def test_a_read_only_folder(earlier: Toy) -> None:
    """If one output cannot be moved, the earlier ones of all outputs stay, whatever is moved first."""
    (earlier.root / "data/folder").mkdir()
    earlier.write("data/folder/one", "old")
    earlier.write("a", "old")
    earlier.stage("stage.outputs['a'].write_text('new')\nstage.outputs['folder'].mkdir()", "outs: [a, data/folder]")
    with read_only(earlier.root / "data"):
        ran = earlier.by_hand()
    assert (1, "old", "old") == (ran.status, earlier.read("a"), earlier.read("data/folder/one"))
    assert_said("the folder of an output is read-only", ran.text)
    assert 0 == earlier.by_hand().status
    assert ("new", []) == (earlier.read("a"), list((earlier.root / "data/folder").iterdir()))


# Signals

STOPS = {  # fault: signal, whether the stage gets it, whether DVC gets it
    "Ctrl-C during `make repro`": (signal.SIGINT, True, True),
    "SIGTERM of a stage": (signal.SIGTERM, True, False),
    "SIGKILL of a stage": (signal.SIGKILL, True, False),
    "SIGKILL of DVC": (signal.SIGKILL, False, True),
    "SIGKILL of DVC and its stage": (signal.SIGKILL, True, True),
}


@pytest.fixture(scope="module")
def running(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Toy:
    """A toy whose stage x has run with DVC. With p.a = 2 it writes its process id into a file, and waits."""
    root = tmp_path_factory.mktemp("faults") / "toy"
    shutil.copytree(template, root, symlinks=True)
    toy = Toy(root)
    signals = root.parent / "signals"
    signals.mkdir()
    wait = WAIT.format(signals=signals).strip().replace("\n", "\n    ")
    wait = wait.replace('"w").close()', '"w").write(str(os.getpid()))')
    toy.stage(FAILS.format(wait) + COPY, f"{IN_AND_PARAM}\nmeta: {{outside: [{signals}]}}")
    assert 0 == toy.dvc("repro", "x").status
    return toy


def _stage_of(dvc: subprocess.Popen[str], started: Path) -> int:
    """Wait until the stage that DVC runs has written its process id, and return it; fail if DVC ends before."""
    until(lambda: dvc.poll() is not None or (started.exists() and started.read_text() != ""))
    assert dvc.poll() is None, dvc.communicate()[0]
    return int(started.read_text())


@pytest.mark.parametrize("fault", STOPS)
def test_a_signal(running: Toy, fault: str) -> None:
    """The stage ends with its DVC, the earlier output comes back, and the next run succeeds."""
    number, to_stage, to_dvc = STOPS[fault]
    started, go = running.root.parent / "signals/started", running.root.parent / "signals/go"
    started.unlink(missing_ok=True)
    go.unlink(missing_ok=True)
    running.write("params.yaml", "p: {a: 2}\n")
    dvc = running.start(sys.executable, "-m", "dvc", "repro", "-s", "x")
    stage = _stage_of(dvc, started)
    if to_dvc:
        os.kill(dvc.pid, number)
    if to_stage:
        os.kill(stage, number)
    text, _ = dvc.communicate(timeout=HANGS)
    until(lambda: not Path(f"/proc/{stage}").exists() or "Z" in Path(f"/proc/{stage}/stat").read_text())
    assert 0 != dvc.returncode
    assert_said(fault, text)
    if not to_dvc or number == signal.SIGINT:
        assert "number\n1\n2\n1" == running.read("out")
    running.write("params.yaml", "p: {a: 1}\n")
    assert "Stage 'x' didn't change" in running.dvc("repro", "-s", "x") or (running.root / "out").exists()
    assert "number\n1\n2\n1" == running.read("out")


def test_a_signal_to_make_repro(running: Toy) -> None:
    """`make repro` that is told to end by SIGTERM ends the stage, and waits until it has cleaned up."""
    started = running.root.parent / "signals/started"
    started.unlink(missing_ok=True)
    (running.root.parent / "signals/go").unlink(missing_ok=True)
    running.write("params.yaml", "p: {a: 2}\n")
    program = (
        "import sys\nfrom dvc.cli import main\nfrom veritable.cli.repro import _end_stages\n"
        "from veritable.cli.stopping import on_stop\nwith on_stop(_end_stages):\n    sys.exit(main(['repro', '-s', 'x']))\n"
    )
    process = running.start(sys.executable, "-c", program, PYTHONPATH=str(HERE / "src"))
    _stage_of(process, started)
    process.terminate()
    text, _ = process.communicate(timeout=HANGS)
    assert 0 != process.returncode
    assert_said("SIGTERM of `make repro`", text)
    assert "Earlier outputs restored: out." in text
    assert "number\n1\n2\n1" == running.read("out")


def test_a_signal_without_a_stage() -> None:
    """If no stage runs, SIGTERM ends DVC as Ctrl-C does; an ignored signal stays ignored, as under nohup."""
    with pytest.raises(StoppedError, match="SIGTERM"), on_stop(_end_stages):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(1)
    earlier = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with on_stop(_end_stages):
            os.kill(os.getpid(), signal.SIGHUP)
        assert signal.SIG_IGN is signal.getsignal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, earlier)


# What DVC does


@pytest.fixture
def dvc_log(monkeypatch: pytest.MonkeyPatch) -> StringIO:
    """What DVC logs in this process. Its own handlers write to the standard error of whichever test imported DVC first."""
    from dvc.logger import ColorFormatter

    log = StringIO()
    handler = logging.StreamHandler(log)
    handler.setFormatter(ColorFormatter(log_colors=False))
    for name in ("dvc", "dvc_objects", "dvc_data"):
        monkeypatch.setattr(logging.getLogger(name), "handlers", [handler])
    return log


@pytest.fixture
def dvc(toy: Toy, dvc_log: StringIO, monkeypatch: pytest.MonkeyPatch) -> Dvc:
    """DVC's command line in this process and in the toy."""
    from dvc.cli import main

    monkeypatch.chdir(toy.root)
    return main


def test_a_full_cache(toy: Toy, dvc: Dvc, capfd: pytest.CaptureFixture[str]) -> None:
    """DVC succeeds although it cannot cache an output: `make repro` fails, and the next one caches it without a run."""
    toy.stage(FILES.format(size=600_000), "outs: [out]")
    assert 0 == toy.by_hand().status
    with small_disk(toy.root / ".dvc/cache"), _stage_log() as log:
        assert 0 == dvc(["commit", "--force", "x"])
    assert_said("the disk is full while DVC caches", f"DVC {explain_shortage(log.error or Exception())}")
    assert [] == list((toy.root / ".dvc/cache").rglob("*"))
    with kept_outputs(toy.root):
        pass
    assert_said("DVC's cache was deleted", capfd.readouterr().err)
    shutil.rmtree(toy.root / "out")
    assert 0 == dvc(["checkout", "--quiet", "x"])
    assert [bytes([i]) * 600_000 for i in range(3)] == [(toy.root / "out" / str(i)).read_bytes() for i in range(3)]


def test_what_the_cache_lost_is_hashed_again(toy: Toy, dvc: Dvc, capfd: pytest.CaptureFixture[str]) -> None:
    """An output that was changed behind DVC's back, with its size and modification time, is not put into the cache."""
    toy.stage(COPY, IN_AND_PARAM)
    assert 0 == toy.by_hand().status
    assert 0 == dvc(["commit", "--quiet", "--force", "x"])
    shutil.rmtree(toy.root / ".dvc/cache")
    out = toy.root / "out"
    before = out.stat()
    with out.open("r+") as file:
        file.write("NUMBER")
    os.utime(out, ns=(before.st_atime_ns, before.st_mtime_ns))
    with kept_outputs(toy.root):
        pass
    assert [] == [path for path in (toy.root / ".dvc/cache").rglob("*") if path.is_file()]
    assert "put back" not in capfd.readouterr().err


def test_changed_outputs(toy: Toy, dvc: Dvc, dvc_log: StringIO, capfd: pytest.CaptureFixture[str]) -> None:
    """An output that was changed by hand is kept if it is replaced; one that was emptied or deleted comes from the cache."""
    toy.stage(FILES.format(size=3), "outs: [out]")
    assert 0 == toy.dvc("repro", "-s", "x").status
    edited = toy.root / "out/1"
    edited.write_text("edited")
    with kept_outputs(toy.root):
        pass
    assert ("", []) == (capfd.readouterr().err, list((toy.root / KEPT).iterdir()))  # nothing was replaced
    with kept_outputs(toy.root):
        ran = toy.dvc("repro", "-s", "x")
    assert_said("an output was changed by hand", capfd.readouterr().err)
    assert b"\1\1\1" == edited.read_bytes()
    (copy,) = (toy.root / KEPT).iterdir()
    assert ("edited", b"\2\2\2") == ((copy / "1").read_text(), (copy / "2").read_bytes())
    assert "Stage 'x' is cached - skipping run" in ran
    edited.write_text("")
    (toy.root / "out/2").unlink()
    with kept_outputs(toy.root):
        assert 0 == dvc(["repro", "--single-item", "x"])
    assert_said("an output was emptied or deleted", capfd.readouterr().err)
    assert "Stage 'x' is cached - skipping run" in dvc_log.getvalue()
    assert [b"\0\0\0", b"\1\1\1", b"\2\2\2"] == [(toy.root / "out" / str(i)).read_bytes() for i in range(3)]


def test_a_full_disk_in_a_pull(toy: Toy, dvc: Dvc, dvc_log: StringIO) -> None:
    """No incomplete object stays in the cache, and the next pull succeeds."""
    toy.write("table.bin", "x" * 2**21)
    assert 0 == dvc(["remote", "add", "--quiet", "--default", "store", str(toy.root.parent / "store")])
    assert 0 == dvc(["add", "--quiet", "table.bin"])
    assert 0 == dvc(["push", "--quiet"])
    shutil.rmtree(toy.root / ".dvc/cache")
    (toy.root / "table.bin").unlink()
    with small_disk(toy.root / ".dvc/cache"):
        assert 0 != dvc(["pull", "table.bin"])
        objects = [path for path in (toy.root / ".dvc/cache/files").rglob("*") if path.is_file()]
        assert [] == [path for path in objects if path.suffix != ".tmp"]
    assert_said("the disk is full while `dvc pull` runs", dvc_log.getvalue())
    assert 0 == dvc(["pull", "--quiet", "table.bin"])
    assert "x" * 2**21 == toy.read("table.bin")


# The clock


def test_a_clock_that_is_set_back(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    """A param that is edited after the clock was set back a year is noticed, also if its file looks older than the stage."""
    toy.stage(COPY, IN_AND_PARAM)
    declaration = resolve(toy.root / "stages/x.py")
    inputs, declared = changes.snapshot(declaration.inputs.values()), changes.snapshot(changes.files_of(declaration))
    year_ahead = time.time_ns() + 365 * 86_400 * 10**9
    changes.check_unchanged(declaration, inputs, {}, declared, year_ahead)
    toy.write("params.yaml", "p: {a: 7, b: 2}\n")
    os.utime(toy.root / "params.yaml", (1, 1))
    with pytest.raises(Exception, match="changed while stage 'x' ran") as raised:
        changes.check_unchanged(declaration, inputs, {}, declared, year_ahead)
    assert_said("the clock is set back", str(raised.value))


def test_old_files_are_changes(toy: Toy) -> None:
    """An input that is replaced by one from a year ago runs its stage again."""
    toy.stage(COPY, IN_AND_PARAM)
    assert 0 == toy.dvc("repro", "-q", "-s", "x").status
    toy.write("data/in.csv", "number\n7\n8\n")
    os.utime(toy.root / "data/in.csv", (time.time() - 365 * 86_400,) * 2)
    assert 0 == toy.dvc("repro", "-q", "-s", "x").status
    assert "number\n7\n8\n1" == toy.read("out")
