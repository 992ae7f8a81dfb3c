"""The code of a stage as a small text: its modules with a hash of their syntax tree, Python and the library versions.

The text is a dependency of the stage, so that a changed function or library runs it again and a comment does not;
`git diff code/` says why a stage ran again. Decided in docs/decisions/0003-code-in-the-key.md.
"""

import ast
import hashlib
import re
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
    top = script.parents[1]
    lines = [f"# What `{script.relative_to(top)}` runs. Written by `dvc repro code`."]
    lines += [f"python {sys.version_info.major}.{sys.version_info.minor}"]
    lines += [f"package {name} {version}" for name, version in sorted(packages(foreign).items())]
    lines += [f"module {path.relative_to(top)} {syntax_hash(path)}" for path in sorted({script, *modules})]
    return "\n".join(lines) + "\n"


def trace(script: Path, source: Path) -> tuple[list[Path], set[str]]:
    """The project's files that a script imports, directly and through other modules, and the foreign top-level names."""
    found: dict[Path, None] = {}
    foreign: set[str] = set()
    queue = [script]
    while queue:
        path = queue.pop()
        for name in _imports(path, source):
            if name.startswith("veritable.stage"):  # decides what a stage may touch, never what it computes
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
    queue = [provider for name in names for provider in _providers().get(name, [name])]
    found: dict[str, str] = {}
    while queue:
        name = canonicalize_name(queue.pop())
        if name in found:
            continue
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:  # optional, and not installed
            continue
        needs = map(Requirement, metadata.requires(name) or [])
        queue += [need.name for need in needs if need.marker is None or need.marker.evaluate({"extra": ""})]
    return found


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
    now = describe(script, root / "src")
    stated = declaration.code.read_text() if declaration.code.is_file() else ""
    if stated != now:
        raise UserError(
            f"stage '{declaration.stage}' would run with {_difference(stated, now)}, and its result would pass for another's. "
            "Run `make repro`, or `dvc repro --force code` and then `dvc repro`, to state what is here and run what it concerns."
        )
    return [root / line.split()[1] for line in stated.splitlines() if line.startswith("module ")]


def _difference(stated: str, now: str) -> str:
    """"shap 0.52.0 where code/explain.txt states 0.51.0" for the first line that differs."""
    before, after = (dict(re.findall(r"^(\w+ ?[\w./-]*) (\S+)$", text, re.MULTILINE)) for text in (stated, now))
    for key in sorted(before.keys() | after.keys(), key=lambda key: (not key.startswith(("python", "package")), key)):
        if before.get(key) != after.get(key):
            kind, _, name = key.partition(" ")
            if kind == "module":
                return f"another {name} than its code file states"
            has, says = after.get(key, "no version"), before.get(key, "none")
            return f"{name or kind} {has} where its code file states {says}"
    return "other code than its code file states"
