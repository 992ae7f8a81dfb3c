"""`make repro`: `dvc repro`, then a few lines that say what ran, what came of it and where to look."""

import difflib
import logging
import re
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from rich.console import Console

from veritable.errors import UserError
from veritable.evaluation.params import BaselineParams, EvaluateParams, ThresholdParams
from veritable.explanation.params import ExplainParams
from veritable.files import read_json
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
HEADLINE = {"roc_auc": "ROC AUC", "log_loss": "log loss", "accuracy": "accuracy", "f1": "F1"}


def repro(arguments: list[str]) -> int:
    """Run `dvc repro` with `arguments` in the repository of the working directory; returns the exit code.

    A mistake in params.yaml is told before DVC removes the outputs that it is about to make anew.

    Raises
    ------
    UserError
        params.yaml cannot be read, or a section of it cannot be what it is.
    """
    from dvc.cli import main as dvc
    from dvc.exceptions import DvcException
    from dvc.utils.serialize import load_yaml

    try:
        check_params(load_yaml("params.yaml"), Path("dvc.yaml").read_text())
    except DvcException as error:
        raise UserError(f"params.yaml must be YAML: {error.__cause__ or error}") from error
    ran = _Ran()
    logging.getLogger("dvc").addHandler(ran)
    if other := _other_version(Path("code")):
        print(f"{other}: stating the versions of this machine, and running again what they concern.")
        dvc(["repro", "--quiet", "--force", "--single-item", "code"])
    if code := dvc(["repro", *arguments]):
        return int(code)
    _say(ran)
    return 0


def check_params(params: dict[str, Any], pipeline: str) -> None:
    """Check every section; one that dvc.yaml does not speak of is a mistake."""
    for name, values in params.items():
        if name in SECTIONS:
            SECTIONS[name].parse(name, values)
        elif not re.search(rf"\b{re.escape(name)}\b", pipeline):
            near = difflib.get_close_matches(name, SECTIONS, n=1)
            hint = f"Did you mean '{near[0]}'?" if near else f"Known are: {', '.join(SECTIONS)}."
            raise ParamsError(f"params.yaml has no section '{name}'. {hint}")


class _Ran(logging.Handler):
    """Hears from DVC which stages ran, which came from the cache and which were up to date."""

    def __init__(self) -> None:
        super().__init__()
        self.stages: dict[str, list[str]] = {"ran": [], "from the cache": [], "up to date": []}

    def emit(self, record: logging.LogRecord) -> None:
        if found := re.match(r"(Running stage|Stage) '([^']+)'(.*)", record.getMessage()):
            verb, stage, rest = found.groups()
            how = "ran" if verb == "Running stage" else "from the cache" if "cached" in rest else "up to date"
            self.stages[how].append(stage)


def _other_version(folder: Path) -> str:
    """ "numpy 2.4.7 where code/ states 2.4.6" for the first difference; "" where there is none."""
    lines = {line for file in folder.glob("*.txt") for line in file.read_text().splitlines()}
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    for line in sorted(lines):
        kind, *words = line.split()
        if kind == "python" and words != [python]:
            return f"Python {python} where code/ states {words[0]}"
        if kind == "package":
            try:
                installed = metadata.version(words[0])
            except metadata.PackageNotFoundError:
                installed = "not installed"
            if installed != words[1]:
                return f"{words[0]} {installed} where code/ states {words[1]}"
    return ""


def _say(ran: _Ran) -> None:
    metrics = read_json(Path("reports/metrics.json"))
    shown = []
    for key, label in HEADLINE.items():
        metric = metrics["network"][key]
        if metric["low"] is not None:
            shown.append(f"{label} {metric['value']:.3f} [{metric['low']:.3f}, {metric['high']:.3f}]")
    how = "; ".join(f"{how}: {', '.join(stages)}" for how, stages in ran.stages.items() if stages and how != "up to date")
    same = len(ran.stages["up to date"])
    console = Console(highlight=False, soft_wrap=True)
    console.print()
    console.print(f"[bold]Test part[/], {metrics['rows']:,} rows: {'; '.join(shown)}")
    console.print("[bold]Stages[/]     ", "; ".join(filter(None, [how, f"up to date: {same}" if same else ""])))
    console.print("[bold]Report[/]      reports/report.html")
