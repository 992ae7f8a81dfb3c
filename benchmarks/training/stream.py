"""The cost of training from disk: the same network, rows, batch size and epochs in memory and streamed from shards.

Run by `python3 stream.py > result.md`; README.md describes what is measured. The result is Markdown.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "tables"))

from meter import Cost, measure  # noqa: E402 - of the benchmark next door
from run import LIBRARIES, Bench, machine, row, versions  # noqa: E402

WIDTH, SHARD_ROWS = 30, 1_000_000
BATCHES = (256, 4_096)
NAMES = {"memory": "in memory", "stream": "streamed"}


def make(folder: Path, rows: int) -> None:
    """Write parts as the stage preprocess does, with the rows of steps.py."""
    import numpy as np
    from steps import make_rows

    from veritable.tables.encoding.parts import Part
    from veritable.tables.encoding.shards import ShardWriter, rows_per_group

    files = {"train": -(-rows // SHARD_ROWS), "valid": 1}
    names = [f"x{i}" for i in range(WIDTH)]
    for part, shards in files.items():
        (folder / part).mkdir(parents=True)
        size = rows // shards if part == "train" else rows // 10
        for shard in range(shards):
            X, y = make_rows(size, WIDTH, seed=shard + 1000 * (part == "valid"))
            path, held = folder / part / f"{shard:05d}.parquet", rows_per_group(WIDTH, sum(files.values()) + 1)
            writer = ShardWriter(path, names, coded=np.zeros(WIDTH, dtype=bool), group_rows=held)
            for start in range(0, size, 8192):
                own = slice(start, start + 8192)
                writer.write(Part(np.arange(size)[own] * shards + shard, y[own], X[own]))
            writer.close()


def fit(folder: Path, batch_size: int, epochs: int, memory_gib: float) -> None:
    """Fit the demo's network once and print JSON."""
    import pytorch_lightning as pl
    import torch
    from ours import KNOBS
    from task import Laps

    from veritable.models.mlp import MLP
    from veritable.tables.encoding.parts import Part, Shards
    from veritable.training import fit as room
    from veritable.training.module import ClassifierModule
    from veritable.training.params import TrainParams
    from veritable.training.plan import TableFacts, plan_training
    from veritable.training.streaming import open_parts

    settings = KNOBS["mlp"] | {"batch_size": batch_size, "max_epochs": epochs, "patience": None}
    knobs = {"network": "mlp", "mlp": settings, "accelerator": "cpu", "memory_gib": memory_gib}
    knobs["blend"], knobs["n_splits"] = [], 0
    params, laps = TrainParams.parse("train", KNOBS | knobs), Laps()
    sizes = {part: len(Shards(folder / part, 0)) for part in ("train", "valid")}
    plan = plan_training(params, TableFacts(2, sizes, WIDTH, weighted=False), has_init=False)

    class Timed(ClassifierModule):
        def configure_callbacks(self) -> list[pl.Callback]:
            from lightning_laps import LapsCallback

            return [LapsCallback(laps)]

    room.ClassifierModule = Timed  # type: ignore[misc]
    wall, cpu = time.perf_counter(), time.process_time()
    train, valid = open_parts(folder / "train", folder / "valid", plan)
    torch.manual_seed(0)
    network = MLP([0] * WIDTH, 2, **{key: value for key, value in plan.recipe.spec.items() if key != "name"})
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        history = room.fit(network, plan, train, valid, n_classes=2, scratch=Path(scratch), threads=1)
    found = {
        "wall": time.perf_counter() - wall,
        "cpu": time.process_time() - cpu,
        "epochs": [float(each) for each in laps.steps[:, 0]],
        "valid_loss": history["valid_loss"].tolist(),
        "streamed": not isinstance(train, Part),
        "rows": len(train),
    }
    print(json.dumps(found))


def compare(bench: Bench, arguments: argparse.Namespace) -> None:
    """Run both ways alternately, at each batch size."""
    table = bench.folder / f"stream-{arguments.rows}"
    environment = bench.environment(1) | {"OMP_WAIT_POLICY": "PASSIVE"}
    script = [str(bench.python), str(HERE / "stream.py")]
    if not (table / "valid").is_dir():
        subprocess.run([*script, "--make", str(table), "--rows", str(arguments.rows)], check=True, env=environment)
    head = ("batch", "rows", "samples/s of the steps", "/ in memory", "from, to")
    row(*head, "CPU s", "/ in memory", "process, wall s", "peak MiB", "valid loss by epoch")
    row("---:", "---", "---:", "---:", "---", "---:", "---:", "---:", "---:", "---")
    for batch_size in BATCHES:
        costs: dict[str, list[Cost]] = {way: [] for way in NAMES}
        said: dict[str, list[dict[str, Any]]] = {way: [] for way in NAMES}
        for _ in range(arguments.repeats):
            for way in NAMES:
                gib = 1000.0 if way == "memory" else arguments.memory_gib
                words = ["--fit", str(table), str(batch_size), str(arguments.epochs), str(gib)]
                cost, output = measure([*script, *words], environment)
                costs[way].append(cost)
                said[way].append(json.loads(output.splitlines()[-1]))
                assert said[way][-1]["streamed"] == (way == "stream")
        report(batch_size, costs, said)


def report(batch_size: int, costs: dict[str, list[Cost]], said: dict[str, list[dict[str, Any]]]) -> None:
    """Print the rows of one batch size. A ratio is the median over the rounds, whose two runs have about the same load."""
    speeds = {way: [each["rows"] * len(each["epochs"]) / sum(each["epochs"]) for each in runs] for way, runs in said.items()}
    for way, runs in said.items():
        ratios = [own / base for own, base in zip(speeds[way], speeds["memory"], strict=True)]
        cpus = [own["cpu"] / base["cpu"] for own, base in zip(runs, said["memory"], strict=True)]
        row(
            f"{batch_size:,}",
            NAMES[way],
            f"{statistics.median(speeds[way]):,.0f}",
            f"{statistics.median(ratios):.2f}",
            f"{min(ratios):.2f} to {max(ratios):.2f}",
            f"{statistics.median(each['cpu'] for each in runs):.1f}",
            f"{statistics.median(cpus):.2f}",
            f"{statistics.median(each.wall_seconds for each in costs[way]):.1f}",
            f"{statistics.median(each.peak_bytes for each in costs[way]) / 2**20:,.0f}",
            ", ".join(f"{loss:.4f}" for loss in runs[0]["valid_loss"]),
        )


def main(arguments: argparse.Namespace) -> None:
    bench = Bench(arguments.folder.resolve(), arguments.repeats)
    bench.folder.mkdir(parents=True, exist_ok=True)
    print(f"{time.strftime('%Y-%m-%d', time.gmtime())}, {machine()}. Medians of {arguments.repeats} alternating runs.")
    print(f"{versions(bench.python, LIBRARIES)}.\n")
    print(
        f"{arguments.rows:,} train rows of {WIDTH} columns, the demo's network, train.memory_gib: {arguments.memory_gib:g}.\n"
    )
    compare(bench, arguments)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=4_000_000)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--memory-gib", type=float, default=0.25)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "veritable-training", help="cache folder")
    parser.add_argument("--make", type=Path, metavar="TABLE", help="for internal use")
    parser.add_argument("--fit", nargs=4, metavar=("TABLE", "BATCH", "EPOCHS", "GIB"), help="for internal use")
    found = parser.parse_args()
    if found.make:
        make(found.make, found.rows)
    elif found.fit:
        fit(Path(found.fit[0]), int(found.fit[1]), int(found.fit[2]), float(found.fit[3]))
    else:
        main(found)
