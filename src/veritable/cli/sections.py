"""params.yaml as a whole: which model checks which section."""

import difflib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from veritable.evaluation.params import BaselineParams, EvaluateParams
from veritable.explanation.params import ExplainParams
from veritable.metrics.params import ThresholdParams
from veritable.params import MachineParams, ParamsError, Section
from veritable.tables.params import DataParams, GenerateParams
from veritable.tables.reading.open import check_inside
from veritable.training.params import TrainParams, TuneParams

NO_CLASSIFIER = "models/nothing"  # as train.init: an empty file, because DVC requires a dependency to exist
SECTIONS: dict[str, type[Section]] = {
    "machine": MachineParams,
    "generate": GenerateParams,
    "data": DataParams,
    "train": TrainParams,
    "tune": TuneParams,
    "baselines": BaselineParams,
    "threshold": ThresholdParams,
    "evaluate": EvaluateParams,
    "explain": ExplainParams,
}


def check_params(params: Any, pipeline: Any) -> None:
    """Check every section, and that the table is there and lies in the repository.

    Parameters
    ----------
    params, pipeline
        What params.yaml and dvc.yaml hold.

    Raises
    ------
    UserError
        The first mistake.
    """
    if not isinstance(params, Mapping):
        raise ParamsError("params.yaml must hold sections of keys, however it holds none. Take it over from git.")
    stages = pipeline.get("stages") if isinstance(pipeline, Mapping) else None
    if not isinstance(stages, Mapping) or not all(isinstance(stage, Mapping) for stage in stages.values()):
        raise ParamsError("dvc.yaml must hold stages, each of them keys, however it does not. Take it over from git.")
    named = [key for stage in stages.values() for key in stage.get("params") or [] if isinstance(key, str)]
    metas = [stage["meta"] for stage in stages.values() if isinstance(stage.get("meta"), Mapping)]
    named += [key for meta in metas for key in meta.get("unkeyed") or [] if isinstance(key, str)]
    declared = {key.split(".")[0] for key in named}
    for name in [*params, *(each for each in SECTIONS if each in declared and each not in params)]:
        if name in SECTIONS:
            SECTIONS[name].parse(name, params.get(name, {}))
        elif name not in declared and not re.search(rf"\$\{{{re.escape(str(name))}\b", json.dumps(stages, default=str)):
            near = difflib.get_close_matches(str(name), SECTIONS, n=1)
            hint = f"Did you mean '{near[0]}'?" if near else f"Known are: {', '.join(SECTIONS)}."
            raise ParamsError(f"params.yaml has no section '{name}'. {hint}")
    if "train" in params:
        _check_init(TrainParams.parse("train", params["train"]).init)
    if "data" in params:
        made = [
            out if isinstance(out, str) else next(iter(out)) for stage in stages.values() for out in stage.get("outs") or []
        ]
        _check_table(DataParams.parse("data", params["data"]), made)


def _check_init(init: str) -> None:
    """Before DVC looks for it."""
    if init != NO_CLASSIFIER and not os.path.isdir(init):  # noqa: PTH112  a name too long is no error
        raise ParamsError(
            f"'train.init' in params.yaml must be a folder with a classifier, however there is no '{init}'. Set it to "
            f"{NO_CLASSIFIER} to start anew."
        )


def _check_table(data: DataParams, made: list[str]) -> None:
    """Before DVC looks at it, whose words for such a table are its own."""
    table = Path(data.path)
    if not data.allow_outside:
        check_inside(table, Path.cwd())
    if not any(table.is_relative_to(out) for out in made) and not os.path.exists(table):  # noqa: PTH110  a name too long is no error
        raise ParamsError(f"'data.path' in params.yaml must be a table that exists, however there is no '{table}'.")
