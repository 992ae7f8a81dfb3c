"""`python -m veritable compare`: what differs between two versions, from what git and DVC hold of them."""

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from veritable.cli.revisions import Version, read_versions
from veritable.errors import UserError
from veritable.evaluation.comparison import Judged
from veritable.evaluation.params import EvaluateParams
from veritable.evaluation.predictions import PartPredictions
from veritable.reporting.comparison import Side, render_comparison_html, render_comparison_markdown, summarize_comparison

EVALUATION, EXPLANATION, METRICS = "reports/evaluation", "reports/explanation", "reports/metrics.json"
CURVES = ("roc", "pr", "calibration")
FILES = [f"{EVALUATION}/metrics.json", f"{EVALUATION}/predictions.parquet", *(f"{EVALUATION}/{each}.csv" for each in CURVES)]
FILES += [f"{EXPLANATION}/importance.csv"]
_TEXTS: Mapping[str, Any] = {"dtype": {"class": str, "column": str}, "keep_default_na": False}  # a class may be called "NA"


def compare(old: str, new: str, *, output: Path, markdown: bool) -> int:
    """Compare two revisions of the repository in the working directory. Return the exit code.

    Parameters
    ----------
    output
        The page to write. With `markdown`, the text for a pull request is printed instead.

    Raises
    ------
    UserError
        A revision does not exist or holds no run.
    """
    versions = read_versions(Path.cwd(), [old, new], [*FILES, METRICS])
    params = versions[1].params.get("evaluate") or versions[0].params.get("evaluate")
    if params is None:
        raise UserError(
            f"{new} must hold a run of the stage 'evaluate', but does not. Run `dvc repro` there, and commit dvc.lock."
        )
    first, second = map(_side, versions)
    facts = summarize_comparison(first, second, EvaluateParams.parse("evaluate", params))
    if markdown:
        print(render_comparison_markdown(facts), end="")
        return 0
    output.parent.mkdir(parents=True, exist_ok=True)
    partial = output.with_name(f".{output.name}.partial")
    partial.write_text(render_comparison_html(facts), "utf-8")
    partial.replace(output)
    for sentence in (facts["headline"], facts["flips"], facts["caution"], *facts["notes"]):
        if sentence:
            print(sentence)
    print(f"Comparison  {output}")
    return 0


def _side(version: Version) -> Side:
    files = version.files
    return Side(
        name=f"{version.name} ({version.commit})" if version.commit and version.name != version.commit else version.name,
        judged=_judged(files),
        metrics=json.loads(files[METRICS]) if METRICS in files else {},
        curves={name: _csv(files[path]) for name in CURVES if (path := f"{EVALUATION}/{name}.csv") in files},
        importance=_csv(files[path]) if (path := f"{EXPLANATION}/importance.csv") in files else None,
        params=version.params,
        inputs=version.inputs,
        classifier=version.classifier,
        code=version.code,
        notes=version.notes,
    )


def _judged(files: Mapping[str, bytes]) -> Judged | None:
    paths = [f"{EVALUATION}/metrics.json", f"{EVALUATION}/predictions.parquet"]
    if not all(path in files for path in paths):
        return None
    results = json.loads(files[paths[0]])
    classes = results["classes"]
    return Judged(PartPredictions.read(io.BytesIO(files[paths[1]]), classes), classes, results["threshold"])


def _csv(content: bytes) -> pd.DataFrame:
    frame: pd.DataFrame = pd.read_csv(io.BytesIO(content), **_TEXTS)
    return frame
