"""params.yaml as a whole: which model checks which section."""

import difflib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from veritable.evaluation.params import BaselineParams, EvaluateParams, ThresholdParams
from veritable.explanation.params import ExplainParams
from veritable.params import ParamsError, Section
from veritable.tables.params import DataParams, GenerateParams
from veritable.training.params import TrainParams

SECTIONS: dict[str, type[Section]] = {
    "generate": GenerateParams,
    "data": DataParams,
    "train": TrainParams,
    "baselines": BaselineParams,
    "threshold": ThresholdParams,
    "evaluate": EvaluateParams,
    "explain": ExplainParams,
}


def check_params(params: Mapping[str, Any], stages: Mapping[str, Any]) -> None:
    """Check every section, and that the table is there.

    Parameters
    ----------
    params, stages
        What params.yaml holds, and what dvc.yaml holds under `stages`.

    Raises
    ------
    ParamsError
        The first mistake.
    """
    if not isinstance(params, Mapping):
        raise ParamsError("params.yaml must hold sections of keys, however it holds none. Take it over from git.")
    declared = {key.split(".")[0] for stage in stages.values() for key in stage.get("params", []) if isinstance(key, str)}
    for name in [*params, *(each for each in SECTIONS if each in declared and each not in params)]:
        if name in SECTIONS:
            SECTIONS[name].parse(name, params.get(name, {}))
        elif name not in declared and not re.search(rf"\$\{{{re.escape(str(name))}\b", json.dumps(stages)):
            near = difflib.get_close_matches(str(name), SECTIONS, n=1)
            hint = f"Did you mean '{near[0]}'?" if near else f"Known are: {', '.join(SECTIONS)}."
            raise ParamsError(f"params.yaml has no section '{name}'. {hint}")
    table = Path(params["data"]["path"])
    made = [out if isinstance(out, str) else next(iter(out)) for stage in stages.values() for out in stage.get("outs", [])]
    if not table.exists() and not any(table.is_relative_to(out) for out in made):
        raise ParamsError(f"'data.path' in params.yaml must be a table that exists, however there is no '{table}'.")
