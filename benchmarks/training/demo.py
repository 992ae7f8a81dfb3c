"""Fit the network of the demo with one contestant. Run by `python demo.py CONTESTANT TASK.npz FOLDER`; prints JSON."""

import importlib
import json
import sys
import time
from pathlib import Path

from task import Laps, load


def main(contestant: str, path: Path, folder: Path) -> None:
    task = load(path, folder)
    fit = importlib.import_module(contestant).fit  # imports are not part of the time of the fit
    wall, cpu = time.perf_counter(), time.process_time()
    predict = fit(task, Laps())
    seconds = {"fit_wall": time.perf_counter() - wall, "fit_cpu": time.process_time() - cpu}
    X, y = task.parts["test"]
    samples = len(task.parts["train"][1]) * task.settings["max_epochs"]
    print(json.dumps(seconds | {"samples": samples, "accuracy": float((predict(X) == y).mean()), "n": len(y)}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
