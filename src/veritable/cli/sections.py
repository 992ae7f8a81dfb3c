"""Check params.yaml as a whole: each section with the model of its room."""

import difflib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from veritable.evaluation.params import BaselineParams, EvaluateParams
from veritable.explanation.params import ExplainParams
from veritable.metrics.params import DecisionParams
from veritable.params import MachineParams, ParamsError, Section
from veritable.reporting.params import ReportParams
from veritable.sharing.params import ShareParams
from veritable.tables.params import DataParams, GenerateParams
from veritable.tables.reading.open import check_inside
from veritable.tables.reading.pseudonyms import check_key
from veritable.training.params import TrainParams, TuneParams

NOTHING = (
    "models/nothing"  # as train.init, train.member or report.reference: a file, because DVC requires a dependency to exist
)
SECTIONS: dict[str, type[Section]] = {
    "machine": MachineParams,
    "generate": GenerateParams,
    "data": DataParams,
    "train": TrainParams,
    "tune": TuneParams,
    "baselines": BaselineParams,
    "decision": DecisionParams,
    "evaluate": EvaluateParams,
    "explain": ExplainParams,
    "report": ReportParams,
    "share": ShareParams,
}


def check_params(params: Any, pipeline: Any) -> None:
    """Check every section, and that the table exists in the repository.

    Parameters
    ----------
    params, pipeline
        Contents of params.yaml and dvc.yaml.

    Raises
    ------
    UserError
        Describes the first mistake.
    """
    if not isinstance(params, Mapping):
        raise ParamsError("params.yaml must hold sections, but holds none. Restore it with git.")
    stages = pipeline.get("stages") if isinstance(pipeline, Mapping) else None
    if not isinstance(stages, Mapping) or not all(isinstance(stage, Mapping) for stage in stages.values()):
        raise ParamsError("dvc.yaml must hold stages, each with keys, but does not. Restore it with git.")
    declared = _declared_sections(stages)
    for name in [*params, *(each for each in SECTIONS if each in declared and each not in params)]:
        if name in SECTIONS:
            SECTIONS[name].parse(name, params.get(name, {}))
        elif name not in declared and not _is_interpolated(name, stages):
            near = difflib.get_close_matches(str(name), SECTIONS, n=1)
            hint = f"Did you mean '{near[0]}'?" if near else f"The sections are: {', '.join(SECTIONS)}."
            raise ParamsError(f"params.yaml has no section '{name}'. {hint}")
    if "train" in params:
        train = TrainParams.parse("train", params["train"])
        _check_folder("train.init", train.init, "a classifier", "start with random weights")
        _check_folder("train.member", train.member, "a pretrained model", "blend without one")
    if "report" in params:
        reference = ReportParams.parse("report", params["report"]).reference
        _check_folder("report.reference", reference, "a reference", "compare with none")
        _check_card(ReportParams.parse("report", params["report"]).model_card)
    if "data" in params:
        _check_table(DataParams.parse("data", params["data"]), stages)


def _declared_sections(stages: Mapping[str, Any]) -> set[str]:
    """Return the sections that stages declare in `params`, or in `meta.unkeyed` if they change no result."""
    keys = [key for stage in stages.values() for key in stage.get("params") or []]
    metas = [stage["meta"] for stage in stages.values() if isinstance(stage.get("meta"), Mapping)]
    keys += [key for meta in metas for key in meta.get("unkeyed") or []]
    return {key.split(".")[0] for key in keys if isinstance(key, str)}


def _is_interpolated(name: Any, stages: Mapping[str, Any]) -> bool:
    """Return whether a stage inserts values of a section by DVC's templates, as in `${train.seed}`."""
    return re.search(rf"\$\{{{re.escape(str(name))}\b", json.dumps(stages, default=str)) is not None


def _check_folder(key: str, folder: str, what: str, without: str) -> None:
    """Check a folder before DVC does, because DVC's message does not name the key."""
    if folder != NOTHING and not os.path.isdir(folder):  # noqa: PTH112  os.path accepts a name that is too long
        raise ParamsError(
            f"'{key}' in params.yaml must be the folder of {what}, but '{folder}' does not exist. Set it to "
            f"{NOTHING} to {without}."
        )


def _check_card(card: str) -> None:
    """Check the file before DVC does, because DVC's message does not name the key."""
    if not os.path.isfile(card):  # noqa: PTH113  os.path accepts a name that is too long
        raise ParamsError(
            f"'report.model_card' in params.yaml must be a Markdown file, but '{card}' is none. Correct the path, or restore "
            "docs/model-card.md with git; it may be empty."
        )


def _check_table(data: DataParams, stages: Mapping[str, Any]) -> None:
    """Check the table before DVC does, because DVC's message does not name the key."""
    table = Path(data.path)
    if data.pseudonymise:
        check_key(data.pseudonymise, data.pseudonym_key)  # DVC sees the param, but not the environment
    if not data.allow_outside:
        check_inside(table, Path.cwd())
    outs = [out if isinstance(out, str) else next(iter(out)) for stage in stages.values() for out in stage.get("outs") or []]
    if any(table.is_relative_to(out) for out in outs):
        return  # made by a stage
    if not os.path.exists(table):  # noqa: PTH110  os.path accepts a name that is too long
        raise ParamsError(f"'data.path' in params.yaml must be a table, but '{table}' does not exist. Correct the path.")
