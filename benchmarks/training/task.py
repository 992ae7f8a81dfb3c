"""The input of every contestant: rows, settings of the network, and a clock for its epochs. Needs only numpy.

A contestant is a module with a function `fit(task, laps)` that trains a network and returns a function from rows to classes.
"""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

Predict = Callable[[np.ndarray], np.ndarray]
Rows = tuple[np.ndarray, np.ndarray]


class Task(NamedTuple):
    """One fit.

    Attributes
    ----------
    parts
        X and y of train, valid and optionally test. Shape: X (rows, width) float32, y (rows,) int64
    network
        "mlp" or "tabm".
    settings
        Section of the network in `train` of params.yaml.
    folder
        Folder for temporary files.
    """

    parts: dict[str, Rows]
    network: str
    settings: dict[str, Any]
    threads: int
    seed: int
    folder: Path

    @property
    def n_classes(self) -> int:
        return int(self.parts["train"][1].max()) + 1


def save(path: Path, task: Task) -> None:
    """Write the rows as .npz, and everything else as .json beside it."""
    np.savez(path, **{f"{name}_{key}": rows for name, part in task.parts.items() for key, rows in zip("Xy", part, strict=True)})
    path.with_suffix(".json").write_text(json.dumps(task._replace(parts={}, folder=".")._asdict()))


def load(path: Path, folder: Path) -> Task:
    """Read what `save` wrote."""
    with np.load(path) as file:
        parts = {name: (file[f"{name}_X"], file[f"{name}_y"]) for name in ("train", "valid", "test")}
    return Task(**json.loads(path.with_suffix(".json").read_text()) | {"parts": parts, "folder": folder})


class Laps:
    """Clock that records wall and CPU seconds at the start of each epoch and at the end of its last step."""

    def __init__(self) -> None:
        self.starts: list[tuple[float, float]] = []
        self.stops: list[tuple[float, float]] = []

    def start(self) -> None:
        """Record the start of an epoch, before its rows are shuffled."""
        self.starts.append((time.perf_counter(), time.process_time()))

    def stop(self) -> None:
        """Record the end of the last step of an epoch, before validation."""
        self.stops.append((time.perf_counter(), time.process_time()))

    @property
    def steps(self) -> np.ndarray:
        """Seconds of the steps of each epoch. Shape: (epochs, 2), wall and CPU"""
        return np.array(self.stops) - np.array(self.starts)

    @property
    def ends(self) -> np.ndarray:
        """Seconds from the last step of each epoch to the start of the next one. Shape: (epochs - 1, 2), wall and CPU"""
        return np.array(self.starts[1:]) - np.array(self.stops[:-1])
