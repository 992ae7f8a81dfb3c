"""Prepare the work folder of a stage, and write down what its process may access."""

import copy
import hashlib
import json
import os
import shutil
import sys
from functools import cache
from pathlib import Path
from typing import Any

from veritable.errors import UserError
from veritable.stage import changes, landlock, sockets
from veritable.stage.declaration import Declaration, merge_params
from veritable.stage.seal import LEVEL, Seal, report_line
from veritable.stage.surroundings import PRIVATE, environment, readable, writable


def prepare(
    declaration: Declaration, work: Path, temporary: Path, listed: list[Path], inputs: changes.Snapshot
) -> tuple[Seal, dict[str, Path]]:
    """Prepare the work folder of a stage, and save what its process may access.

    Parameters
    ----------
    work
        Folder of the stage in .dvc/tmp.
    temporary
        Folder for temporary files.
    listed
        The modules that the code file lists.
    inputs
        Snapshot of the inputs.

    Returns
    -------
    seal
        What the process may access.
    staged
        Where the stage writes its outputs, by name.
    """
    root = declaration.root
    for name in ("outputs", "temporary"):
        shutil.rmtree(work / name, ignore_errors=True)
        (work / name).mkdir()
    staged = {name: work / "outputs" / path.relative_to(root) for name, path in declaration.outputs.items()}
    for path in staged.values():
        path.parent.mkdir(parents=True, exist_ok=True)
    scratch = work / "scratch"
    fingerprint = _fingerprint(declaration, inputs)
    if scratch.exists() and (scratch / "fingerprint").read_text() != fingerprint:
        shutil.rmtree(scratch)
    scratch.mkdir(exist_ok=True)
    (scratch / "fingerprint").write_text(fingerprint)
    journal = work / "temporary" / "refused"
    journal.touch()
    package = Path(__file__).parents[1]
    contract = [package / name for name in ("__init__.py", "errors.py")]  # the sealed process and its children import these
    modules = ("__init__", "contract", "hiding", "hook", "landlock", "process", "seal", "sealed", "sockets")
    contract += [package / "stage" / "children", *(package / "stage" / f"{name}.py" for name in modules)]
    fonts = root / ".dvc" / "tmp" / "matplotlib"  # its list of fonts takes seconds to build
    fonts.mkdir(exist_ok=True)
    libraries = [each for each in map(Path, {sys.prefix, sys.base_prefix}) if each.is_relative_to(root) and each != root]
    outside = declaration.exceptions.outside
    seal = Seal(
        stage=declaration.stage,
        level=_level(),
        dvcfile=str(declaration.dvcfile),
        root=str(root),
        wdir=str(declaration.wdir),
        script=str(declaration.script),
        reads=(
            *map(str, (*declaration.inputs.values(), declaration.script, work, *libraries, *listed, *contract)),
            *(path for path in readable(os.environ) if not Path(path).is_relative_to(root)),
        ),
        writes=(
            *map(str, (work / "outputs", work / "temporary", scratch, work / "used.json", fonts, temporary)),
            *(*writable(), *outside),
        ),
        lists=(str(root / "src"), str(declaration.script.parent)),
        targets=tuple(os.path.realpath(file) for file in inputs if _is_reached_by_link(file)),
        ignored=() if declaration.writes_code else tuple(map(str, declaration.ignored)),
        sources=tuple(
            str(file)
            for file in {declaration.script, *listed}
            if not any(file.is_relative_to(path) for path in declaration.inputs.values())
        ),
        variables=tuple(sorted(os.environ.keys() - environment(os.environ, declaration.exceptions).keys() - PRIVATE)),
        network=declaration.exceptions.network,
        inputs={name: str(path) for name, path in declaration.inputs.items()},
        outputs={name: str(path) for name, path in declaration.outputs.items()},
        params_files=tuple(map(str, declaration.params_files)),
        code=str(declaration.code),
        journal=str(journal),
    )
    (work / "used.json").write_text("{}")
    seal.save(work / "handover.json")
    plan = {
        "supervisor": os.getpid(),
        "staged": {name: str(path) for name, path in staged.items()},
        "params": _handed_params(declaration),
        "scratch": str(scratch),
    }
    (work / "plan.json").write_text(json.dumps(plan, default=str))  # YAML has dates, JSON has not
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


def _level() -> str:
    wanted = os.environ.get(LEVEL, "")
    if wanted not in ("", "kernel", "hook", "report"):
        raise UserError(f"{LEVEL} must be kernel, hook or report, but is '{wanted}'. Unset it to use the default.")
    if wanted == "report":
        report_line(f"seal: {LEVEL}=report, so undeclared access by Python is reported but not refused.")
        return wanted
    if wanted == "hook" or not landlock.abi():
        if wanted == "kernel":
            raise UserError(
                f"{LEVEL}=kernel needs Linux Landlock, which this kernel does not have. Unset it to run without it."
            )
        report_line(
            "seal: without Linux Landlock, only what Python itself opens and connects to is refused, not what C++ readers and "
            "programs do."
        )
        return "hook"
    if not sockets.can_refuse():
        report_line(
            "seal: without seccomp, only what Python itself connects to is refused, not what C++ libraries and programs do."
        )
    return "kernel"
