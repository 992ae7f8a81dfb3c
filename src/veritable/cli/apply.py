"""`python -m veritable apply`: write the best params that the stage `tune` has found into params.yaml."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from veritable.cli.yaml_file import change_values, read_yaml
from veritable.errors import UserError
from veritable.files import read_json
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
    data = DataParams.parse("data", params.get("data", {}))
    train = TrainParams.parse("train", params.get("train", {}))
    tune = TuneParams.parse("tune", params.get("tune", {}))
    now = dict(flatten({"data": data.model_dump(include={"path"}), "train": train.model_dump()}))
    base = found["base"]  # values that the search depended on, by dotted key
    if all(now.get(key) == value for key, value in (base | best).items()):
        print(f"{file} already has the best params. {NEXT}")
        return 0
    if differing := [key for key in base if base[key] != now.get(key)]:
        key = differing[0]
        before, after = _text(base[key]), _text(now.get(key))
        raise UserError(
            f"{tuning} must belong to the params in {file}, but {key} was {before} in the search and is now {after}. "
            f"Change it back, or run `dvc repro tune` to search again."
        )
    changes = best | ({"tune.n_trials": 0} if tune.n_trials else {})  # otherwise `dvc repro` would search again
    change_values(file, changes)
    for key, value in changes.items():
        print(f"{key} {_text(now.get(key, tune.n_trials))} -> {_text(value)}")
    print(NEXT)
    return 0


def flatten(params: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the dotted key and the value of each param in nested sections."""
    for key, value in params.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{above}{key}.")
        else:
            yield above + key, value


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
