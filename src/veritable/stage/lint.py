"""Do dvc.yaml, dvc.lock, code/ and params.yaml agree? Run by `make check` as `python -m veritable lint`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from veritable.stage.declaration import unkeyed_of
from veritable.stage.seal import within


def findings(root: Path) -> list[str]:
    """A sentence for each fault, with the exact line to add or remove; [] where there is none."""
    from dvc.repo import Repo

    with Repo(str(root)) as repo:
        stages = [stage for stage in repo.index.stages if hasattr(stage, "name")]
        provided = [out.fs_path for out in repo.index.outs]
        committed = {str(root / each) for each in repo.scm.gitpython.repo.git.ls_files("--cached", "--", ".").splitlines()}
        found: list[str] = []
        for stage in stages:
            found += _lock_differs(stage, repo)
            found += _code_missing(stage, root)
            found += _unprovided(stage, provided, committed)
            found += _keyed_twice(stage)
        return found + list(_unread_params(stages, root))


def _lock_differs(stage: Any, repo: Any) -> Iterator[str]:
    """dvc.yaml and dvc.lock must name the same deps, params and outs."""
    from dvc.dvcfile import load_file

    lock = load_file(repo, stage.path).lockfile_contents.get("stages", {}).get(stage.name)
    if lock is None:
        yield f"dvc.lock has no stage '{stage.name}'. Run `dvc repro {stage.name}`."
        return
    declared = {
        "deps": {dep.def_path for dep in stage.deps if not hasattr(dep, "params")},
        "outs": {out.def_path for out in stage.outs},
        "params": {key for dep in stage.deps for key in getattr(dep, "params", [])},
    }
    locked = {section: {each["path"] for each in lock.get(section, [])} for section in ("deps", "outs")}
    locked["params"] = {key for values in lock.get("params", {}).values() for key in values}
    for section, names in declared.items():
        for name in sorted(names - locked[section]):
            yield f"dvc.lock lacks under stages.{stage.name}.{section}:\n    + {name}\n  Run `dvc repro {stage.name}`."
        for name in sorted(locked[section] - names):
            yield f"dvc.lock has under stages.{stage.name}.{section}:\n    - {name}\n  Run `dvc repro {stage.name}`."


def _code_missing(stage: Any, root: Path) -> Iterator[str]:
    """Every stage that runs a script of stages/ must have that script's code file among its deps."""
    words = " ".join(stage.cmd if isinstance(stage.cmd, list) else [stage.cmd]).split()
    scripts = [Path(word) for word in words if word.startswith("stages/") and word.endswith(".py")]
    deps = {dep.fs_path for dep in stage.deps}
    for script in scripts:
        code = root / "code" / f"{script.stem}.txt"
        if str(code.parent) in {out.fs_path for out in stage.outs}:
            continue
        if str(code) not in deps:
            where = f"stages.{stage.name}.deps in dvc.yaml"
            yield f"stage '{stage.name}' does not depend on its code. Add to {where}:\n    + code/{code.name}"
        elif not code.is_file():
            yield f"code/{code.name} does not exist. Run `dvc repro code`."


def _unprovided(stage: Any, provided: list[str], committed: set[str]) -> Iterator[str]:
    """Every dep must be made by a stage, or be in git, or be added to DVC."""
    for dep in stage.deps:
        if hasattr(dep, "params") or dep.protocol != "local":
            continue
        known = any(within(dep.fs_path, out) or within(out, dep.fs_path) for out in provided)
        if not known and not any(within(path, dep.fs_path) for path in committed):
            yield (
                f"stage '{stage.name}' reads {dep.def_path}, which no stage makes and neither git nor DVC keeps. "
                f"Run `dvc add {dep.def_path}`, or remove from stages.{stage.name}.deps in dvc.yaml:\n    - {dep.def_path}"
            )


def _keyed_twice(stage: Any) -> Iterator[str]:
    """A param is either in the stage's cache key or not."""
    keyed = [key for dep in stage.deps for key in getattr(dep, "params", [])]
    for key in unkeyed_of(stage):
        for other in keyed:
            if f"{key}.".startswith(f"{other}.") or f"{other}.".startswith(f"{key}."):
                yield (
                    f"stage '{stage.name}' has the param '{key}' in meta.unkeyed, but '{other}' is among its params. "
                    f"If '{key}' changes a result, remove from stages.{stage.name}.meta.unkeyed in dvc.yaml:\n    - {key}"
                )


def _unread_params(stages: list[Any], root: Path) -> Iterator[str]:
    """Every section of params.yaml must be some stage's."""
    from dvc.utils.serialize import load_yaml

    declared = {key.split(".")[0] for stage in stages for dep in stage.deps for key in getattr(dep, "params", [])}
    declared |= {key.split(".")[0] for stage in stages for key in unkeyed_of(stage)}
    for section in load_yaml(str(root / "params.yaml")):
        if section not in declared:
            yield f"params.yaml has a section '{section}' that no stage declares. Remove it, or add it to a stage's params."
