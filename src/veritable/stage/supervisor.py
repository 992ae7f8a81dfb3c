"""The process that DVC started: looks up the declaration, starts the sealed process, and lets its outputs take their places.

A stage's outputs appear whole or not at all, and only if what it was declared to depend on stayed as it was.
"""

import copy
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from functools import cache
from pathlib import Path
from typing import Any

from veritable.errors import UserError
from veritable.stage import changes, code, landlock, process
from veritable.stage.declaration import Declaration, find_root, merge_params, resolve
from veritable.stage.seal import HANDOVER, LEVEL, Seal, say


def supervise(script: Path) -> int:
    """Run `script` as the stage that dvc.yaml says it is; returns the exit code."""
    try:
        started = time.time_ns()
        root = find_root(script)
        _use_code_of(root)
        declaration = resolve(script)
        if "DVC_STAGE" in os.environ:
            process.die_with(os.getppid())
        parts = (*declaration.dvcfile.parent.relative_to(root).parts, declaration.stage)
        desk = root / ".dvc" / "tmp" / "stages" / "%".join(parts).replace("/", "%")
        desk.mkdir(parents=True, exist_ok=True)
        with process.alone(declaration.stage, desk / "lock") as lock:
            return _run(declaration, desk, lock, started)
    except UserError as error:
        say(str(error))
        return 1


def _use_code_of(root: Path) -> None:
    """Start again with the modules of this repository, should others come first: a temporary copy made by
    `dvc exp run --temp`, or a second clone, must run its own."""
    source = root / "src"
    path = [each for each in os.environ.get("PYTHONPATH", "").split(os.pathsep) if each]
    if (source / "veritable").is_dir() and not Path(__file__).is_relative_to(source) and str(source) not in path[:1]:
        os.environ["PYTHONPATH"] = os.pathsep.join([str(source), *path])
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606  (this very command again)


def _run(declaration: Declaration, desk: Path, lock: int, started: int) -> int:
    if absent := [path for path in declaration.inputs.values() if not path.exists()]:
        shown = os.path.relpath(absent[0], declaration.root)
        raise UserError(f"stage '{declaration.stage}' needs {shown}, which does not exist. Run `dvc pull` or `dvc repro`.")
    before = changes.snapshot(declaration.inputs.values())
    everything = changes.snapshot([declaration.root / "src", declaration.script])  # before the code is read: no gap between
    listed = [] if declaration.writes_code else code.verify(declaration)
    sources = {file: everything[file] for file in map(str, listed)}
    seal, staged = _prepare(declaration, desk, listed, before)
    try:
        status = _start(declaration, desk, lock)
        if refused := Path(seal.journal).read_text().splitlines():  # also where the stage's own code swallowed it
            messages = [json.loads(line) for line in refused]
            raise UserError(next((each for each in messages if "\n  at " in each), messages[0]))
        if status:
            return status
        if not (used := json.loads((desk / "used.json").read_text())):
            raise UserError(f"stage '{declaration.stage}' must end by returning, however something in it ended its process.")
        changes.refuse_changes(declaration, before, sources, started)
        _publish(declaration, staged, desk)
    finally:
        shutil.rmtree(desk / "outputs", ignore_errors=True)
        shutil.rmtree(desk / "temporary", ignore_errors=True)
    shutil.rmtree(desk / "scratch", ignore_errors=True)
    _warn_of_unused(declaration, used)
    if seal.level == "report" and "DVC_STAGE" in os.environ:
        say(f"seal: stage '{declaration.stage}' fails for DVC, which would else record what undeclared access went into.")
        return 1
    return 0


def _level() -> str:
    wanted = os.environ.get(LEVEL, "")
    if wanted not in ("", "kernel", "hook", "report"):
        raise UserError(f"{LEVEL} must be kernel, hook or report, however it is '{wanted}'. Unset it for the default.")
    if wanted == "report":
        say(f"seal: {LEVEL}=report, so undeclared access by Python is reported and let through.")
        return wanted
    if wanted == "hook" or not landlock.abi():
        if wanted == "kernel":
            raise UserError(f"{LEVEL}=kernel needs Linux Landlock, which this kernel does not have. Unset it to go on without.")
        say("seal: without Linux Landlock, only what Python itself opens can be refused, not C++ readers or other programs.")
        return "hook"
    return "kernel"


def _prepare(
    declaration: Declaration, desk: Path, listed: list[Path], inputs: changes.Snapshot
) -> tuple[Seal, dict[str, Path]]:
    """Lay out the stage's desk, and write down what its process may touch."""
    root = declaration.root
    for name in ("outputs", "temporary"):
        shutil.rmtree(desk / name, ignore_errors=True)
        (desk / name).mkdir()
    staged = {name: desk / "outputs" / path.relative_to(root) for name, path in declaration.outputs.items()}
    for path in staged.values():
        path.parent.mkdir(parents=True, exist_ok=True)
    scratch = desk / "scratch"
    fingerprint = _fingerprint(declaration, inputs)
    if scratch.exists() and (scratch / "fingerprint").read_text() != fingerprint:
        shutil.rmtree(scratch)
    scratch.mkdir(exist_ok=True)
    (scratch / "fingerprint").write_text(fingerprint)
    journal = desk / "temporary" / "refused"
    journal.touch()
    libraries = [each for each in map(Path, {sys.prefix, sys.base_prefix}) if each.is_relative_to(root) and each != root]
    package = Path(__file__).parents[1]
    contract = [package / name for name in ("__init__.py", "errors.py")]  # what runs in the sealed process and its children
    modules = ("__init__", "contract", "hook", "landlock", "process", "seal", "sealed")
    contract += [package / "stage" / "children", *(package / "stage" / f"{name}.py" for name in modules)]
    fonts = root / ".dvc" / "tmp" / "matplotlib"  # its list of fonts takes seconds to make
    fonts.mkdir(exist_ok=True)
    seal = Seal(
        stage=declaration.stage,
        level=_level(),
        dvcfile=str(declaration.dvcfile),
        root=str(root),
        wdir=str(declaration.wdir),
        script=str(declaration.script),
        reads=tuple(
            str(each) for each in (*declaration.inputs.values(), declaration.script, desk, *libraries, *listed, *contract)
        ),
        writes=tuple(map(str, (desk / "outputs", desk / "temporary", scratch, desk / "used.json", fonts))),
        lists=(str(root / "src"), str(declaration.script.parent)),
        targets=tuple(os.path.realpath(file) for file in inputs if _is_reached_by_link(file)),
        inputs={name: str(path) for name, path in declaration.inputs.items()},
        outputs={name: str(path) for name, path in declaration.outputs.items()},
        params_files=tuple(map(str, declaration.params_files)),
        code=str(declaration.code),
        journal=str(journal),
    )
    (desk / "used.json").write_text("{}")
    seal.save(desk / "handover.json")
    plan = {
        "supervisor": os.getpid(),
        "staged": {name: str(path) for name, path in staged.items()},
        "params": _handed_params(declaration),
        "scratch": str(scratch),
    }
    (desk / "plan.json").write_text(json.dumps(plan, default=str))  # YAML knows dates, JSON does not
    return seal, staged


def _handed_params(declaration: Declaration) -> dict[str, Any]:
    params = copy.deepcopy(declaration.params)
    merge_params(params, declaration.unkeyed, declaration.stage)
    return params


def _is_reached_by_link(file: str) -> bool:
    folder = os.path.dirname(file)
    return os.path.islink(file) or _real_folder(folder) != folder


_real_folder = cache(os.path.realpath)


def _fingerprint(declaration: Declaration, inputs: changes.Snapshot) -> str:
    text = "" if declaration.writes_code else declaration.code.read_text()
    everything = json.dumps([declaration.params, sorted(inputs.items()), text], sort_keys=True, default=str)
    return hashlib.sha256(everything.encode()).hexdigest()


def _start(declaration: Declaration, desk: Path, lock: int) -> int:
    """Start the sealed process and wait for it; returns its exit code. It has said itself why it failed, unless killed."""
    place = tempfile.gettempdir()
    short = len(place) < 40 or not os.access("/tmp", os.W_OK)  # noqa: S108  (a socket's name has 108 characters at most)
    temporary = Path(tempfile.mkdtemp(prefix="veritable-", dir=place if short else "/tmp"))  # noqa: S108
    environment = os.environ | {
        HANDOVER: str(desk / "handover.json"),
        "PYTHONPATH": os.pathsep.join(filter(None, [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH")])),
        "TMPDIR": str(temporary),
        "MPLCONFIGDIR": str(declaration.root / ".dvc" / "tmp" / "matplotlib"),
    }
    environment.pop("DVC_STAGE", None)
    try:
        child = subprocess.Popen(
            [sys.executable, "-P", "-m", "veritable.stage.sealed", str(declaration.script), *sys.argv[1:]],
            cwd=declaration.wdir,
            env=environment,
            pass_fds=[lock],
        )
        signal.signal(signal.SIGTERM, lambda *_: child.terminate())
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to both: the child ends, and we clean up
        threading.Thread(target=_end_if_refused, args=(child, desk / "temporary" / "refused"), daemon=True).start()
        status = child.wait()
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    if status < 0:
        say(f"stage '{declaration.stage}' was ended by {signal.Signals(-status).name}. Nothing it wrote was kept.")
    return abs(status)


def _end_if_refused(child: subprocess.Popen[bytes], journal: Path) -> None:
    """End a stage that lives on after a refusal: it fails anyway, and some pools start a failing worker again for ever."""
    while child.poll() is None:
        time.sleep(1)
        if journal.exists() and journal.stat().st_size:
            time.sleep(5)
            child.kill()


def _publish(declaration: Declaration, staged: dict[str, Path], desk: Path) -> None:
    missing = [name for name, path in staged.items() if not path.exists()]
    if missing:
        raise UserError(
            f"stage '{declaration.stage}' must write every output that it declares, however it did not write "
            f"{', '.join(missing)}. Write to stage.outputs['{missing[0]}'], or remove it from outs in dvc.yaml."
        )
    for folder, folders, names in os.walk(desk / "outputs"):
        for name in (*names, *(each for each in folders if Path(folder, each).is_symlink())):
            file = Path(folder) / name
            if file.is_symlink():
                raise UserError(
                    f"stage '{declaration.stage}' must write files, however {name} is a link: DVC would keep what it leads to "
                    "now, and not see it change. Copy the file."
                )
            if not any(file.is_relative_to(path) for path in staged.values()):
                shown = file.relative_to(desk / "outputs")
                raise UserError(
                    f"stage '{declaration.stage}' wrote {shown}, which dvc.yaml does not declare.\n"
                    f"  Add to stages.{declaration.stage.split('@')[0]}.outs in dvc.yaml:\n      - {shown}"
                )
    (desk / "temporary" / "replaced").mkdir()
    for name, path in staged.items():
        final = declaration.outputs[name]
        final.parent.mkdir(parents=True, exist_ok=True)
        if os.path.lexists(final):  # moved aside first: a kill in between leaves none, never half of one
            shutil.move(final, desk / "temporary" / "replaced" / name)
        shutil.move(path, final)


def _warn_of_unused(declaration: Declaration, used: dict[str, list[str]]) -> None:
    def warn(section: str, line: str) -> None:
        remedy = f"Remove from stages.{declaration.stage.split('@')[0]}.{section} in dvc.yaml:\n      - {line}"
        say(f"warning: stage '{declaration.stage}' never used {line}. {remedy}")

    for name, path in declaration.inputs.items():
        if name not in used["inputs"]:
            warn("deps", os.path.relpath(path, declaration.wdir))
    for section, keys in (("params", declaration.param_keys), ("meta.unkeyed", declaration.unkeyed_keys)):
        for key in keys:
            if not any(key == each or key.startswith(f"{each}.") or each.startswith(f"{key}.") for each in used["params"]):
                warn(section, key)
