"""Run a stage for DVC: resolve its declaration, start the sealed process, and move its outputs to their final paths.

The outputs of a stage appear completely or not at all, and only if its declared inputs did not change while it ran.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from veritable.errors import UserError, explain_shortage
from veritable.stage import changes, code, process, shortcut, sockets, surroundings
from veritable.stage.declaration import Declaration, find_root, resolve
from veritable.stage.handover import prepare
from veritable.stage.publish import published
from veritable.stage.restore import restore_outputs
from veritable.stage.seal import CHANNEL, HANDOVER, Seal, report_line
from veritable.stage.site_cache import use_private_site_cache

_OUT_OF_MEMORY = (signal.SIGKILL, signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS)  # how the kernel and C++ libraries end then
_NOT_STOPPED = "If nobody stopped it, it needed more memory than it may use: close other programs, and run it again."


def supervise(script: Path) -> int:
    """Run a script as the stage that dvc.yaml declares for it. Return the exit code."""
    by_dvc = "DVC_STAGE" in os.environ
    try:
        started = time.time_ns()
        root = find_root(script)
        use_private_site_cache(root)
        _use_code_of(root)
        if by_dvc and shortcut.is_unchanged(root, script):
            return 0
        declaration = resolve(script)
        if by_dvc:
            process.die_with_dvc()
        status = _run_alone(declaration, started)
    except Exception as error:
        return _report(error, script.name)
    if status and by_dvc:
        restore_outputs(declaration.root, f"{declaration.dvcfile}:{declaration.stage}")
    return status


def _run_alone(declaration: Declaration, started: int) -> int:
    """Hold the lock of the stage and run it. Return the exit code."""
    parts = (*declaration.dvcfile.parent.relative_to(declaration.root).parts, declaration.stage)
    work = declaration.root / ".dvc" / "tmp" / "stages" / "%".join(parts).replace("/", "%")
    work.mkdir(parents=True, exist_ok=True)
    try:
        with process.exclusive_lock(f"stage '{declaration.stage}'", work / "lock") as lock:
            return _run(declaration, work, lock, started)
    except Exception as error:
        return _report(error, f"stage '{declaration.stage}'")


def _report(error: Exception, program: str) -> int:
    """Report an error that the user can remedy, and return the exit code; raise any other one again."""
    if isinstance(error, UserError):
        report_line(str(error))
    elif shortage := explain_shortage(error):
        report_line(f"{program} {shortage}")
    else:
        raise error
    return 1


def _use_code_of(root: Path) -> None:
    """Restart this command with the modules of this repository if other ones come first in the path.

    A second clone, and a temporary copy made by `dvc exp run --temp`, must run their own modules.
    """
    source = root / "src"
    path = [each for each in os.environ.get("PYTHONPATH", "").split(os.pathsep) if each]
    if (source / "veritable").is_dir() and not Path(__file__).is_relative_to(source) and str(source) not in path[:1]:
        os.environ["PYTHONPATH"] = os.pathsep.join([str(source), *path])
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606  the same command again


def _run(declaration: Declaration, work: Path, lock: int, started: int) -> int:
    if absent := [path for path in declaration.inputs.values() if not path.exists()]:
        shown = os.path.relpath(absent[0], declaration.root)
        raise UserError(f"stage '{declaration.stage}' needs {shown}, which does not exist. Run `dvc pull` or `dvc repro`.")
    before, declared = changes.snapshot(declaration.inputs.values()), changes.snapshot(changes.files_of(declaration))
    everything = changes.snapshot([declaration.root / "src", declaration.script])  # before the code is read, to leave no gap
    listed = [] if declaration.writes_code else code.verify(declaration)
    sources = {file: everything[file] for file in map(str, listed)}
    temporary = _make_temporary()
    try:
        seal, staged = prepare(declaration, work, temporary, listed, before)
        status = _start(declaration, seal, work, temporary, lock)
        if refused := Path(seal.journal).read_text().splitlines():  # even if the stage's code ignored the exception
            messages = [json.loads(line) for line in refused]
            raise UserError(next((each for each in messages if "\n  at " in each), messages[0]))
        if status:
            return status
        if not (used := json.loads((work / "used.json").read_text())):
            raise UserError(f"stage '{declaration.stage}' must end by returning from its function, but its process exited.")
        changes.check_unchanged(declaration, before, sources, declared, started)
        with published(declaration, staged, work):  # checked once more: DVC reads the params after this process has ended
            changes.check_declaration(declaration, declared, started)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(work / "outputs", ignore_errors=True)
        shutil.rmtree(work / "temporary", ignore_errors=True)
    shutil.rmtree(work / "scratch", ignore_errors=True)
    _warn_of_unused(declaration, used)
    if declaration.writes_code:
        read = (*declaration.inputs.values(), declaration.script, declaration.dvcfile)
        read = (*read, *declaration.outputs.values())
        shortcut.record_run(declaration.root, declaration.script, read, declaration.exceptions.env)
    if seal.level == "report" and "DVC_STAGE" in os.environ:
        report_line(f"seal: stage '{declaration.stage}' fails, because DVC would record a result of undeclared access.")
        return 1
    return 0


def _make_temporary() -> Path:
    """Make a folder for the temporary files of a stage, and for the home of its libraries."""
    place = tempfile.gettempdir()
    short = len(place) < 40 or not os.access("/tmp", os.W_OK)  # noqa: S108  the name of a socket has at most 108 characters
    return Path(tempfile.mkdtemp(prefix="veritable-", dir=place if short else "/tmp")).resolve()  # noqa: S108


def _start(declaration: Declaration, seal: Seal, work: Path, temporary: Path, lock: int) -> int:
    """Start the sealed process and wait for it. Return its exit code; it has reported why it failed, unless it was killed."""
    given = dict(os.environ) if seal.level == "report" else surroundings.environment(os.environ, declaration.exceptions)
    here, there = socket.socketpair()
    environment = {
        **given,
        **surroundings.private(temporary),
        HANDOVER: str(work / "handover.json"),
        CHANNEL: str(there.fileno()),
        "PYTHONPATH": os.pathsep.join(filter(None, [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH")])),
        "MPLCONFIGDIR": str(declaration.root / ".dvc" / "tmp" / "matplotlib"),
    }
    environment.pop("DVC_STAGE", None)
    with there:
        child = subprocess.Popen(
            [sys.executable, "-P", "-m", "veritable.stage.sealed", str(declaration.script), *sys.argv[1:]],
            cwd=declaration.wdir,
            env=environment,
            stdin=subprocess.DEVNULL,
            pass_fds=[lock, there.fileno()],
        )
    signal.signal(signal.SIGTERM, lambda *_: child.terminate())
    # The terminal sends SIGINT to both processes: the child ends, and this one cleans up.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_if_refused, args=(child, work / "temporary" / "refused"), daemon=True).start()
    folders = [str(temporary), str(work), *map(os.path.realpath, declaration.exceptions.outside)]
    threading.Thread(target=_answer, args=(here, folders), daemon=True).start()
    status = child.wait()
    if status < 0:
        number = signal.Signals(-status)
        line = f"stage '{declaration.stage}' was ended by {number.name}. Its outputs were not kept."
        report_line(f"{line} {_NOT_STOPPED}" if number in _OUT_OF_MEMORY else line)
    return abs(status)


def _answer(channel: socket.socket, folders: list[str]) -> None:
    """Receive the listener of the network's filter from the sealed process, and answer it. Without a filter, there is none."""
    with channel:
        _, listeners, _, _ = socket.recv_fds(channel, 1, 1)
    for listener in listeners:
        sockets.answer(listener, folders)


def _end_if_refused(child: subprocess.Popen[bytes], journal: Path) -> None:
    """Kill a stage that goes on after a refusal. It fails anyway, and some pools restart a failing worker forever."""
    while child.poll() is None:
        time.sleep(1)
        if journal.exists() and journal.stat().st_size:
            time.sleep(5)
            child.kill()


def _warn_of_unused(declaration: Declaration, used: dict[str, list[str]]) -> None:
    def warn(section: str, line: str) -> None:
        remedy = f"Remove from stages.{declaration.stage.split('@')[0]}.{section} in dvc.yaml:\n      - {line}"
        report_line(f"warning: stage '{declaration.stage}' never used {line}. {remedy}")

    for name, path in declaration.inputs.items():
        if name not in used["inputs"] and path != declaration.dvcfile:
            warn("deps", os.path.relpath(path, declaration.wdir))
    for section, keys in (("params", declaration.param_keys), ("meta.unkeyed", declaration.unkeyed_keys)):
        for key in keys:
            if not any(key == each or key.startswith(f"{each}.") or each.startswith(f"{key}.") for each in used["params"]):
                warn(section, key)
