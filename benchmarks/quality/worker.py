"""The process of a contestant: read or prepare, fit, predict and evaluate, with the cost of each."""

import argparse
import contextlib
import importlib.metadata
import json
import resource
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import pandas as pd
from frames import Kinds, Limits, facts_of, read
from judge import judge

PREDICTIONS = 3  # the fastest counts; the first warms up
LIBRARIES = (
    "numpy pandas scikit-learn torch catboost lightgbm xgboost-cpu pytabkit autogluon.tabular pytorch-lightning tabm "
    "rtdl_num_embeddings"
)
T = TypeVar("T")
Predict = Callable[[pd.DataFrame], np.ndarray]


class Job(NamedTuple):
    """One run. `result.json` and `predictions.npz` are written to `folder`, which belongs to this run."""

    table: Path
    folder: Path
    limits: Limits


class Outcome(NamedTuple):
    """Predictions by part, and the facts of the run."""

    y_prob: dict[str, np.ndarray]
    result: dict[str, Any]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that every contestant takes."""
    parser.add_argument("table", type=Path, help="made by make.py, its JSON beside it")
    parser.add_argument("folder", type=Path, help="result.json and predictions.npz are written here")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=300, help="time budget, for contestants that have one")


def job_of(arguments: argparse.Namespace) -> Job:
    return Job(arguments.table, arguments.folder, Limits(arguments.seed, arguments.threads, arguments.seconds))


def work(
    job: Job,
    fit: Callable[[Any, Kinds, Limits], Predict],
    prepare: Callable[[Job], Any] | None = None,
) -> Outcome:
    """Fit and judge.

    Parameters
    ----------
    fit
        Takes what was prepared and returns a function from raw rows to probabilities, in the order of the table's classes.
    prepare
        Makes of the file what `fit` takes; None: it takes the parts as frames, and reading them is the preparation.
    """
    facts = facts_of(job.table)
    kinds = Kinds(facts["numbers"], facts["categories"], len(facts["classes"]))
    parts, reading = clock(lambda: read(job.table))
    prepared, preparing = clock(lambda: prepare(job)) if prepare else (parts, reading)
    predict_proba, fitting = clock(lambda: fit(prepared, kinds, job.limits))
    y_prob = {"valid": predict_proba(parts["valid"].X)}
    seconds = []
    for _ in range(PREDICTIONS):
        y_prob["test"], cost = clock(lambda: predict_proba(parts["test"].X))
        seconds.append(cost.wall)
    metrics = {name: judge(parts[name].y, np.asarray(each, dtype=np.float64)) for name, each in y_prob.items()}
    result = {
        "test": metrics["test"],
        "valid": metrics["valid"],
        "fit_cpu_seconds": fitting.cpu,
        "fit_wall_seconds": fitting.wall,
        "prepare_cpu_seconds": preparing.cpu,
        "predict_rows_a_second": len(parts["test"].y) / min(seconds),
        "versions": versions(),
    }
    return Outcome(y_prob, result)


class Cost(NamedTuple):
    """Return the CPU seconds, with those of finished child processes."""

    wall: float
    cpu: float


def clock(function: Callable[[], T]) -> tuple[T, Cost]:
    """Return the result of a function and its cost."""
    wall, cpu = time.perf_counter(), _cpu_seconds()
    value = function()
    return value, Cost(time.perf_counter() - wall, _cpu_seconds() - cpu)


def _cpu_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def versions() -> dict[str, str]:
    """Return the versions of the installed libraries."""
    found = {}
    for name in LIBRARIES.split():
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def write(job: Job, outcome: Outcome) -> None:
    """Write the result, and the probabilities, so that blends can be tried without fitting again."""
    np.savez_compressed(job.folder / "predictions.npz", **{k: np.asarray(v, np.float32) for k, v in outcome.y_prob.items()})
    _say(job, outcome.result)


def _say(job: Job, result: dict[str, Any]) -> None:
    partial = job.folder / "result.partial"
    partial.write_text(json.dumps(result))
    partial.rename(job.folder / "result.json")  # last: if it exists, the run is complete


@contextlib.contextmanager
def recorded(job: Job) -> Iterator[None]:
    """Record an exception as the result, in one line; the log has the traceback."""
    try:
        yield
    except Exception as error:
        traceback.print_exc()
        first = (str(error).strip().splitlines() or [""])[0]
        _say(job, {"error": f"{type(error).__name__}: {first}"[:300]})
