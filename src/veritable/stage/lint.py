"""Check that dvc.yaml, dvc.lock, code/ and params.yaml agree. `make check` runs it as `python -m veritable lint`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from veritable.errors import UserError
from veritable.stage.commands import seal_fault, sealed_script
from veritable.stage.meta import unkeyed_of
from veritable.stage.seal import within

_OF_COMMANDS = {"share"}  # sections of params.yaml that only commands read


def find_faults(root: Path) -> list[str]:
    """Return a sentence for each fault, with the line to add or remove.

    Raises
    ------
    UserError
        The folder is not a DVC repository in git, or its dvc.yaml or params.yaml is invalid.
    """
    from dvc.exceptions import DvcException

    try:
        return _find_faults(root)
    except DvcException as error:
        raise UserError(f"{root.name}/ must be a valid DVC repository in git, but is not: {error}.") from error


def _find_faults(root: Path) -> list[str]:
    from dvc.repo import Repo

    with Repo(str(root)) as repo:
        if not hasattr(repo.scm, "gitpython"):
            raise UserError(f"{root.name}/ must be a git repository, but is not. Run `git init`.")
        stages = [stage for stage in repo.index.stages if hasattr(stage, "name")]
        made = [out.fs_path for out in repo.index.outs]
        in_git = {str(root / each) for each in repo.scm.gitpython.repo.git.ls_files("--cached", "--", ".").splitlines()}
        faults: list[str] = []
        for stage in stages:
            fault = seal_fault(stage)
            faults += [fault] if fault else _code_faults(stage, root)
            faults += _lock_faults(stage, repo)
            faults += _origin_faults(stage, made, in_git)
            faults += _unkeyed_faults(stage)
        return faults + list(_section_faults(stages, root))


def _lock_faults(stage: Any, repo: Any) -> Iterator[str]:
    """Compare the deps, params and outs of dvc.yaml with those of dvc.lock."""
    from dvc.dvcfile import load_file

    lock = load_file(repo, stage.path).lockfile_contents.get("stages", {}).get(stage.name)
    if lock is None:
        yield f"dvc.lock has no stage '{stage.name}'. Run `dvc repro {stage.name}`."
        return
    declared = {
        "deps": {dep.def_path for dep in stage.deps if not hasattr(dep, "params")},
        "outs": {out.def_path for out in stage.outs},
        "params": set(_keys(stage)),
    }
    locked = {section: {each["path"] for each in lock.get(section, [])} for section in ("deps", "outs")}
    locked["params"] = {key for values in lock.get("params", {}).values() for key in values}
    for section, names in declared.items():
        for name in sorted(names - locked[section]):
            yield f"dvc.lock lacks in stages.{stage.name}.{section}:\n    + {name}\n  Run `dvc repro {stage.name}`."
        for name in sorted(locked[section] - names):
            yield f"dvc.lock has in stages.{stage.name}.{section}:\n    - {name}\n  Run `dvc repro {stage.name}`."


def _code_faults(stage: Any, root: Path) -> Iterator[str]:
    """Check that a sealed stage depends on its code file."""
    if (script := sealed_script(stage)) is None:  # a stage that is unsealed on purpose
        return
    code = root / "code" / f"{script.stem}.txt"
    if str(code.parent) in {out.fs_path for out in stage.outs}:
        return
    if str(code) not in {dep.fs_path for dep in stage.deps}:
        where = f"stages.{stage.name}.deps in dvc.yaml"
        yield f"stage '{stage.name}' does not depend on its code. Add to {where}:\n    + code/{code.name}"
    elif not code.is_file():
        yield f"code/{code.name} does not exist. Run `dvc repro code`."


def _origin_faults(stage: Any, made: list[str], in_git: set[str]) -> Iterator[str]:
    """Check that every dep is made by a stage, committed to git, or added to DVC."""
    for dep in stage.deps:
        if hasattr(dep, "params") or dep.protocol != "local":
            continue
        known = any(within(dep.fs_path, out) or within(out, dep.fs_path) for out in made)
        if not known and not any(within(path, dep.fs_path) for path in in_git):
            yield (
                f"stage '{stage.name}' depends on {dep.def_path}, which no stage makes and which is neither in git nor in DVC. "
                f"Run `dvc add {dep.def_path}`, or remove from stages.{stage.name}.deps in dvc.yaml:\n    - {dep.def_path}"
            )


def _unkeyed_faults(stage: Any) -> Iterator[str]:
    """Check that no param is both in the cache key of a stage and declared to be in none."""
    for key in unkeyed_of(stage):
        for other in _keys(stage):
            if f"{key}.".startswith(f"{other}.") or f"{other}.".startswith(f"{key}."):
                yield (
                    f"stage '{stage.name}' has the param '{key}' in meta.unkeyed, but '{other}' is among its params. "
                    f"If '{key}' changes a result, remove from stages.{stage.name}.meta.unkeyed in dvc.yaml:\n    - {key}"
                )


def _section_faults(stages: list[Any], root: Path) -> Iterator[str]:
    """Check that some stage declares each section of params.yaml."""
    from dvc.utils.serialize import load_yaml

    declared = {key.split(".")[0] for stage in stages for key in (*_keys(stage), *unkeyed_of(stage))}
    for section in load_yaml(str(root / "params.yaml")):
        if section not in declared | _OF_COMMANDS:
            yield f"params.yaml has a section '{section}' that no stage declares. Remove it, or add it to a stage's params."


def _keys(stage: Any) -> list[str]:
    return [key for dep in stage.deps for key in getattr(dep, "params", [])]
