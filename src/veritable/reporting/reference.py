"""The reference: the results of an earlier classifier, in a folder that the report compares with."""

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from veritable.errors import UserError
from veritable.evaluation.comparison import Judged
from veritable.evaluation.params import EvaluateParams
from veritable.evaluation.predictions import PartPredictions
from veritable.files import read_json, write_json
from veritable.reporting.comparison import CURVES, Side, summarize_comparison
from veritable.reporting.frames import read_frame

FACTS = "reference.json"
FILES = (
    "evaluation/metrics.json",
    "evaluation/predictions.parquet",
    "explanation/importance.csv",
    *(f"evaluation/{name}.csv" for name in CURVES),
)


def write_reference(folder: Path, files: Mapping[str, bytes], side: Side) -> None:
    """Write the folder of a reference.

    Parameters
    ----------
    files
        Content of `FILES`.
    side
        What else is known of the version.
    """
    for path, content in files.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    write_json(folder / FACTS, {"name": side.name, "classifier": side.classifier, "params": side.params, "code": side.code})


def read_side(files: Mapping[str, bytes], **fields: Any) -> Side:
    """Make a side of a comparison from the content of those of `FILES` that are there.

    Parameters
    ----------
    fields
        What else is known of the version: fields of `Side`.
    """
    judged = None
    if "evaluation/metrics.json" in files and "evaluation/predictions.parquet" in files:
        results = json.loads(files["evaluation/metrics.json"])
        classes = results["classes"]
        predictions = PartPredictions.read(io.BytesIO(files["evaluation/predictions.parquet"]), classes)
        judged = Judged(predictions, classes, results["threshold"])
    importance = files.get("explanation/importance.csv")
    return Side(
        judged=judged,
        curves={name: read_frame(files[path]) for name in CURVES if (path := f"evaluation/{name}.csv") in files},
        importance=None if importance is None else read_frame(importance),
        **fields,
    )


def read_files(evaluation: Path, explanation: Path) -> dict[str, bytes]:
    """Read those of `FILES` that are there from the outputs of the stages `evaluate` and `explain`."""
    folders = {"evaluation": evaluation, "explanation": explanation}
    paths = {name: folders[name.split("/")[0]] / name.split("/")[1] for name in FILES}
    return {name: path.read_bytes() for name, path in paths.items() if path.is_file()}


def compare_with_reference(folder: Path, new: Side, evaluate: EvaluateParams) -> dict[str, Any] | None:
    """Compare a version with the reference in a folder; None if the path is no folder, which stands for no reference.

    Raises
    ------
    UserError
        The folder holds something else.
    """
    if not folder.is_dir():
        return None
    if not (folder / FACTS).is_file():
        raise UserError(
            f"'report.reference' in params.yaml must be a folder that `make promote` wrote, but {folder.name}/ has no {FACTS}. "
            "Run `make promote`, or set it to models/nothing to compare with none."
        )
    files = read_files(folder / "evaluation", folder / "explanation")
    return summarize_comparison(read_side(files, **read_json(folder / FACTS)), new, evaluate)
