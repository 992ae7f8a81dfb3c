"""Look up what dvc.yaml declares for the stage that is running. DVC itself reads its files: vars, foreach, matrix, YAML 1.2.

This is the one module that imports DVC, and it never does so in the sealed process.
"""

import os
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

from veritable.errors import UserError

TEMPLATE = re.compile(r"\$\{\s*([^}]+?)\s*\}")


@dataclass(frozen=True)
class Declaration:
    """One stage's entry, resolved. All paths are absolute."""

    stage: str
    dvcfile: Path
    root: Path
    wdir: Path
    script: Path
    inputs: dict[str, Path]
    outputs: dict[str, Path]
    params: dict[str, Any]
    param_keys: tuple[str, ...]
    unkeyed: dict[str, Any] = field(compare=False)  # params that change no result: handed over, and in no cache key
    unkeyed_keys: tuple[str, ...]
    params_files: tuple[Path, ...]
    declares_code: bool

    @property
    def code(self) -> Path:
        """The file that lists this stage's modules and library versions."""
        return self.root / "code" / f"{self.script.stem}.txt"

    @property
    def writes_code(self) -> bool:
        """Whether this is the stage that makes the code files, and so has none itself."""
        return self.code.parent in self.outputs.values()


def find_root(script: Path) -> Path:
    """The DVC repository that a script lies in."""
    for folder in script.parents:
        if (folder / ".dvc").is_dir():
            return folder
    raise UserError(f"stage script '{script.name}' must lie in a DVC repository. Run `dvc init` at its top.")


def name_of(declared: str) -> str:
    """The name that a stage asks for a path by (see `contract.Stage`).

    >>> name_of("data/prepared/encoder.json"), name_of("${data.path}"), name_of("data/${item.table}")
    ('encoder.json', 'data.path', 'item.table')
    """
    last = PurePath(declared).name
    keys = TEMPLATE.findall(last)
    return keys[-1] if keys else last


def resolve(script: Path) -> Declaration:
    """The declaration of the stage that runs `script`: DVC says which (DVC_STAGE), by hand it is the only one that does.

    Raises
    ------
    UserError
        No stage or several run the script, dvc.yaml or params.yaml cannot be read, or two paths have one name.
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
            unkeyed: dict[str, Any] = {}
            if unkeyed_keys:
                dep = ParamsDependency(stage, str(root / "params.yaml"), list(unkeyed_keys))
                dep.get_hash()
                unkeyed = dep.read_params(flatten=False)
    except DvcException as error:
        raise UserError(f"{script.name}: {_chain(error)}") from error
    code = root / "code" / f"{script.stem}.txt"
    return Declaration(
        stage=name,
        dvcfile=dvcfile,
        root=root,
        wdir=wdir,
        script=script,
        inputs=_named(name, ["deps"], raw, entry, wdir, code),
        outputs=_named(name, ["outs", "metrics", "plots"], raw, entry, wdir, code),
        params=params,
        param_keys=tuple(keys),
        unkeyed=unkeyed,
        unkeyed_keys=unkeyed_keys,
        params_files=tuple(dict.fromkeys(files)),
        declares_code=any((wdir / path).resolve() == code for path in _paths(entry.get("deps", []))),
    )


def unkeyed_of(stage: Any) -> tuple[str, ...]:
    """Return the keys of params.yaml that a stage is handed although no cache key has them: `meta: {unkeyed: [...]}`.

    Such a param must not change any result, e.g. the number of threads.

    Raises
    ------
    UserError
        The entry is not a list of keys.
    """
    meta = stage.meta if isinstance(stage.meta, dict) else {}
    keys = meta.get("unkeyed", [])
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise UserError(f"stages.{stage.name}.meta.unkeyed in dvc.yaml must be a list of keys of params.yaml, but is {keys!r}.")
    return tuple(keys)


def merge_params(params: dict[str, Any], more: dict[str, Any], stage: str) -> None:
    """Take over the params of another file, section by section."""
    for key, value in more.items():
        if key not in params:
            params[key] = value
        elif isinstance(value, dict) and isinstance(params[key], dict):
            merge_params(params[key], value, stage)
        else:
            raise UserError(f"stage '{stage}' declares the param '{key}' from two files. Rename it in one of them.")


def _chain(error: BaseException) -> str:
    return f"{error}: {error.__cause__}" if error.__cause__ else str(error)


def _find(repo: Any, root: Path, script: Path) -> tuple[Path, Any, str]:
    """(dvc.yaml, its stages, the running stage's name)."""
    address = os.environ.get("DVC_STAGE")
    matches = []
    for dvcfile, loader in _dvcfiles(repo, root):
        if address:  # its path is relative to wherever DVC was started, its working directory is ours: compare that
            name = address.rpartition(":")[2]
            if name in loader and Path(loader[name].wdir).resolve() == Path.cwd().resolve():
                return dvcfile, loader, name
        else:
            matches += [(dvcfile, loader, name) for name in loader if _runs(loader[name], script)]
    if len(matches) == 1:
        return matches[0]
    where = script.relative_to(root)
    if address:
        raise UserError(f"DVC runs stage '{address}' in {Path.cwd().name}/, however no dvc.yaml declares it there.")
    if not matches:
        raise UserError(
            f"no stage in dvc.yaml runs {where}, so it has no inputs or outputs. Add one with `cmd: python {where}`."
        )
    names = ", ".join(name for _, _, name in matches)
    raise UserError(f"several stages run {where}: {names}. Say which: DVC_STAGE={matches[0][2]} python {where}")


def _dvcfiles(repo: Any, root: Path) -> Iterator[tuple[Path, Any]]:
    """The nearest dvc.yaml files first: nearly always the stage stands in one of them, and the rest is never read."""
    near = dict.fromkeys(folder / "dvc.yaml" for folder in (Path.cwd(), root))
    for path in near:
        if path.is_file():
            yield path, _stages(repo, path)
    for path in {Path(stage.path): None for stage in repo.index.stages if stage.path.endswith("dvc.yaml")}:
        if path not in near:
            yield path, _stages(repo, path)


def _stages(repo: Any, path: Path) -> Any:
    """The stages of a dvc.yaml, by name. `dvc.lock` is long, slow to parse and says nothing of use here: left unread."""
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
    """Paths by name. The stage's own code file is checked before it runs, and never handed to it."""
    declared, paths = ([path for section in sections for path in _paths(each.get(section, []))] for each in (raw, entry))
    named: dict[str, Path] = {}
    for name, path in zip(map(name_of, declared), (Path(os.path.normpath(wdir / each)) for each in paths), strict=True):
        if path == code:
            continue
        if name in named:
            both = f"'{os.path.relpath(named[name], wdir)}' and '{os.path.relpath(path, wdir)}'"
            raise UserError(f"stage '{stage}': {both} have the same name, '{name}'. Rename one.")
        named[name] = path
    return named
