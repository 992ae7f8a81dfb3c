"""`python -m veritable repro`: run `dvc repro`, then print which stages ran, the headline metrics and the path of the report.

The module is quick to import, because the user waits for it even if there is nothing to run.
"""

import json
import logging
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from veritable.cli.sections import check_params
from veritable.cli.stopping import on_stop, raise_stopped
from veritable.cli.yaml_file import read_yaml
from veritable.errors import UserError, explain_shortage

HEADLINE = {"roc_auc": "ROC AUC", "log_loss": "log loss", "accuracy": "accuracy", "f1": "F1"}
METRICS, REPORT = Path("reports/evaluation/metrics.json"), Path("reports/report.html")
_LOCK, _TEMPORARY = Path("dvc.lock"), Path(".dvc/tmp")
_RESTORE_LOCK = (
    f"Restore it with `git checkout HEAD -- {_LOCK}` and run `make repro`: no result is lost that is still in DVC's cache."
)


def repro(arguments: list[str]) -> int:
    """Run `dvc repro` with `arguments` in the repository of the working directory. Return the exit code.

    Raises
    ------
    UserError
        params.yaml, dvc.yaml or dvc.lock is invalid, a stage is not sealed, or the pipeline is running already.
    """
    if absent := [name for name in ("params.yaml", "dvc.yaml", ".dvc") if not Path(name).exists()]:
        raise UserError(f"{absent[0]} does not exist in this folder. Change to the top folder of the repository.")
    from veritable.stage.process import exclusive_lock

    _TEMPORARY.mkdir(exist_ok=True)
    with exclusive_lock("the pipeline", _TEMPORARY / "repro.lock"):
        return _run_dvc(arguments)


def _run_dvc(arguments: list[str]) -> int:
    check_params(read_yaml(Path("params.yaml")), read_yaml(Path("dvc.yaml")))  # before DVC deletes outputs
    from dvc.cli import main as dvc

    from veritable.cli.outputs import kept_outputs
    from veritable.stage.commands import check_sealed
    from veritable.stage.restore import restore_outputs

    if not check_sealed(Path.cwd()):  # DVC says what is wrong with dvc.yaml, but not how to restore dvc.lock
        _check_lock()
    _use_this_python()
    with kept_outputs(Path.cwd()), on_stop(_end_stages), _stage_log() as log:
        if status := dvc(["repro", *arguments]):
            for stage in log.stages["ran"]:  # its own process restores them, unless it was killed
                restore_outputs(Path.cwd(), stage)
    if status or log.error:  # if an output cannot be cached, DVC logs an error, but does not fail
        if shortage := log.error and explain_shortage(log.error):
            print(f"DVC {shortage}", file=sys.stderr)
        return 1
    if any(log.stages.values()) and "--dry" not in arguments:
        _print_summary(log)
    return 0


def _use_this_python() -> None:
    """Let the stages, whose commands begin with `python`, run with this Python, also if its environment is not activated."""
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])


def _end_stages(number: int, frame: FrameType | None) -> None:
    """End the running stage: its own process cleans up, and DVC reports the failure. Without one, end DVC."""
    import psutil

    from veritable.stage.process import SHELLS

    running = [each for each in psutil.Process().children(recursive=True) if each.name() not in SHELLS]
    for each in running:
        each.terminate()
    if not running:
        raise_stopped(number)


def _check_lock() -> None:
    """Check dvc.lock, which DVC writes in place: a full disk or a power cut may leave a part of it.

    Raises
    ------
    UserError
        It is damaged. The message says how to restore it.
    """
    from dvc.schema import COMPILED_LOCKFILE_SCHEMA
    from voluptuous import Invalid

    if not _LOCK.is_file():
        return
    try:
        COMPILED_LOCKFILE_SCHEMA(read_yaml(_LOCK, _RESTORE_LOCK))
    except Invalid as error:
        raise UserError(f"{_LOCK} must be as DVC wrote it, but is not: {error}. {_RESTORE_LOCK}") from None


class _StageLog(logging.Handler):
    """Records from DVC's messages which stages ran, were restored from the cache or were up to date, and the last error."""

    def __init__(self) -> None:
        super().__init__()
        self.error: BaseException | None = None
        self.stages: dict[str, list[str]] = {"ran": [], "from the cache": [], "up to date": []}

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.ERROR and record.exc_info:
            self.error = record.exc_info[1]
        if found := re.match(r"(Running stage|Stage) '([^']+)'(.*)", record.getMessage()):
            verb, stage, rest = found.groups()
            how = "ran" if verb == "Running stage" else "from the cache" if "cached" in rest else "up to date"
            self.stages[how].append(stage)


@contextmanager
def _stage_log() -> Iterator[_StageLog]:
    log, loggers = _StageLog(), [logging.getLogger(name) for name in ("dvc", "dvc_data")]
    for logger in loggers:
        logger.addHandler(log)
    try:
        yield log
    finally:
        for logger in loggers:
            logger.removeHandler(log)


def _print_summary(log: _StageLog) -> None:
    print()
    reported = any("report" in stages for stages in log.stages.values())
    if reported and METRICS.is_file():
        print(_headline(json.loads(METRICS.read_text("utf-8"))))
    how = [f"{how}: {', '.join(stages)}" for how, stages in log.stages.items() if stages and how != "up to date"]
    unchanged = len(log.stages["up to date"])
    print(f"Stages      {'; '.join([*how, *([f'up to date: {unchanged}'] if unchanged else [])])}")
    if reported:
        print(f"Report      {REPORT}")
    else:
        print(f"Outputs     {', '.join(_outputs_of(log.stages['ran'] + log.stages['from the cache'])) or 'unchanged'}")
        print("Report      not part of this run. Run `python -m veritable repro` to update it.")


def _headline(results: dict[str, dict[str, dict[str, float | None]]]) -> str:
    shown, metrics = [], results["classifier"]
    for key, label in HEADLINE.items():
        metric = metrics[key]
        if metric["low"] is not None:
            shown.append(f"{label} {metric['value']:.3f} [{metric['low']:.3f}, {metric['high']:.3f}]")
    return f"Test part, {metrics['accuracy']['n']:,} rows: {'; '.join(shown)}"


def _outputs_of(stages: list[str]) -> list[str]:
    """Return the paths of the outputs of stages, relative to the working directory."""
    from dvc.repo import Repo

    with Repo() as repo:
        found = [stage for name in stages for stage in repo.stage.collect(name)]
        return [os.path.relpath(out.fs_path) for stage in found for out in stage.outs]
