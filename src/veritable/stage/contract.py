"""What a stage is handed, and how it is run.

A stage script begins with `run(__name__)` and defines one function of one argument. `python stages/train.py` then
looks up its own entry in dvc.yaml, starts a sealed process that can reach nothing but what that entry declares, and
calls the function there with a `Stage`.
"""

import gc
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from veritable.errors import UserError

SEALED = False  # set by `sealed`, in the process that a stage's function runs in


class Undeclared(UserError):  # noqa: N818  (reads as what happened)
    """The stage asked for something by a name that its entry in dvc.yaml does not have."""


class Named(dict[str, Path]):
    """Paths by name; remembers which were asked for."""

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
        has = ", ".join(f"'{each}'" for each in self) or "none"
        raise Undeclared(
            f"stage '{self.stage}' asked for '{name}', which is not among its {self.section} ({has}). "
            f"Declare it under stages.{self.stage.split('@')[0]}.{self.section} in dvc.yaml."
        )


class Params(dict[str, Any]):
    """The declared keys of params.yaml, nested as there; remembers which were asked for."""

    def __init__(self, stage: str, values: dict[str, Any], above: str = ""):
        super().__init__({k: Params(stage, v, f"{above}{k}.") if isinstance(v, dict) else v for k, v in values.items()})
        self.stage, self.above, self.used = stage, above, set[str]()

    def __getitem__(self, key: str) -> Any:
        self.used.add(key)
        return super().__getitem__(key)

    def get(self, key: str, default: Any = None) -> Any:
        """Refuses too: a default would hide that params.yaml may well have the key."""
        return self[key]

    def __missing__(self, key: str) -> Any:
        raise Undeclared(
            f"stage '{self.stage}' may not use the param '{self.above}{key}': dvc.yaml does not declare it.\n"
            f"  Add to stages.{self.stage.split('@')[0]}.params in dvc.yaml:\n      - {self.above}{key}"
        )

    def touched(self) -> Iterator[str]:
        """Dotted keys that were asked for; a section whose own keys nobody asked for one by one was taken whole."""
        for key in sorted(self.used & self.keys()):
            value = super().__getitem__(key)
            if isinstance(value, Params) and value.used:
                yield from value.touched()
            else:
                yield self.above + key


@dataclass(frozen=True)
class Stage:
    """What a stage's entry in dvc.yaml declares, and all that the stage may touch.

    Attributes
    ----------
    name
        As DVC calls it: "train", or "train@adult" for one of a matrix.
    inputs, outputs
        Paths by name. A name is the last part of the declared path ("data/prepared/train" is "train"); where that part
        is templated it is the template's key ("${data.path}" is "data.path"). Outputs lie in a folder of their own
        until the stage has ended well, then take their places.
    params
        The declared keys, nested as in params.yaml.
    scratch
        A folder that outlives a killed run: the next run of the same inputs, params and code finds it as it was.
    """

    name: str
    inputs: Named
    outputs: Named
    params: Params
    scratch: Path


def run(name: str) -> None:
    """Run the calling script as the stage that it is, if `name` is "__main__"; an import of it passes through."""
    if name != "__main__" or SEALED:
        return
    from veritable.stage.supervisor import supervise  # the sealed process never needs it

    script = Path(sys.argv[0]).resolve()
    sys.path.remove(str(script.parent))  # a stage called code, say, must not stand before the standard library's module
    gc.disable()  # DVC's many modules live until the end: looking through them again and again,
    status = supervise(script)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # and taking them down in order, would be a fifth of what the contract costs
