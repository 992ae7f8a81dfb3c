"""Resolve what dvc.yaml declares for the running stage. DVC itself reads its files: vars, foreach, matrix, YAML 1.2.

The sealed process never imports DVC.
"""

import os
import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath
from typing import Any

from veritable.errors import UserError
from veritable.stage.meta import Exceptions, env_of, exceptions_of, unkeyed_of

TEMPLATE = re.compile(r"\$\{\s*([^}]+?)\s*\}")


@dataclass(frozen=True)
class Declaration:
    """The resolved entry of one stage. All paths are absolute."""

    stage: str
    dvcfile: Path
    root: Path
    wdir: Path
    script: Path
    inputs: dict[str, Path]
    outputs: dict[str, Path]
    params: dict[str, Any]
    param_keys: tuple[str, ...]
    unkeyed: dict[str, Any] = field(compare=False)  # params that change no result: see `meta.unkeyed_of`
    unkeyed_keys: tuple[str, ...]
    params_files: tuple[Path, ...]
    declares_code: bool
    exceptions: Exceptions
    ignored: tuple[Path, ...]  # what .dvcignore names inside the inputs, so that DVC does not see it change

    @property
    def code(self) -> Path:
        """File that lists the modules and library versions of the stage."""
        return self.root / "code" / f"{self.script.stem}.txt"

    @property
    def writes_code(self) -> bool:
        """Whether this is the stage that writes the code files. It has none itself."""
        return self.code.parent in self.outputs.values()


def find_root(script: Path) -> Path:
    """Return the DVC repository that contains a script."""
    for folder in script.parents:
        if (folder / ".dvc").is_dir():
            return folder
    raise UserError(
        f"stage script '{script.name}' must lie in a DVC repository, but does not. Run `dvc init` in the top folder."
    )


def name_of(declared: str) -> str:
    """Return the name by which a stage asks for a declared path: see `contract.Stage`.

    >>> name_of("data/prepared/encoder.json"), name_of("${data.path}"), name_of("data/${item.table}")
    ('encoder.json', 'data.path', 'item.table')
    """
    last = PurePath(declared).name
    keys = TEMPLATE.findall(last)
    return keys[-1] if keys else last


def resolve(script: Path) -> Declaration:
    """Return the declaration of the stage that runs a script.

    DVC names the stage in the environment variable DVC_STAGE. If the script is run by hand, only one stage may run it.

    Raises
    ------
    UserError
        No stage or several stages run the script, dvc.yaml or params.yaml cannot be read, or two paths have the same name.
    """
    from dvc.dependency.param import ParamsDependency
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    root = find_root(script)
    try:
        with Repo(str(root)) as repo:
            dvcfile, loader, name = _find(repo, root, script)
            stage, entry = loader[name], loader.resolver.resolve_one(name)[name]
            raw = loader.stages_data.get(name) or loader.stages_data[name.rsplit("@", 1)[0]]
            raw = raw.get("do", raw)
            wdir = Path(stage.wdir)
            params: dict[str, Any] = {}
            keys: list[str] = []
            files: list[Path] = [root / "params.yaml"]
            for dep in stage.deps:
                if isinstance(dep, ParamsDependency):
                    dep.get_hash()  # raises where a declared key is missing
                    values = dep.read_params(flatten=False)
                    merge_params(params, values, name)
                    keys += dep.params or values
                    files.append(Path(dep.fs_path))
            unkeyed_keys = unkeyed_of(stage)
            unkeyed = _read_params(stage, root, unkeyed_keys)
            exceptions = exceptions_of(stage, lambda key: _value(_read_params(stage, root, [key]), key))
            code = root / "code" / f"{script.stem}.txt"
            inputs = _named(name, ["deps"], raw, entry, wdir, code)
            outputs = _named(name, ["outs", "metrics", "plots"], raw, entry, wdir, code)
            if code.parent in outputs.values():  # the stage that lists the code also lists the pipeline, and the variables of
                inputs[dvcfile.name] = dvcfile  # all stages; DVC accepts dvc.yaml as no dep
                variables = {each: None for key in loader for each in env_of(loader[key])}
                exceptions = replace(exceptions, env=(*exceptions.env, *variables))
            ignored = tuple(_ignored(repo, (each for each in inputs.values() if each.is_relative_to(root))))
    except DvcException as error:
        raise UserError(f"{script.name}: {_chain(error)}") from error
    return Declaration(
        stage=name,
        dvcfile=dvcfile,
        root=root,
        wdir=wdir,
        script=script,
        inputs=inputs,
        outputs=outputs,
        params=params,
        param_keys=tuple(keys),
        unkeyed=unkeyed,
        unkeyed_keys=unkeyed_keys,
        params_files=tuple(dict.fromkeys(files)),
        declares_code=any((wdir / path).resolve() == code for path in _paths(entry.get("deps", []))),
        exceptions=exceptions,
        ignored=ignored,
    )


def _read_params(stage: Any, root: Path, keys: Sequence[str]) -> dict[str, Any]:
    """Return the values of keys of params.yaml, nested as in the file."""
    from dvc.dependency.param import ParamsDependency

    if not keys:
        return {}
    dep = ParamsDependency(stage, str(root / "params.yaml"), list(keys))
    dep.get_hash()  # raises where a key is missing
    params: dict[str, Any] = dep.read_params(flatten=False)
    return params


def _value(params: dict[str, Any], key: str) -> Any:
    for part in key.split("."):
        params = params[part]
    return params


def _ignored(repo: Any, inputs: Iterable[Path]) -> Iterator[Path]:
    """Yield the files and folders below the inputs that .dvcignore names, without what is in such a folder."""
    for top in inputs:
        for folder, folders, files in os.walk(top):
            kept_folders, kept_files = repo.dvcignore(folder, folders, files)
            yield from (Path(folder, name) for name in sorted({*folders, *files} - {*kept_folders, *kept_files}))
            folders[:] = kept_folders


def merge_params(params: dict[str, Any], more: dict[str, Any], stage: str) -> None:
    """Add the params of another file to `params`, in place."""
    for key, value in more.items():
        if key not in params:
            params[key] = value
        elif isinstance(value, dict) and isinstance(params[key], dict):
            merge_params(params[key], value, stage)
        else:
            raise UserError(
                f"stage '{stage}' must declare each param once, but declares '{key}' twice. Remove or rename one of them."
            )


def _chain(error: BaseException) -> str:
    return f"{error}: {error.__cause__}" if error.__cause__ else str(error)


def _find(repo: Any, root: Path, script: Path) -> tuple[Path, Any, str]:
    """Return the dvc.yaml file, its stages, and the name of the running stage."""
    address = os.environ.get("DVC_STAGE")
    matches = []
    for dvcfile, loader in _dvcfiles(repo, root):
        if address:  # its path is relative to where DVC was started; DVC set our working directory, so compare that
            name = address.rpartition(":")[2]
            if name in loader and Path(loader[name].wdir).resolve() == Path.cwd().resolve():
                return dvcfile, loader, name
        else:
            matches += [(dvcfile, loader, name) for name in loader if _runs(loader[name], script)]
    if len(matches) == 1:
        return matches[0]
    where = script.relative_to(root)
    if address:
        raise UserError(f"stage '{address}' must be declared for the folder {Path.cwd().name}/, but no dvc.yaml declares it.")
    if not matches:
        raise UserError(
            f"no stage in dvc.yaml runs {where}, so it has no inputs and outputs. Add one with `cmd: python {where}`."
        )
    names = ", ".join(name for _, _, name in matches)
    raise UserError(f"several stages run {where}: {names}. Select one: DVC_STAGE={matches[0][2]} python {where}")


def _dvcfiles(repo: Any, root: Path) -> Iterator[tuple[Path, Any]]:
    """Yield the dvc.yaml files, the nearest first: the stage is nearly always in one of them, and the rest is not read."""
    near = dict.fromkeys(folder / "dvc.yaml" for folder in (Path.cwd(), root))
    for path in near:
        if path.is_file():
            yield path, _stages(repo, path)
    for path in {Path(stage.path): None for stage in repo.index.stages if stage.path.endswith("dvc.yaml")}:
        if path not in near:
            yield path, _stages(repo, path)


def _stages(repo: Any, path: Path) -> Any:
    """Return the stages of a dvc.yaml by name, without reading dvc.lock, which is slow to parse and not needed."""
    from dvc.dvcfile import load_file

    file = load_file(repo, str(path))
    return file.LOADER(file, file.contents)


def _runs(stage: Any, script: Path) -> bool:
    commands = stage.cmd if isinstance(stage.cmd, list) else [stage.cmd]
    words = [word for command in commands for word in shlex.split(command)]
    return any((Path(stage.wdir) / word).resolve() == script.resolve() for word in words if word.endswith(".py"))


def _paths(items: list[str | dict[str, Any]]) -> list[str]:
    return [item if isinstance(item, str) else next(iter(item)) for item in items]


def _named(
    stage: str, sections: list[str], raw: dict[str, Any], entry: dict[str, Any], wdir: Path, code: Path
) -> dict[str, Path]:
    """Return paths by name, without the code file of the stage: it is checked before the stage runs."""
    declared, paths = ([path for section in sections for path in _paths(each.get(section, []))] for each in (raw, entry))
    named: dict[str, Path] = {}
    for name, path in zip(map(name_of, declared), (Path(os.path.normpath(wdir / each)) for each in paths), strict=True):
        if path == code:
            continue
        if name in named:
            both = f"'{os.path.relpath(named[name], wdir)}' and '{os.path.relpath(path, wdir)}'"
            raise UserError(
                f"stage '{stage}' must declare paths with different names, but {both} are both '{name}'. Rename one."
            )
        named[name] = path
    return named
