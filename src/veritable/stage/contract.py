"""Hand a stage what dvc.yaml declares for it, and run it.

A stage script begins with `run(__name__)` and defines one function with one argument. `python stages/train.py` looks up the
entry of the stage in dvc.yaml, starts a sealed process that can access only what the entry declares, and calls the function
there with a `Stage`.
"""

import gc
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from veritable.errors import UserError

SEALED = False  # `sealed` sets it in the process that calls the stage's function


class UndeclaredError(UserError):
    """The stage asked for a name that its entry in dvc.yaml does not declare."""


class DeclaredPaths(dict[str, Path]):
    """Paths by name. Records which ones were asked for."""

    def __init__(self, stage: str, section: str, paths: dict[str, Path]):
        super().__init__(paths)
        self.stage, self.section, self.used = stage, section, set[str]()

    def __getitem__(self, name: str) -> Path:
        self.used.add(name)
        return super().__getitem__(name)

    def values(self) -> Any:
        self.used |= self.keys()
        return super().values()

    def items(self) -> Any:
        self.used |= self.keys()
        return super().items()

    def __missing__(self, name: str) -> Path:
        declared = ", ".join(f"'{each}'" for each in self) or "none"
        raise UndeclaredError(
            f"stage '{self.stage}' asked for '{name}', which is not among its {self.section} ({declared}). "
            f"Declare it in stages.{self.stage.split('@')[0]}.{self.section} in dvc.yaml."
        )


class DeclaredParams(dict[str, Any]):
    """The declared keys of params.yaml, nested as in the file. Records which ones were asked for."""

    def __init__(self, stage: str, values: dict[str, Any], prefix: str = ""):
        super().__init__(
            {
                key: DeclaredParams(stage, value, f"{prefix}{key}.") if isinstance(value, dict) else value
                for key, value in values.items()
            }
        )
        self.stage, self.prefix, self.used = stage, prefix, set[str]()

    def __getitem__(self, key: str) -> Any:
        self.used.add(key)
        return super().__getitem__(key)

    def get(self, key: str, default: Any = None) -> Any:
        """Return a declared value. An undeclared key is refused: a default would hide the value in params.yaml."""
        return self[key]

    def __missing__(self, key: str) -> Any:
        raise UndeclaredError(
            f"stage '{self.stage}' may not use the param '{self.prefix}{key}': dvc.yaml does not declare it.\n"
            f"  Add to stages.{self.stage.split('@')[0]}.params in dvc.yaml:\n      - {self.prefix}{key}"
        )

    def used_keys(self) -> Iterator[str]:
        """Yield the dotted keys that were asked for. A section counts as a whole if none of its keys was asked for."""
        for key in sorted(self.used & self.keys()):
            value = super().__getitem__(key)
            if isinstance(value, DeclaredParams) and value.used:
                yield from value.used_keys()
            else:
                yield self.prefix + key


@dataclass(frozen=True)
class Stage:
    """What a stage's entry in dvc.yaml declares, which is all that the stage may access.

    Attributes
    ----------
    name
        Name in DVC: "train", or "train@adult" for one item of a matrix.
    inputs, outputs
        Paths by name. The name is the last part of the declared path ("data/prepared/train" is "train"). If that part is a
        template, the name is the key of the template ("${data.path}" is "data.path"). Outputs are written into a temporary
        folder; they are moved to their final paths after the stage has succeeded.
    params
        The declared keys, nested as in params.yaml.
    scratch
        Folder that survives a killed run: the next run with the same inputs, params and code finds its files.
    """

    name: str
    inputs: DeclaredPaths
    outputs: DeclaredPaths
    params: DeclaredParams
    scratch: Path


def run(name: str) -> None:
    """Run the calling script as a stage if `name` is "__main__"; do nothing if the script is imported."""
    if name != "__main__" or SEALED:
        return
    from veritable.stage.supervisor import supervise  # the sealed process does not need it

    script = Path(sys.argv[0]).resolve()
    sys.path.remove(str(script.parent))  # a stage named "code" would hide the module of the standard library
    gc.disable()  # DVC's modules live until the end. Collecting garbage among them
    status = supervise(script)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # and tearing them down would be a fifth of the cost of the contract
