"""`python -m veritable annex`: write technical documentation after Annex IV of the EU AI Act from the outputs."""

import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from veritable.cli.yaml_file import read_yaml
from veritable.digests import hash_path
from veritable.errors import UserError
from veritable.files import read_json, whole
from veritable.reporting.annex import MISSING, Output, write_annex
from veritable.reporting.frames import read_frame
from veritable.reporting.params import ReportParams
from veritable.reporting.pipeline import read_pipeline
from veritable.reporting.summary import parse_versions


def annex(output: Path) -> int:
    """Write the document and print how many statements are missing. Return the exit code.

    Raises
    ------
    UserError
        An output of the pipeline does not exist.
    """
    params = read_yaml(Path("params.yaml")) if Path("params.yaml").is_file() else None
    if not isinstance(params, dict):
        raise UserError("params.yaml does not exist in this folder. Change to the top folder of the repository.")
    card = Path(ReportParams.parse("report", params.get("report", {})).model_card)
    outputs = {name: _read(path, read) for name, (path, read) in _files(card, params).items()}
    groups = Path("reports/evaluation/groups.json")  # written only for tables with sensitive columns
    if groups.is_file():
        outputs["groups"] = _read(groups, read_json)
    stale = _stale_stages()
    text = write_annex(outputs, stale)
    with whole(output) as partial:
        partial.write_text(text, "utf-8")
    if stale:
        print(
            f"The outputs are not up to date, because of: {', '.join(stale)}. Run `dvc repro`, then this again.",
            file=sys.stderr,
        )
    print(f"Wrote {output}: {sum(line.startswith(MISSING) for line in text.splitlines())} statements are missing.")
    return 0


def _files(card: Path, params: dict[str, Any]) -> dict[str, tuple[Path, Callable[[Path], Any]]]:
    """Return the files that the document is made from, and how to read each."""
    return {
        "card": (card, lambda path: path.read_text("utf-8-sig")),
        "versions": (Path("code/train.txt"), lambda path: parse_versions(path.read_text("utf-8"))),
        "pipeline": (Path("code/pipeline.json"), lambda path: read_pipeline(read_json(path), params)),
        "table": (Path("data/prepared/table.json"), read_json),
        "plan": (Path("models/plan/train.json"), read_json),
        "findings": (Path("reports/findings.json"), read_json),
        "evaluation": (Path("reports/evaluation/metrics.json"), read_json),
        "test_findings": (Path("reports/evaluation/findings.json"), read_json),
        "explanation": (Path("reports/explanation/explanation.json"), read_json),
        "importance": (
            Path("reports/explanation/importance.csv"),
            lambda path: read_frame(path.read_bytes())[["column", "importance"]].to_dict("records"),
        ),
    }


def _read(path: Path, read: Callable[[Path], Any]) -> Output:
    if not path.is_file():
        raise UserError(f"{path} does not exist. Run `dvc repro`, or `dvc pull` if the results were pushed.")
    try:
        return Output(path.as_posix(), hash_path(path), read(path))
    except UnicodeDecodeError:
        raise UserError(f"{path} must be text in UTF-8, but is not. Correct it, or restore it with git.") from None


def _stale_stages() -> list[str]:
    """Return the stages that `dvc status` lists, without those that merely always run."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    logging.getLogger("dvc").setLevel(logging.ERROR)
    try:
        with Repo() as repo:
            status = repo.status()
    except DvcException as error:
        raise UserError(f"this folder must be a valid DVC repository, but is not: {error}.") from error
    return sorted(name for name, changes in status.items() if changes != ["always changed"])
