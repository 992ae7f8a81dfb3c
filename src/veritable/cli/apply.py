"""`python -m veritable apply`: write the best params that the stage `tune` has found into params.yaml."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from veritable.cli.yaml_file import change_values, read_yaml
from veritable.errors import UserError
from veritable.files import read_json
from veritable.params import Section
from veritable.tables.params import DataParams
from veritable.training.params import TrainParams, TuneParams

NEXT = (
    "Run `dvc repro` to train with them. Judge them on the test part: their validation loss is optimistic, because they were "
    "selected by it."
)


def apply(tuning: Path, file: Path) -> int:
    """Change params.yaml, and print each change and what to run next. Return the exit code.

    Parameters
    ----------
    tuning
        Folder with the result of the search.
    file
        The file params.yaml.

    Raises
    ------
    UserError
        There is no result, or the search started from other params than those in the file.
    """
    if not file.is_file():
        raise UserError(f"{file} does not exist in this folder. Change to the top folder of the repository.")
    found = read_json(tuning / "best.json") if (tuning / "best.json").is_file() else {}
    if not found.get("best"):
        raise UserError(
            f"{tuning} must hold the result of a search, but holds none. Set tune.n_trials in params.yaml, e.g. to 40, and run "
            "`dvc repro tune`."
        )
    best = {f"train.{key}": value for key, value in found["best"]["params"].items()}
    if not best:
        print(f"Nothing to apply: none of {found['trials']:,} parameter sets was better than the one in {file}.")
        return 0
    params = read_yaml(file)
    params = params if isinstance(params, Mapping) else {}
    models: dict[str, type[Section]] = {"data": DataParams, "train": TrainParams, "tune": TuneParams}
    values = {name: model.parse(name, params.get(name, {})).model_dump() for name, model in models.items()}
    base = found["base"]  # values that the search depended on, by dotted key
    now = {key: _value_at(values, key) for key in base | best}
    if now == base | best:
        print(f"{file} already has the best params. {NEXT}")
        return 0
    if differing := [key for key in base if base[key] != now[key]]:
        key = differing[0]
        raise UserError(
            f"{tuning} must belong to the params in {file}, but {key} was {_text(base[key])} in the search and is now "
            f"{_text(now[key])}. Change it back, or run `dvc repro tune` to search again."
        )
    changes = best | ({"tune.n_trials": 0} if values["tune"]["n_trials"] else {})  # otherwise `dvc repro` would search again
    change_values(file, changes)
    for key, value in changes.items():
        print(f"{key} {_text(_value_at(values, key))} -> {_text(value)}")
    print(NEXT)
    return 0


def _value_at(values: Any, key: str) -> Any:
    """Return the value of a dotted key; None if there is none."""
    for name in key.split("."):
        values = values.get(name) if isinstance(values, Mapping) else None
    return values


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
