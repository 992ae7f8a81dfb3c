"""List the code of a stage: the hash of the syntax tree of each of its modules, and the versions of Python and its libraries.

The list is a dependency of the stage, so a changed function or library runs the stage again and a changed comment does not.
`git diff code/` shows why a stage ran again. See docs/decisions/0003-code-in-the-key.md.
"""

import ast
import hashlib
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from veritable.errors import UserError
from veritable.stage.declaration import Declaration
from veritable.stage.meta import hash_variable


def list_code(script: Path, source: Path, env: Iterable[str] = ()) -> str:
    """Return the code file of one stage.

    Parameters
    ----------
    script
        Script of the stage.
    source
        Folder of the project's packages ("src").
    env
        Names of the environment variables whose values determine the result of the stage.
    """
    modules, foreign = trace_imports(script, source)
    facts = _python() | {f"package {name}": version for name, version in packages(foreign).items()}
    facts |= {f"files {name}": found for name in sorted(foreign) if (found := hash_unversioned(name))}
    facts |= {f"env {name}": hash_variable(name) for name in sorted(set(env))}
    facts |= _modules([script, *modules], source.parent)
    lines = [f"# The code that `{script.relative_to(source.parent)}` runs. `dvc repro` writes this file."]
    return "\n".join(lines + [f"{key} {value}" for key, value in facts.items()]) + "\n"


def _python() -> dict[str, str]:
    return {"python": f"{sys.version_info.major}.{sys.version_info.minor}"}


def _modules(paths: list[Path], top: Path) -> dict[str, str]:
    return {f"module {path.relative_to(top)}": syntax_hash(path) for path in sorted(set(paths))}


_CONTRACT = ("veritable.stage.contract.", "veritable.stage.code.")  # they decide what a stage may access, not its result


def trace_imports(script: Path, source: Path) -> tuple[list[Path], set[str]]:
    """Return the project's files that a script imports, directly or through other modules, and the names of libraries."""
    found: dict[Path, None] = {}
    foreign: set[str] = set()
    queue = [script]
    while queue:
        path = queue.pop()
        for name in _imports(path, source):
            if f"{name}.".startswith(_CONTRACT):
                continue
            files = _files(name, source)
            queue += [file for file in files if file not in found]
            found |= dict.fromkeys(files)
            if not files:
                foreign.add(name.split(".")[0])
    return sorted(found), foreign - sys.stdlib_module_names


def _imports(path: Path, source: Path) -> Iterator[str]:
    """Yield the dotted names that a file imports. `from a import b` gives "a" and "a.b", because b may be a module."""
    for node in ast.walk(_parse(path)):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level and not path.is_relative_to(source):
                raise UserError(f"{path.name}, line {node.lineno}: a script belongs to no package. Import modules by name.")
            above = path.parents[node.level - 1].relative_to(source).parts if node.level else ()
            module = ".".join([*above, *([node.module] if node.module else [])])
            yield module
            yield from (f"{module}.{each.name}" for each in node.names)


def _files(name: str, folder: Path) -> list[Path]:
    """Return the files of a module and of the packages that contain it; [] if it is not a module of the project."""
    parts = name.split(".")
    files = []
    for length in range(1, len(parts) + 1):
        base = folder.joinpath(*parts[:length])
        files += [each for each in (base / "__init__.py", base.with_suffix(".py")) if each.is_file()]
    return files


@cache
def _parse(path: Path) -> ast.Module:
    try:
        return ast.parse(path.read_bytes())
    except SyntaxError as error:
        raise UserError(f"{path.name}, line {error.lineno}: {error.msg}. Correct it and run again.") from None


def syntax_hash(path: Path) -> str:
    """Return a hash of the code of a module, without its comments and layout."""
    return hashlib.sha256(ast.dump(_parse(path)).encode()).hexdigest()[:16]


@cache
def _providers() -> dict[str, list[str]]:
    return dict(metadata.packages_distributions())


def packages(names: Iterable[str]) -> dict[str, str]:
    """Return the installed versions of the distributions that provide top-level names, and of all that they require."""
    queue: list[str] = [canonicalize_name(provider) for name in names for provider in _providers().get(name, [name])]
    found = {name: "absent" for name in queue if not installed_version(name)}  # its later installation changes what runs
    while queue:
        name = queue.pop()
        if name not in found and (version := installed_version(name)):
            found[name] = version
            queue += _requires(name)
    return dict(sorted(found.items()))


def installed_version(name: str) -> str | None:
    """Return the version of a distribution; None if it is not installed."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


@cache
def _requires(name: str) -> list[str]:
    needs = map(Requirement, metadata.requires(name) or [])
    return [canonicalize_name(need.name) for need in needs if need.marker is None or need.marker.evaluate({"extra": ""})]


def hash_unversioned(name: str) -> str | None:
    """Return a hash of the files of a top-level module that no version describes; None if one does, or if it is absent.

    That is a module without a distribution, or one of a distribution in development mode, whose files lie elsewhere.
    """
    try:
        spec = find_spec(name)
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    places = [Path(each) for each in spec.submodule_search_locations or [spec.origin or ""] if each]
    if not places or not places[0].exists():  # absent, built in or frozen
        return None
    folders = [Path(str(metadata.distribution(each).locate_file(""))) for each in _providers().get(name, [])]
    if any(places[0].is_relative_to(folder) for folder in folders):
        return None
    found = hashlib.sha256()
    for top in places:
        for file in sorted(top.rglob("*")) if top.is_dir() else [top]:
            if file.is_file() and "__pycache__" not in file.parts:
                found.update(f"{file.relative_to(top.parent)}\0{file.stat().st_size}\0".encode() + file.read_bytes())
    return found.hexdigest()[:16]


def pin_differences(lock: str) -> list[str]:
    """Return a sentence for each pin of a requirements file that differs from the installed version."""
    pins = (line.partition("==")[::2] for line in lock.splitlines() if "==" in line)
    found = {name.strip(): (pin.split()[0], installed_version(name.strip()) or "absent") for name, pin in pins}
    return [
        f"{name} {installed} is installed, but requirements.lock pins {pin}."
        for name, (pin, installed) in found.items()
        if installed.partition("+")[0] != pin  # 2.13.0+cpu is a build of 2.13.0
    ]


def verify(declaration: Declaration) -> list[Path]:
    """Check that the code file lists the code and versions that would run. Return the modules that it lists.

    Raises
    ------
    UserError
        The stage does not declare its code file, or the file differs from what would run.
    """
    root, script = declaration.root, declaration.script
    shown = declaration.code.relative_to(root)
    if not declaration.declares_code:
        raise UserError(
            f"stage '{declaration.stage}' must depend on its code, or DVC would not see a change in it.\n"
            f"  Add to stages.{declaration.stage.split('@')[0]}.deps in dvc.yaml:\n      - {shown}"
        )
    _parse.cache_clear()
    text = declaration.code.read_text() if declaration.code.is_file() else ""
    listed = dict(line.rpartition(" ")[::2] for line in text.splitlines() if not line.startswith("#"))
    # Equal modules import the same names, and equal versions require the same packages: only the listed ones need a look.
    packages = {key: installed_version(key.split()[1]) or "absent" for key in listed if key.startswith("package ")}
    modules = [script, *trace_imports(script, root / "src")[0]]
    files = {key: hash_unversioned(key.split()[1]) or "absent" for key in listed if key.startswith("files ")}
    variables = {key.split()[1] for key in listed if key.startswith("env ")} | {*declaration.exceptions.env}
    env = {f"env {name}": hash_variable(name) for name in variables}
    now = _python() | packages | files | env | _modules(modules, root)
    if listed != now:
        raise UserError(
            f"stage '{declaration.stage}' must run the code that {shown} lists, but {_difference(listed, now)}. "
            "Run `dvc repro`, which updates the list and runs the stages whose code changed."
        )
    return modules


def _difference(listed: dict[str, str], now: dict[str, str]) -> str:
    """Return the first difference, versions before modules: "shap 0.52.0 is installed instead of 0.51.0"."""
    if not listed:
        return "that file is absent or empty"
    differing = [key for key in listed.keys() | now.keys() if listed.get(key) != now.get(key)]
    kind, _, name = min(differing, key=lambda key: (not key.startswith(("package", "python")), key)).partition(" ")
    if kind in ("module", "files"):
        return f"{name} differs"
    if kind == "env":
        return f"the environment variable {name} has another value"
    key = f"{kind} {name}".strip()
    return f"{name or kind} {now.get(key, 'absent')} is installed instead of {listed.get(key, 'absent')}"
