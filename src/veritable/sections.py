"""params.yaml as a whole: which model checks which section."""

import difflib
import re
from collections.abc import Mapping
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


def check_params(params: Mapping[str, Any], pipeline: str) -> None:
    """Check every section; one that the text of dvc.yaml does not speak of is a mistake.

    Raises
    ------
    ParamsError
        The first mistake.
    """
    for name, values in params.items():
        if name in SECTIONS:
            SECTIONS[name].parse(name, values)
        elif not re.search(rf"\b{re.escape(name)}\b", pipeline):
            near = difflib.get_close_matches(name, SECTIONS, n=1)
            hint = f"Did you mean '{near[0]}'?" if near else f"Known are: {', '.join(SECTIONS)}."
            raise ParamsError(f"params.yaml has no section '{name}'. {hint}")
