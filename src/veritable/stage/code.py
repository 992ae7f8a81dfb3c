"""The code of a stage as a small text: its modules with a hash of their syntax tree, Python and the library versions.

The text is a dependency of the stage, so that a changed function or library runs it again and a comment does not;
`git diff code/` says why a stage ran again. Decided in docs/decisions/0003-code-in-the-key.md.
"""

import ast
import hashlib
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from veritable.errors import UserError
from veritable.stage.declaration import Declaration


def describe(script: Path, source: Path) -> str:
    """The text for one stage.

    Parameters
    ----------
    script
        The stage's script.
    source
        The folder that the project's packages lie in ("src").
    """
    modules, foreign = trace(script, source)
    facts = _python() | {f"package {name}": version for name, version in packages(foreign).items()}
    facts |= _modules([script, *modules], source.parent)
    lines = [f"# What `{script.relative_to(source.parent)}` runs. Written by `dvc repro code`."]
    return "\n".join(lines + [f"{key} {value}" for key, value in facts.items()]) + "\n"


def _python() -> dict[str, str]:
    return {"python": f"{sys.version_info.major}.{sys.version_info.minor}"}


def _modules(paths: list[Path], top: Path) -> dict[str, str]:
    return {f"module {path.relative_to(top)}": syntax_hash(path) for path in sorted(set(paths))}


_CONTRACT = ("veritable.stage.contract.", "veritable.stage.code.")  # decide what a stage may touch, never what it computes


def trace(script: Path, source: Path) -> tuple[list[Path], set[str]]:
    """The project's files that a script imports, directly and through other modules, and the foreign top-level names."""
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
    """Dotted names that a file imports anywhere in it. `from a import b` gives "a" and "a.b": b may be a module."""
    for node in ast.walk(_parse(path)):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level and not path.is_relative_to(source):
                raise UserError(f"{path.name}, line {node.lineno}: a script lies in no package, import modules by name.")
            above = path.parents[node.level - 1].relative_to(source).parts if node.level else ()
            module = ".".join([*above, *([node.module] if node.module else [])])
            yield module
            yield from (f"{module}.{each.name}" for each in node.names)


def _files(name: str, folder: Path) -> list[Path]:
    """The file of a module of the project and of every package above it; [] if the top package is not the project's."""
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
        raise UserError(f"{path.name}, line {error.lineno}: {error.msg}. Correct it, then run again.") from None


def syntax_hash(path: Path) -> str:
    """Changes with anything but comments and layout."""
    return hashlib.sha256(ast.dump(_parse(path)).encode()).hexdigest()[:16]


@cache
def _providers() -> dict[str, list[str]]:
    return dict(metadata.packages_distributions())


def packages(names: Iterable[str]) -> dict[str, str]:
    """Installed versions of the distributions behind top-level names, and of all that these require in their turn."""
    queue: list[str] = [canonicalize_name(provider) for name in names for provider in _providers().get(name, [name])]
    found = {name: "absent" for name in queue if not _version(name)}  # should it come one day, it changes what runs
    while queue:
        name = queue.pop()
        if name not in found and (version := _version(name)):
            found[name] = version
            queue += _requires(name)
    return dict(sorted(found.items()))


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:  # optional, and not installed
        return None


@cache
def _requires(name: str) -> list[str]:
    needs = map(Requirement, metadata.requires(name) or [])
    return [canonicalize_name(need.name) for need in needs if need.marker is None or need.marker.evaluate({"extra": ""})]


def differences_from(lock: str) -> list[str]:
    """A sentence for each pin of a requirements file that is not what is installed."""
    pins = (line.partition("==")[::2] for line in lock.splitlines() if "==" in line)
    found = {name.strip(): (pin.split()[0], _version(name.strip()) or "absent") for name, pin in pins}
    return [
        f"{name} {installed} is installed, requirements.lock pins {pin}."
        for name, (pin, installed) in found.items()
        if installed.partition("+")[0] != pin  # 2.13.0+cpu is a build of 2.13.0
    ]


def verify(declaration: Declaration) -> list[Path]:
    """Refuse to run with other code or versions than the code file states; returns the modules that it lists.

    Raises
    ------
    UserError
        The stage does not declare its code file, or the file states something else than what would run.
    """
    root, script = declaration.root, declaration.script
    shown = declaration.code.relative_to(root)
    if not declaration.declares_code:
        raise UserError(
            f"stage '{declaration.stage}' must depend on its code, or it would be called up to date after a change.\n"
            f"  Add to stages.{declaration.stage.split('@')[0]}.deps in dvc.yaml:\n      - {shown}"
        )
    _parse.cache_clear()
    text = declaration.code.read_text() if declaration.code.is_file() else ""
    stated = dict(line.rpartition(" ")[::2] for line in text.splitlines() if not line.startswith("#"))
    # The same modules import the same names, and the same versions require the same: stated versions are all there is to ask.
    packages = {key: _version(key.split()[1]) or "absent" for key in stated if key.startswith("package ")}
    modules = [script, *trace(script, root / "src")[0]]
    now = _python() | packages | _modules(modules, root)
    if stated != now:
        raise UserError(
            f"stage '{declaration.stage}' would run with {_difference(stated, now, shown)}, and its result would pass for "
            "another's. Run `make repro`, or `dvc repro --force code` and then `dvc repro`, to state what is here and run "
            "what it concerns."
        )
    return modules


def _difference(stated: dict[str, str], now: dict[str, str], shown: Path) -> str:
    """ "shap 0.52.0 where code/explain.txt states 0.51.0" for the first line that differs, versions before modules."""
    if not stated:
        return f"code that {shown} does not state"
    differing = [key for key in stated.keys() | now.keys() if stated.get(key) != now.get(key)]
    kind, _, name = min(differing, key=lambda key: (key.startswith("module"), key)).partition(" ")
    if kind == "module":
        return f"another {name} than {shown} states"
    key = f"{kind} {name}".strip()
    return f"{name or kind} {now.get(key, 'absent')} where {shown} states {stated.get(key, 'absent')}"
