"""`python -m veritable apply`: the best params that the stage `tune` has found become those of params.yaml."""

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
    "Run `dvc repro` to train with them. valid chose them, so its loss flatters them: what they are worth, the test part says."
)


def apply(tuning: Path, file: Path) -> int:
    """Change params.yaml, say each change in a line and what to run next; returns the exit code.

    Raises
    ------
    UserError
        There is no result, or it started from other params than now stand in the file.
    """
    if not file.is_file():
        raise UserError(f"{file} must stand in this folder, however it does not. Go to the top of the repository.")
    found = read_json(tuning / "best.json") if (tuning / "best.json").is_file() else {}
    if not found.get("best"):
        raise UserError(
            f"{tuning} must hold the result of a search, however it holds none. Set tune.n_trials in params.yaml, say to 40, "
            "and run `dvc repro tune`."
        )
    best = {f"train.{key}": value for key, value in found["best"]["params"].items()}
    if not best:
        print(f"Nothing to apply: of {found['trials']:,} sets of params none was better than the one in {file}.")
        return 0
    params = read_yaml(file)
    params = params if isinstance(params, Mapping) else {}
    data = DataParams.parse("data", params.get("data", {}))
    train = TrainParams.parse("train", params.get("train", {}))
    tune = TuneParams.parse("tune", params.get("tune", {}))
    now = dict(_flat({"data": data.model_dump(include={"path"}), "train": train.model_dump()}))
    base = found["base"]  # the parameters that the search depended on
    if all(now.get(key) == value for key, value in (base | best).items()):
        print(f"{file} has them already. {NEXT}")
        return 0
    if differing := [key for key in base if base[key] != now.get(key)]:
        key = differing[0]
        was, is_now = _said(base[key]), _said(now.get(key))
        raise UserError(
            f"{tuning} must be of the params that stand in {file}, however {key} was {was} then and is {is_now} now. "
            f"Put it back, or run `dvc repro tune` to search from these."
        )
    changes = best | ({"tune.n_trials": 0} if tune.n_trials else {})  # else `dvc repro` would search on from there
    change_values(file, changes)
    for key, value in changes.items():
        print(f"{key} {_said(now.get(key, tune.n_trials))} -> {_said(value)}")
    print(NEXT)
    return 0


def _flat(params: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in params.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{key}.")
        else:
            yield above + key, value


def _said(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
