"""Steps of every contestant's process: read or prepare, fit, predict and judge, each with its cost."""

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

PREDICTIONS = 3  # number of predictions; the fastest counts, because the first one warms up
LIBRARIES = (
    "numpy pandas scikit-learn torch catboost lightgbm xgboost-cpu pytabkit autogluon.tabular pytorch-lightning tabm "
    "rtdl_num_embeddings"
)
T = TypeVar("T")
Predict = Callable[[pd.DataFrame], np.ndarray]


class Job(NamedTuple):
    """One run. It writes `result.json` and `predictions.npz` into `folder`, which no other run uses."""

    table: Path
    folder: Path
    limits: Limits


class Outcome(NamedTuple):
    """Content of `predictions.npz` and of `result.json`.

    Shape: y_true (n,) class codes of the test rows, y_prob (n, n_classes)
    """

    y_true: np.ndarray
    y_prob: np.ndarray
    result: dict[str, Any]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that all contestants have."""
    parser.add_argument("table", type=Path, help="CSV file made by make.py, beside its JSON file")
    parser.add_argument("folder", type=Path, help="folder for result.json and predictions.npz")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=300, help="time limit, for contestants that use all the time they get")


def job_of(arguments: argparse.Namespace) -> Job:
    return Job(arguments.table, arguments.folder, Limits(arguments.seed, arguments.threads, arguments.seconds))


def work(
    job: Job,
    fit: Callable[[Any, Kinds, Limits], Predict],
    prepare: Callable[[Job], Any] | None = None,
) -> Outcome:
    """Prepare, fit, predict and judge.

    Parameters
    ----------
    fit
        Function of the prepared table that returns a function from raw rows to probabilities, in the order of the classes.
    prepare
        Function that prepares the file for `fit`; None: `fit` gets the parts as frames, and preparing is reading them.
    """
    facts = facts_of(job.table)
    kinds = Kinds(facts["numbers"], facts["categories"], len(facts["classes"]))
    parts, reading = clock(lambda: read(job.table))
    prepared, preparing = clock(lambda: prepare(job)) if prepare else (parts, reading)
    predict_proba, fitting = clock(lambda: fit(prepared, kinds, job.limits))
    X, y_true = parts["test"]
    seconds = []
    for _ in range(PREDICTIONS):
        y_prob, cost = clock(lambda: np.asarray(predict_proba(X), dtype=np.float64))
        seconds.append(cost.wall)
    result = {
        "test": judge(y_true, y_prob),
        "fit_cpu_seconds": fitting.cpu,
        "fit_wall_seconds": fitting.wall,
        "prepare_cpu_seconds": preparing.cpu,
        "prepare_wall_seconds": preparing.wall,
        "predict_rows_a_second": len(y_true) / min(seconds),
        "versions": versions(),
    }
    return Outcome(y_true, y_prob, result)


class Cost(NamedTuple):
    """Wall and CPU seconds, including those of child processes that have ended."""

    wall: float
    cpu: float


def clock(function: Callable[[], T]) -> tuple[T, Cost]:
    """Call a function. Return its result and its cost."""
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
    """Write the result, and the predictions, with which leaderboard.py computes intervals over the rows."""
    arrays = {"y_true": outcome.y_true.astype(np.int32), "y_prob": outcome.y_prob.astype(np.float32)}
    np.savez_compressed(job.folder / "predictions.npz", **arrays)
    _write_result(job, outcome.result)


def _write_result(job: Job, result: dict[str, Any]) -> None:
    partial = job.folder / "result.partial"
    partial.write_text(json.dumps(result))
    partial.rename(job.folder / "result.json")  # last: if the file exists, the run is complete


@contextlib.contextmanager
def recorded(job: Job) -> Iterator[None]:
    """Write an exception as the result, in one line. The log has the traceback."""
    try:
        yield
    except Exception as error:
        traceback.print_exc()
        first = (str(error).strip().splitlines() or [""])[0]
        _write_result(job, {"error": f"{type(error).__name__}: {first}"[:300]})
