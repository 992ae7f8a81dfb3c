"""Read `meta:` of a stage in dvc.yaml: the params in no cache key, and the exceptions from the seal.

```yaml
    meta:
      unkeyed: [machine]      # params that the stage is handed and that change no result
      env: [MODEL_ZOO]        # environment variables that the stage reads; their values are in its cache key
      secrets: [PASSWORD]     # the same, but in no cache key and in no file
      outside: [/srv/fonts]   # files and folders outside the repository that the stage uses; DVC does not see them change
      network: data.database  # true, or a param: the network is available if the param is set
```
"""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from veritable.errors import UserError


@dataclass(frozen=True)
class Exceptions:
    """What a stage may access besides its deps, outs and params.

    Attributes
    ----------
    env, secrets
        Names of environment variables. The values of the first are in the stage's code file, as hashes.
    outside
        Absolute paths that the stage may read and write.
    network
        Whether the stage may use the network.
    """

    env: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    outside: tuple[str, ...] = ()
    network: bool = False


def unkeyed_of(stage: Any) -> tuple[str, ...]:
    """Return the keys of params.yaml that a stage is handed although no cache key has them.

    Such a param must not change any result, e.g. the number of threads.

    Raises
    ------
    UserError
        The entry is not a list of keys.
    """
    return _texts(stage, "unkeyed", "keys of params.yaml")


def env_of(stage: Any) -> tuple[str, ...]:
    """Return the names of the environment variables whose values are in the cache key of a stage."""
    return _texts(stage, "env", "names of environment variables")


def hash_variable(name: str) -> str:
    """Return a hash of the value of an environment variable; "unset" if it is not set."""
    value = os.environ.get(name)
    return "unset" if value is None else hashlib.sha256(f"{name}={value}".encode(errors="surrogateescape")).hexdigest()[:16]


def exceptions_of(stage: Any, param: Callable[[str], Any]) -> Exceptions:
    """Return the exceptions from the seal that the entry of a stage declares.

    Parameters
    ----------
    stage
        A stage of DVC.
    param
        Function that returns the value of a dotted key of params.yaml.

    Raises
    ------
    UserError
        An entry has the wrong type, or `network` names a param that does not exist.
    """
    outside = (os.path.join(stage.wdir, os.path.expanduser(path)) for path in _texts(stage, "outside", "paths"))
    return Exceptions(
        env=env_of(stage),
        secrets=_texts(stage, "secrets", "names of environment variables"),
        outside=tuple(map(os.path.normpath, outside)),
        network=_network(stage, param),
    )


def _network(stage: Any, param: Callable[[str], Any]) -> bool:
    wanted = _meta(stage).get("network", False)
    if isinstance(wanted, str):
        return param(wanted) not in (None, False)
    if not isinstance(wanted, bool):
        raise UserError(
            f"stages.{stage.name}.meta.network in dvc.yaml must be true, or a key of params.yaml that must be set, but is "
            f"{wanted!r}."
        )
    return wanted


def _texts(stage: Any, key: str, what: str) -> tuple[str, ...]:
    values = _meta(stage).get(key, [])
    if not isinstance(values, list) or not all(isinstance(value, str) and value for value in values):
        raise UserError(f"stages.{stage.name}.meta.{key} in dvc.yaml must be a list of {what}, but is {values!r}.")
    return tuple(values)


def _meta(stage: Any) -> dict[str, Any]:
    return stage.meta if isinstance(stage.meta, dict) else {}
