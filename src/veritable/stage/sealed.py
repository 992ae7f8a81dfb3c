"""The sealed process: `python -m veritable.stage.sealed stages/train.py`, started by `supervisor` and by nobody else.

Seals itself first and imports the script second, so that nothing the script does, not even at its top, escapes the seal.
"""

import inspect
import json
import os
import sys
import traceback
import types
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from veritable.errors import UserError
from veritable.stage import contract, hook, landlock, process
from veritable.stage.contract import Named, Params, Stage
from veritable.stage.seal import HANDOVER, Seal, say, within


def main() -> int:
    """Run the stage's function behind the seal; returns the exit code."""
    handover = Path(os.environ[HANDOVER])
    seal, plan = Seal.load(handover), json.loads(handover.with_name("plan.json").read_text())
    process.die_with(plan["supervisor"])
    if seal.level == "kernel":
        landlock.restrict(_rules(seal))
    hook.install(seal)
    os.environ["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parent / "children"), os.environ["PYTHONPATH"]])
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"  # for the children; the next line for this process
    sys.dont_write_bytecode = True
    contract.SEALED = True
    stage = Stage(
        seal.stage,
        Named(seal.stage, "deps", {name: _short(path) for name, path in seal.inputs.items()}),
        Named(seal.stage, "outs", {name: _short(path) for name, path in plan["staged"].items()}),
        Params(seal.stage, plan["params"]),
        _short(plan["scratch"]),
    )
    try:
        _function_of(Path(seal.script))(stage)
    except hook.Refused:
        return 1  # recorded already; the supervisor says it
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        if explained := seal.explain(error):
            seal.record(explained)
        elif isinstance(error, UserError):
            say(str(error))
        else:
            traceback.print_exc()
        return 1
    handover.with_name("used.json").write_text(
        json.dumps({
            "inputs": sorted(stage.inputs.used | _imported(seal)),
            "params": list(stage.params.touched()),
        })
    )  # fmt: skip
    return 0


def _short(path: str) -> Path:
    """Relative to the working directory, so that no absolute path finds its way into an output."""
    return Path(os.path.relpath(path))


def _function_of(script: Path) -> Callable[[Stage], None]:
    """Execute the script as `__main__`, where workers look for what they are sent, and return the function it defines."""
    module = types.ModuleType("__main__")
    module.__file__ = str(script)
    sys.modules["__main__"] = module
    sys.argv = [str(script), *sys.argv[2:]]
    exec(compile(script.read_text(), script, "exec"), module.__dict__)
    functions = [
        each
        for name, each in vars(module).items()
        if inspect.isfunction(each) and each.__module__ == "__main__" and not name.startswith("_")
    ]
    if len(functions) != 1 or len(inspect.signature(functions[0]).parameters) != 1:
        names = ", ".join(each.__name__ for each in functions) or "none"
        raise UserError(f"{script.name} must define one public function of one argument, the stage, however it has: {names}.")
    return functions[0]


def _imported(seal: Seal) -> set[str]:
    """Names of the inputs that are modules which were imported."""
    files = [file for module in list(sys.modules.values()) if (file := getattr(module, "__file__", None))]
    return {name for name, path in seal.inputs.items() if any(within(file, path) for file in files)}


def _rules(seal: Seal) -> Iterator[tuple[Path, int]]:
    """Landlock's rules: everything outside the repository, and in it what is declared.

    There are no rules of refusal, so everything beside each folder on the way up from the repository is allowed by name.
    Not so links: a rule holds for what a link leads to, which may be the repository.
    """
    inside = Path(seal.root)
    for folder in inside.parents:
        with suppress(PermissionError):  # a folder that may be crossed but not listed: what lies beside is out of reach
            siblings = [each for each in folder.iterdir() if each != inside and not each.is_symlink()]
            yield from ((sibling, landlock.all_rights()) for sibling in siblings)
        inside = folder
    yield from ((Path(each), landlock.READ) for each in seal.reads)
    yield from ((Path(each), landlock.READ_FILE) for each in seal.targets)
    yield from ((Path(each), landlock.READ_DIR) for each in seal.lists)
    yield from ((Path(each), landlock.all_rights()) for each in seal.writes)


if __name__ == "__main__":
    sys.exit(main())
