"""`make repro`: `dvc repro`, then a few lines that say what ran, what came of it and where to look.

Kept quick to import: where nothing is to be done, this is all that a person waits for.
"""

import hashlib
import json
import logging
import re
import sys
from importlib import metadata
from pathlib import Path

from veritable.errors import UserError

HEADLINE = {"roc_auc": "ROC AUC", "log_loss": "log loss", "accuracy": "accuracy", "f1": "F1"}


def repro(arguments: list[str]) -> int:
    """Run `dvc repro` with `arguments` in the repository of the working directory; returns the exit code.

    Raises
    ------
    UserError
        params.yaml cannot be read, or a section of it cannot be what it is.
    """
    from dvc.cli import main as dvc

    _check_params()
    ran = _Ran()
    logging.getLogger("dvc").addHandler(ran)
    if other := _other_version(Path("code")):
        print(f"{other}: stating the versions of this machine, and running again what they concern.", flush=True)
        dvc(["repro", "--quiet", "--force", "--single-item", "code"])
    if dvc(["repro", *arguments]):
        return 1
    if any(ran.stages.values()) and Path("reports/metrics.json").is_file():
        _say(ran)
    return 0


def _check_params() -> None:
    """Tell of a mistake before DVC removes the outputs that it is about to make anew. What passed is not read again."""
    rules = sorted(Path(__file__).parents[1].rglob("params.py"))
    files = [Path("params.yaml"), Path("dvc.yaml")]
    if absent := [str(each) for each in files if not each.is_file()]:
        raise UserError(f"{absent[0]} must stand in this folder, however it does not. Go to the top of the repository.")
    state = hashlib.sha256(b"\0".join(each.read_bytes() for each in (*files, *rules))).hexdigest()
    passed = Path(".dvc/tmp/params-checked")
    if passed.is_file() and passed.read_text() == state:
        return
    from veritable.cli.sections import check_params
    from veritable.cli.yaml_file import read_yaml

    params, pipeline = map(read_yaml, files)
    check_params(params, pipeline)
    passed.parent.mkdir(exist_ok=True)
    passed.write_text(state)


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
    for line in sorted(lines):
        kind, *words = line.split() or [""]
        if kind == "python":
            here = f"{sys.version_info.major}.{sys.version_info.minor}"
        elif kind == "package":
            here = _installed(words[0])
        else:
            continue
        if here != words[-1]:
            return f"{' '.join([kind, *words[:-1]]).removeprefix('package ')} {here} where code/ states {words[-1]}"
    return ""


def _installed(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "absent"


def _say(ran: _Ran) -> None:
    metrics = json.loads(Path("reports/metrics.json").read_text())
    shown = []
    for key, label in HEADLINE.items():
        metric = metrics["classifier"][key]
        if metric["low"] is not None:
            shown.append(f"{label} {metric['value']:.3f} [{metric['low']:.3f}, {metric['high']:.3f}]")
    how = [f"{how}: {', '.join(stages)}" for how, stages in ran.stages.items() if stages and how != "up to date"]
    same = len(ran.stages["up to date"])
    print(f"\nTest part, {metrics['rows']:,} rows: {'; '.join(shown)}")
    print(f"Stages      {'; '.join([*how, *([f'up to date: {same}'] if same else [])])}")
    print("Report      reports/report.html")
