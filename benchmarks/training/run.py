"""Compare the training speed of Veritable with plain torch, Lightning's defaults, TabM's own loop, Keras and scikit-learn.

Run by `python3 run.py --repeats 5 > result.md`; README.md describes what is measured. The output is Markdown.
"""

import argparse
import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.append(str(HERE.parent / "tables"))

from meter import Cost, measure  # noqa: E402 - of the benchmark next door

NAMES = {
    "peer_torch": "plain torch",
    "ours": "Veritable",
    "peer_lightning": "Lightning, defaults",
    "peer_tabm": "its authors' loop",
    "peer_keras": "Keras, TensorFlow",
    "peer_sklearn": "scikit-learn (no dropout)",
}
LOOPS = {32: 16_384, 256: 131_072, 4_096: 131_072}  # rows by batch size
TABM_ROWS = 4_096
DEMO = ("peer_keras", "peer_lightning", "peer_sklearn", "peer_torch", "ours")
LIBRARIES = ("torch", "pytorch-lightning", "tabm", "rtdl_num_embeddings", "scikit-learn", "numpy")


@dataclass(frozen=True)
class Bench:
    """Paths and settings of the benchmark."""

    folder: Path
    repeats: int

    @property
    def python(self) -> Path:
        return ROOT / ".venv" / "bin" / "python"

    @property
    def peers(self) -> Path:
        """Interpreter of the environment of the peers."""
        return self.folder / "peers" / "bin" / "python"

    def environment(self, threads: int) -> dict[str, str]:
        pools = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
        tensorflow = dict.fromkeys(("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"), str(threads))
        quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONWARNINGS": "ignore", "CUDA_VISIBLE_DEVICES": ""}
        here = {"TMPDIR": str(self.folder), "PYTHONPATH": str(ROOT / "src")}
        return os.environ | dict.fromkeys(pools, str(threads)) | tensorflow | quiet | here

    def set_up_peers(self) -> None:
        """Create the environment of the peers if it does not exist or has other requirements."""
        wanted, ready = (HERE / "requirements.txt").read_text(), self.folder / "peers" / "ready"
        if not ready.is_file() or ready.read_text() != wanted:
            print("installing the peers", file=sys.stderr)
            subprocess.run([sys.executable, "-m", "venv", "--clear", self.folder / "peers"], check=True)
            install = [str(self.peers), "-m", "pip", "install", "--quiet", "--requirement", str(HERE / "requirements.txt")]
            subprocess.run(install, check=True, stdout=sys.stderr)
            ready.write_text(wanted)

    def steps(self, contestants: Sequence[str], *, threads: int, **flags: Any) -> dict[str, list[dict[str, float]]]:
        """Run steps.py. Return the runs of each contestant."""
        command = [str(self.python), str(HERE / "steps.py"), str(self.folder), "--contestants", *contestants]
        for key, value in {"repeats": self.repeats, "threads": threads, **flags}.items():
            command += [f"--{key.replace('_', '-')}", str(value)]
        done = subprocess.run(command, env=self.environment(threads), capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{done.stderr[-4000:]}\nThe command failed with exit code {done.returncode}: {' '.join(command)}")
        found: dict[str, list[dict[str, float]]] = json.loads(done.stdout.splitlines()[-1])
        return found


def loops(bench: Bench) -> None:
    """Measure the network of the demo at three batch sizes."""
    head("A step of the network of the demo (28 columns, 64-64, dropout 0.2, 2 classes), one thread", "batch", "plain torch's")
    contestants = ("peer_torch", "ours", "peer_lightning")
    for batch_size, rows in LOOPS.items():
        report(f"{batch_size:,}", bench.steps(contestants, threads=1, batch_size=batch_size, rows=rows))


def tabm(bench: Bench) -> None:
    """Measure the default network for a table of the user."""
    head("A step of TabM (14 columns, 2 classes, sizes and batch size of params.yaml)", "threads", "the authors'")
    size = {"network": "tabm", "width": 14, "rows": TABM_ROWS, "epochs": 3}
    for threads in (1, 2):
        report(str(threads), bench.steps(("peer_tabm", "ours"), threads=threads, **size))


def head(title: str, varied: str, reference: str) -> None:
    ratios = (f"wall / {reference}", f"CPU / {reference}", "from, to")
    print(f"\n## {title}\n")
    row(varied, "contestant", "wall us per step", "CPU us per step", *ratios, "ms between epochs")
    row("---:", "---", *["---:"] * 4, "---", "---:")


def report(varied: str, runs: dict[str, list[dict[str, float]]]) -> None:
    """Print the lines of one size. A ratio is the median over rounds, because the fits of a round ran under the same load."""
    reference = next(iter(runs.values()))
    for who, mine in runs.items():
        wall, cpu, ends = (statistics.median(run[key] for run in mine) for key in ("wall", "cpu", "ends"))
        ratios = {key: [run[key] / base[key] for run, base in zip(mine, reference, strict=True)] for key in ("wall", "cpu")}
        spread = f"{min(ratios['cpu']):.2f} to {max(ratios['cpu']):.2f}"
        middle = (f"{statistics.median(ratios[key]):.2f}" for key in ("wall", "cpu"))
        row(varied, NAMES[who], f"{wall:,.0f}", f"{cpu:,.0f}", *middle, spread, f"{ends:.1f}")


def demo(bench: Bench) -> None:
    """Measure the demo, with a process per contestant."""
    bench.set_up_peers()
    table = bench.folder / "demo.npz"
    subprocess.run([bench.python, HERE / "demo_data.py", table], check=True, env=bench.environment(1), stdout=sys.stderr)
    costs: dict[str, list[Cost]] = {who: [] for who in DEMO}
    results: dict[str, list[dict[str, float]]] = {who: [] for who in DEMO}
    for turn in range(bench.repeats + 1):
        for who in DEMO:
            python = bench.peers if who == "peer_keras" else bench.python
            with tempfile.TemporaryDirectory(dir=bench.folder, prefix="out-") as out:
                cost, output = measure([str(python), str(HERE / "demo.py"), who, str(table), out], bench.environment(1))
            if turn:  # the first round fills the page cache and compiles
                costs[who].append(cost)
                results[who].append(json.loads(output.splitlines()[-1]))
    first, process = results["ours"][0], ("process, wall s", "CPU s", "peak MiB")
    print(f"\n## The demo, a process per contestant, one thread: {first['samples']:,.0f} samples in all epochs\n")
    row("contestant", "samples/s of the fit", "fit, wall s", "CPU s", *process, f"accuracy, n = {first['n']:.0f}")
    row("---", *["---:"] * 7)
    for who in DEMO:
        fit, cpu, accuracy = (
            statistics.median(run[key] for run in results[who]) for key in ("fit_wall", "fit_cpu", "accuracy")
        )
        cost = Cost(*(statistics.median(column) for column in zip(*costs[who], strict=True)))
        process = (f"{cost.wall_seconds:.1f}", f"{cost.cpu_seconds:.1f}", f"{cost.peak_bytes / 2**20:,.0f}")
        row(NAMES[who], f"{first['samples'] / fit:,.0f}", f"{fit:.2f}", f"{cpu:.2f}", *process, f"{accuracy:.3f}")


def row(*cells: str) -> None:
    print(f"| {' | '.join(cells)} |", flush=True)


def versions(python: Path, libraries: Iterable[str]) -> str:
    script = "import importlib.metadata as m, sys; print(*(f'{n} {m.version(n)}' for n in sys.argv[1:]), sep=', ')"
    return subprocess.run([python, "-c", script, *libraries], check=True, capture_output=True, text=True).stdout.strip()


def machine() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    return f"{os.cpu_count()} cores ({model}), load {os.getloadavg()[0]:.1f} at the start"


PARTS = {"loops": loops, "tabm": tabm, "demo": demo}


def main(arguments: argparse.Namespace) -> None:
    bench = Bench(arguments.folder.resolve(), arguments.repeats)
    bench.folder.mkdir(parents=True, exist_ok=True)
    if "demo" in arguments.only:
        bench.set_up_peers()
    print(f"{datetime.datetime.now(tz=datetime.UTC).date()}, {machine()}, Python {platform.python_version()}.")
    print(f"Medians of {bench.repeats} alternated runs. {versions(bench.python, LIBRARIES)}", end="")
    print(f"; {versions(bench.peers, ('tensorflow-cpu', 'keras'))}." if "demo" in arguments.only else ".")
    for part in arguments.only:
        PARTS[part](bench)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "veritable-training", help="cache folder")
    main(parser.parse_args())
