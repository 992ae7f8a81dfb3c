"""What every contestant gets: the rows, the settings of the network, and a clock for its epochs. Needs only numpy.

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
        X, y of train, valid and, where there is one, test. Shape: X (rows, width) float32, y (rows,) int64
    network
        mlp or tabm.
    settings
        The network's section below `train` in params.yaml.
    folder
        For what is written on the way.
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
    """Write the rows as .npz, and everything else as a .json file beside it."""
    np.savez(path, **{f"{name}_{key}": rows for name, part in task.parts.items() for key, rows in zip("Xy", part, strict=True)})
    path.with_suffix(".json").write_text(json.dumps(task._replace(parts={}, folder=".")._asdict()))


def load(path: Path, folder: Path) -> Task:
    """Read what `save` wrote."""
    with np.load(path) as file:
        parts = {name: (file[f"{name}_X"], file[f"{name}_y"]) for name in ("train", "valid", "test")}
    return Task(**json.loads(path.with_suffix(".json").read_text()) | {"parts": parts, "folder": folder})


class Laps:
    """Wall and CPU seconds at the start of each epoch, and at the end of its last step."""

    def __init__(self) -> None:
        self.starts: list[tuple[float, float]] = []
        self.stops: list[tuple[float, float]] = []

    def start(self) -> None:
        """Record the time before the rows of an epoch are shuffled."""
        self.starts.append((time.perf_counter(), time.process_time()))

    def stop(self) -> None:
        """Record the time after the last step of an epoch, before validation."""
        self.stops.append((time.perf_counter(), time.process_time()))

    @property
    def steps(self) -> np.ndarray:
        """Seconds of the steps of each epoch. Shape: (epochs, 2), wall and CPU"""
        return np.array(self.stops) - np.array(self.starts)

    @property
    def ends(self) -> np.ndarray:
        """Seconds from the last step of an epoch to the start of the next. Shape: (epochs - 1, 2), wall and CPU"""
        return np.array(self.starts[1:]) - np.array(self.stops[:-1])
