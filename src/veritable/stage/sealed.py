"""Run a stage in a sealed process: `python -m veritable.stage.sealed stages/train.py`. Only `supervisor` starts it.

The process seals itself before it imports the script, so that the top level of the script is sealed too.
"""

import inspect
import json
import os
import re
import socket
import sys
import traceback
import types
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from veritable.errors import UserError, explain_shortage
from veritable.stage import contract, hiding, hook, landlock, process, sockets
from veritable.stage.contract import DeclaredParams, DeclaredPaths, Stage
from veritable.stage.seal import CHANNEL, HANDOVER, SHARED_MEMORY, Seal, line_of, report_line, within


def main() -> int:
    """Seal this process and call the stage's function. Return the exit code."""
    handover = Path(os.environ[HANDOVER])
    seal, plan = Seal.load(handover), json.loads(handover.with_name("plan.json").read_text())
    process.die_with_parent(plan["supervisor"])
    channel = int(os.environ.pop(CHANNEL))
    text = Path(seal.script).read_text("utf-8")
    if seal.level == "kernel":
        landlock.restrict(_rules(seal))
        if not seal.network and sockets.can_refuse():
            _send_listener(sockets.refuse(), channel)
    os.close(channel)
    hook.install(seal)
    os.environ["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parent / "children"), os.environ["PYTHONPATH"]])
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"  # for child processes; the next line is for this one
    sys.dont_write_bytecode = True
    contract.SEALED = True
    stage = Stage(
        seal.stage,
        DeclaredPaths(seal.stage, "deps", {name: _relative(path) for name, path in seal.inputs.items()}),
        DeclaredPaths(seal.stage, "outs", {name: _relative(path) for name, path in plan["staged"].items()}),
        DeclaredParams(seal.stage, plan["params"]),
        _relative(plan["scratch"]),
    )
    try:
        _function_of(Path(seal.script), text)(stage)
        used = {"inputs": sorted(stage.inputs.used | _imported(seal)), "params": list(stage.params.used_keys())}
        handover.with_name("used.json").write_text(json.dumps(used))
    except hook.AccessRefusedError:
        return 1  # the hook has recorded the message; the supervisor prints it
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        hiding.release()
        if explained := seal.explain(error):
            seal.record(explained)
        elif isinstance(error, UserError):
            report_line(_with_file_of_params(str(error), seal.params_files, plan["params"]))
        elif shortage := explain_shortage(error, line_of(error, seal.root)):
            report_line(f"stage '{seal.stage}' {shortage}")
        else:
            traceback.print_exc()
        if hidden := hiding.looked_for():
            report_line(
                f"note: libraries looked for environment variables that are set, but that the stage does not get: "
                f"{', '.join(hidden)}. If it needs one, add it to stages.{seal.stage.split('@')[0]}.meta.env in dvc.yaml."
            )
        return 1
    return 0


def _with_file_of_params(message: str, files: Sequence[str], params: dict[str, object]) -> str:
    """Say in which file the params are set that a message names; the rooms do not know the file."""
    names = [os.path.relpath(file) for file in files]
    named = re.search(rf"\b({'|'.join(map(re.escape, params))})\.\w", message) if params else None
    if named is None or any(name in message for name in (*names, "dvc.yaml")):
        return message
    return f"{message} Params are set in {' and '.join(names)}."


def _relative(path: str) -> Path:
    """Return a path relative to the working directory, so that no absolute path can get into an output."""
    return Path(os.path.relpath(path))


def _send_listener(listener: int, channel: int) -> None:
    """Send the descriptor of the network's filter to the supervisor, which answers it."""
    with socket.socket(fileno=os.dup(channel)) as supervisor:
        socket.send_fds(supervisor, [b"1"], [listener])
    os.close(listener)


def _function_of(script: Path, text: str) -> Callable[[Stage], None]:
    """Execute the script as `__main__`, where worker processes look up functions, and return the function it defines."""
    module = types.ModuleType("__main__")
    module.__file__ = str(script)
    sys.modules["__main__"] = module
    sys.argv = [str(script), *sys.argv[2:]]
    exec(compile(text, script, "exec"), module.__dict__)
    functions = [
        each
        for name, each in vars(module).items()
        if inspect.isfunction(each) and each.__module__ == "__main__" and not name.startswith("_")
    ]
    if len(functions) != 1 or len(inspect.signature(functions[0]).parameters) != 1:
        names = ", ".join(each.__name__ for each in functions) or "none"
        raise UserError(
            f"{script.name} must define one public function with one argument, the stage, but defines: {names}. "
            "Begin the names of other functions with an underscore."
        )
    return functions[0]


def _imported(seal: Seal) -> set[str]:
    """Return the names of the inputs that are imported modules."""
    files = [file for module in list(sys.modules.values()) if (file := getattr(module, "__file__", None))]
    return {name for name, path in seal.inputs.items() if any(within(file, path) for file in files)}


def _rules(seal: Seal) -> Iterator[tuple[Path, int]]:
    """Yield the rules of Landlock, which allow what the stage may access and nothing else."""
    for each in seal.reads:
        for part in _without_repository(Path(each), Path(seal.root)):
            yield from _without_ignored(part, seal.ignored)
    yield from ((Path(each), landlock.READ_FILE) for each in seal.targets)
    yield from ((Path(each), landlock.READ_DIR) for each in seal.lists)
    for each in (*seal.writes, *([SHARED_MEMORY] if os.path.isdir(SHARED_MEMORY) else [])):
        yield from ((part, landlock.all_rights()) for part in _without_repository(Path(each), Path(seal.root)))


def _without_repository(path: Path, root: Path) -> Iterator[Path]:
    """Yield a path, or all that is in it but the repository: a rule for a folder above that would open the repository.

    Links are left out: a rule holds for the target of a link, which may be the repository.
    """
    if path == root or not root.is_relative_to(path.resolve()):
        yield path
        return
    inside = root
    for folder in root.parents:
        with suppress(PermissionError):  # this user cannot list the folder, so its other entries stay refused
            yield from (each for each in folder.iterdir() if each != inside and not each.is_symlink())
        if folder == path.resolve():
            return
        inside = folder


def _without_ignored(path: Path, ignored: Sequence[str]) -> Iterator[tuple[Path, int]]:
    """Yield the rules for reading a path without the files and folders in it that .dvcignore names."""
    if str(path) in ignored:
        return
    if any(within(each, str(path)) for each in ignored):
        yield path, landlock.READ_DIR
        for each in path.iterdir():
            yield from _without_ignored(each, ignored)
    else:
        yield path, landlock.READ


if __name__ == "__main__":
    sys.exit(main())
