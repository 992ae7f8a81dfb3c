"""Measure the time per step of several contestants, which alternate in one process. Run by run.py; prints JSON.

    .venv/bin/python steps.py FOLDER --network mlp --width 28 --rows 16384 --batch-size 32 --contestants peer_torch ours

The first round and the first epoch of each fit are dropped, because they fill caches and import lazily.
"""

import argparse
import gc
import importlib
import json
import tempfile
from pathlib import Path

import numpy as np
import torch
from ruamel.yaml import YAML
from task import Laps, Rows, Task

ROOT = Path(__file__).resolve().parents[2]
SEED = 42
VALID_ROWS = 256


def make_rows(rows: int, width: int, seed: int) -> Rows:
    """Make random rows of two classes that depend on the first three columns, with noise."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((rows, width), dtype=np.float32)
    return X, (X[:, 0] - X[:, 1] * X[:, 2] + rng.standard_normal(rows, dtype=np.float32) > 0).astype(np.int64)


def measure(contestant: str, task: Task) -> dict[str, float]:
    """Fit once. Return wall and CPU microseconds per step and milliseconds between epochs, as medians over epochs."""
    torch.use_deterministic_algorithms(False)  # ours sets it, and it must not slow down other contestants
    gc.collect()
    laps = Laps()
    importlib.import_module(contestant).fit(task, laps)
    steps = -(-len(task.parts["train"][1]) // task.settings["batch_size"])
    wall, cpu = np.median(laps.steps[1:], axis=0) / steps * 1e6
    return {"wall": wall, "cpu": cpu, "ends": float(np.median(laps.ends[1:, 0])) * 1e3}


def main(arguments: argparse.Namespace) -> None:
    settings = YAML(typ="safe").load(ROOT / "params.yaml")["train"][arguments.network]
    settings |= {"max_epochs": arguments.epochs, "patience": None}
    if arguments.batch_size:
        settings["batch_size"] = arguments.batch_size
    sizes = {"train": arguments.rows, "valid": VALID_ROWS}
    parts = {name: make_rows(rows, arguments.width, seed) for seed, (name, rows) in enumerate(sizes.items())}
    found: dict[str, list[dict[str, float]]] = {who: [] for who in arguments.contestants}
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        task = Task(parts, arguments.network, settings, arguments.threads, SEED, Path(folder))
        for turn in range(arguments.repeats + 1):
            for who, mine in found.items():
                cost = measure(who, task)
                if turn:  # the first round warms up
                    mine.append(cost)
    print(json.dumps(found))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--network", choices=("mlp", "tabm"), default="mlp")
    parser.add_argument("--width", type=int, default=28)
    parser.add_argument("--rows", type=int, default=16_384)
    parser.add_argument("--batch-size", type=int, help="default: that of params.yaml")
    parser.add_argument("--epochs", type=int, default=4, help="3 or more")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--contestants", nargs="+", default=["peer_torch", "ours", "peer_lightning"])
    main(parser.parse_args())
