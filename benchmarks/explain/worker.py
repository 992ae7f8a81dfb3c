"""Run one contestant on one case. Run by run.py in a process of its own; prints a line of JSON, and writes the values.

The first row is explained alone and counts as set-up, because explainers prepare and compile things on their first call.
Then follow up to 4 rows, as many as fit into a quarter of the time, and as many as fit into the rest. The largest call gives
the rows per second, because several rows at once can be cheaper. If the process is stopped after the first row, that row is
the measurement.
"""

import argparse
import importlib
import json
import resource
import time
import warnings
from pathlib import Path

import numpy as np
from case import Case
from safetensors.numpy import save_file

FEW = 4


def main(arguments: argparse.Namespace) -> None:
    name, _, function = arguments.contestant.partition(":")
    module = importlib.import_module(name)
    case = Case.load(arguments.case, arguments.background)
    case.log_odds(case.background[:2])  # loads what is loaded late
    limit = round(arguments.memory_gib * 2**30)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    loaded_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    begun = time.process_time()
    if name == "ours":
        fitted = module.fit(case)
    else:
        explain = getattr(module, function)(case)
    fit_seconds = time.process_time() - begun
    values, errors, spent = [], [], [0.0]  # spent: CPU seconds at the end of each call

    def run(count: int) -> int:
        """Explain the next rows, and record all results so far. Return how many rows are explained."""
        begun, first = time.process_time(), sum(map(len, values))
        rows = slice(first, first + count)
        if name == "ours":
            found, error = module.explain(fitted, case, rows)
            errors.append(np.ascontiguousarray(error))
        else:
            found = explain(case.X[rows])
        spent.append(spent[-1] + time.process_time() - begun)
        values.append(
            np.asarray(found, dtype=np.float64, order="C").reshape(-1, case.X.shape[1])
        )  # as safetensors must have it
        done = first + len(values[-1])
        largest = max(range(len(values)), key=lambda call: len(values[call]) if call else 0)
        result = {
            "rows": done,
            "timed_rows": len(values[largest]),
            "setup_seconds": fit_seconds + (spent[1] if largest else 0.0),
            "seconds": spent[largest + 1] - spent[largest],
            "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            "loaded_bytes": loaded_bytes,
        }
        kept = {"values": np.concatenate(values)} | ({"errors": np.concatenate(errors)} if errors else {})
        save_file(kept, arguments.result.with_suffix(".partial"))
        arguments.result.with_suffix(".partial").rename(arguments.result)
        print(json.dumps(result), flush=True)
        return done

    total = min(arguments.rows, len(case.X))
    done = run(1)
    while done < total:
        if done == 1:
            fitting = max(1, min(FEW, int(arguments.seconds / spent[1])))
        else:
            left = (arguments.seconds if len(values) > 2 else arguments.seconds / 4) - (spent[-1] - spent[1])
            fitting = int(left / (spent[-1] - spent[-2]) * len(values[-1]))
        if fitting < 1:
            break
        done = run(min(fitting, total - done))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("contestant", help="module:function")
    parser.add_argument("case", type=Path)
    parser.add_argument("result", type=Path)
    parser.add_argument("--background", type=int, required=True)
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--memory-gib", type=float, required=True)
    warnings.simplefilter("ignore")  # of other libraries; run.py shows what goes wrong
    main(parser.parse_args())
