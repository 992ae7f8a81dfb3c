"""Compare quality and cost of Veritable's classifiers with boosted trees, tabular networks and AutoGluon.

Run by `python3 run.py --seeds 0 1 2 3 4 > result.md`; README.md describes what is measured. The output is Markdown. Finished
runs are not repeated, so the command can be stopped and started again. `--report` prints the finished results only.
"""

import argparse
import contextlib
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from leaderboard import REFERENCE, load, report
from specs import OFFICIAL, TABLES

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
OURS: dict[str, dict[str, Any]] = {  # changes to the section train of params.yaml
    "ours": {},
    "mlp": {"network": "mlp", "blend": []},
}
PEERS = {
    "catboost": "peer_catboost:fit",
    "lightgbm": "peer_lightgbm:fit",
    "xgboost": "peer_xgboost:fit",
    "hgb": "peer_sklearn:boosting",
    "logistic": "peer_sklearn:logistic",
    REFERENCE: "peer_pytabkit:realmlp",
    "realmlp_ce": "peer_pytabkit:realmlp_ce",
    "tabm": "peer_pytabkit:tabm",
    "tabm_ce": "peer_pytabkit:tabm_ce",
    "autogluon": "peer_autogluon:medium",
    "autogluon_good": "peer_autogluon:good",
}
ONLY_BY_NAME = {"tabm_ce", "autogluon_good"}  # take twice as long as the slowest of the others
TIMED = {"autogluon", "autogluon_good"}  # use all the time they get
CONTESTANTS = [*OURS, *PEERS]


@dataclass(frozen=True)
class Run:
    """One contestant on one table and seed."""

    table: str
    seed: int
    contestant: str
    settings: dict[str, Any]  # a result with other settings does not count

    @property
    def name(self) -> str:
        return f"{self.table}-{self.seed}-{self.contestant}"


@dataclass(frozen=True)
class Bench:
    """Paths and settings of the benchmark."""

    folder: Path
    datasets: Path
    python: Path
    threads: int
    seconds: float
    timeout_seconds: float
    variants: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def peers(self) -> Path:
        """Interpreter of the environment of the peers."""
        return self.folder / "peers" / "bin" / "python"

    def table(self, name: str, seed: int) -> Path:
        return self.folder / "tables" / f"{name}-{seed}.csv"

    def result(self, run: Run) -> Path:
        return self.folder / "results" / f"{run.name}.json"

    def environment(self, folder: Path) -> dict[str, str]:
        pools = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "NUMBA_NUM_THREADS")
        here = {"TMPDIR": str(folder), "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": str(ROOT / "src"), "PYTHONHASHSEED": "0"}
        return os.environ | dict.fromkeys(pools, str(self.threads)) | here

    def set_up(self) -> None:
        """Create the environment of the peers if it does not exist or has other requirements."""
        wanted, ready = (HERE / "requirements.txt").read_text(), self.folder / "peers" / "ready"
        if not ready.is_file() or ready.read_text() != wanted:
            print("installing the peers", file=sys.stderr)
            subprocess.run([sys.executable, "-m", "venv", "--clear", self.folder / "peers"], check=True)
            install = [str(self.peers), "-m", "pip", "install", "--quiet", "--requirement", str(HERE / "requirements.txt")]
            subprocess.run(install, check=True, stdout=sys.stderr)
            # fastai requires torchvision but needs it for images only; with the CPU build of torch its import fails
            remove = [str(self.peers), "-m", "pip", "uninstall", "--quiet", "--yes", "torchvision"]
            subprocess.run(remove, check=True, stdout=sys.stderr)
            ready.write_text(wanted)

    def make(self, tables: Sequence[str], seeds: Sequence[int]) -> None:
        """Write the files of the tables that do not exist."""
        flags = ["--datasets", self.datasets, "--tables", *tables, "--seeds", *map(str, seeds)]
        subprocess.run([self.peers, HERE / "make.py", self.folder / "tables", *flags], check=True, stdout=sys.stderr)

    def runs(self, tables: Sequence[str], seeds: Sequence[int], contestants: Sequence[str]) -> Iterator[Run]:
        """Yield all runs, all tables of a seed first, so that an interrupted benchmark has results for each table."""
        for seed in seeds:
            for table in tables:
                digest = json.loads(self.table(table, seed).with_suffix(".json").read_text())["digest"]
                for who in contestants:
                    settings: dict[str, Any] = {"digest": digest, "threads": self.threads}
                    if who in self.variants:
                        settings["train"] = self.variants[who]
                    elif who in TIMED:
                        settings["seconds"] = self.seconds
                    yield Run(table, seed, who, settings)

    def is_done(self, run: Run, *, failed: bool) -> bool:
        """Return whether a run has a result; with `failed`, a failure counts as a result."""
        if not self.result(run).is_file():
            return False
        result = json.loads(self.result(run).read_text())
        return result["settings"] == run.settings and (failed or "error" not in result)

    def command(self, run: Run, folder: Path) -> list[str]:
        flags = ["--seed", str(run.seed), "--threads", str(self.threads), "--seconds", f"{self.seconds:g}"]
        own = [str(self.table(run.table, run.seed)), str(folder), *flags]
        if run.contestant in self.variants:
            return [str(self.python), str(HERE / "ours.py"), *own, "--train", json.dumps(self.variants[run.contestant])]
        return [str(self.peers), str(HERE / "peer.py"), *own, "--peer", PEERS[run.contestant]]

    def run(self, run: Run) -> dict[str, Any]:
        """Run one contestant and write its result. The log is kept if the run fails."""
        log = self.folder / "logs" / f"{run.name}.log"
        keys: dict[str, Any] = {"table": run.table, "seed": run.seed, "contestant": run.contestant, "settings": run.settings}
        if run.contestant in self.variants:
            keys["state"] = state()
        with tempfile.TemporaryDirectory(dir=self.folder, prefix="run-") as name:
            folder = Path(name)
            with log.open("wb") as lines:
                error = execute(self.command(run, folder), self.environment(folder), lines, self.timeout_seconds)
            written = folder / "result.json"
            result = json.loads(written.read_text()) if written.is_file() else {"error": error or last_line(log)}
            if "error" not in result:
                (folder / "predictions.npz").replace(self.folder / "predictions" / f"{run.name}.npz")
                log.unlink()
        result |= keys
        partial = self.result(run).with_suffix(".partial")
        partial.write_text(json.dumps(result, indent=1, sort_keys=True) + "\n")
        partial.replace(self.result(run))
        return result


def execute(command: list[str], environment: dict[str, str], lines: Any, timeout_seconds: float) -> str | None:
    """Run a command. Return the reason of a failure, or None. All processes that it started end with it."""
    options: dict[str, Any] = {"stdout": lines, "stderr": subprocess.STDOUT, "stdin": subprocess.DEVNULL}
    process = subprocess.Popen(command, env=environment, start_new_session=True, **options)
    try:
        status = process.wait(timeout_seconds)
    except subprocess.TimeoutExpired:
        return f"took longer than {timeout_seconds:,.0f} s"
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # the whole session: also remaining children, also if this script is stopped
        process.wait()
    return f"ended by signal {-status}, maybe because memory ran out" if status < 0 else None


def last_line(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1][:300] if lines else "ended without output"


def state() -> str:
    """Return a hash of the code and the params of our classifiers, to detect results of different code."""
    digest = hashlib.sha256((ROOT / "params.yaml").read_bytes())
    for room in ("tables", "metrics", "models", "training"):
        for path in sorted((ROOT / "src" / "veritable" / room).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:8]


def format_result(result: dict[str, Any]) -> str:
    """Format a result as one line."""
    if "error" in result:
        return f"failed: {result['error']}"
    test = result["test"]
    return (
        f"AUC {test['roc_auc']:.4f}, log loss {test['log_loss']:.4f}, accuracy {test['accuracy']:.4f}, "
        f"fit {result['fit_cpu_seconds']:.2f} CPU s"
    )


def variant(text: str) -> tuple[str, dict[str, Any]]:
    """Parse an argument NAME=JSON."""
    name, _, content = text.partition("=")
    if not re.fullmatch(r"[\w.]+", name) or name in CONTESTANTS:
        raise argparse.ArgumentTypeError(f"a variant must have a new name of letters and digits, but has '{name}'")
    overrides = json.loads(content)
    if not isinstance(overrides, dict):
        raise argparse.ArgumentTypeError(f"a variant must be a JSON object, but is {content}")
    return name, overrides


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    own = [name for name in TABLES if name not in OFFICIAL]
    parser.add_argument("--tables", nargs="+", choices=TABLES, metavar="TABLE", help=f"default: {' '.join(own)}")
    parser.add_argument("--seeds", type=int, nargs="+", metavar="SEED", help="default: 0 1 2 3 4")
    parser.add_argument("--contestants", nargs="+", metavar="NAME", help=f"default: all but {' '.join(sorted(ONLY_BY_NAME))}")
    parser.add_argument(
        "--variant", type=variant, action="append", default=[], metavar="NAME=JSON", help="Veritable with other params of train"
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=300, help="time limit for AutoGluon, which uses all of it")
    parser.add_argument("--timeout", type=float, default=7_200, metavar="SECONDS", help="a run that takes longer fails")
    parser.add_argument("--again", nargs="+", default=[], metavar="NAME", help="contestants to run again")
    parser.add_argument("--retry", action="store_true", help="run failed runs again")
    parser.add_argument("--report", action="store_true", help="run nothing, print the finished results")
    parser.add_argument("--python", type=Path, default=ROOT / ".venv" / "bin" / "python", help="Veritable's interpreter")
    parser.add_argument("--datasets", type=Path, default=ROOT.parent / "shared" / "datasets")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "veritable-quality", help="cache folder")
    arguments = parser.parse_args()
    known = {*CONTESTANTS, *dict(arguments.variant)}
    if not arguments.report:
        for name in [*(arguments.contestants or []), *arguments.again]:
            if name not in known:
                parser.error(f"a contestant must be one of {', '.join(sorted(known))}, but is '{name}'")
    return arguments


def main(arguments: argparse.Namespace) -> None:
    variants = OURS | dict(arguments.variant)
    python = arguments.python.absolute()  # not resolved, because the link determines the environment
    folder, datasets = arguments.folder.resolve(), arguments.datasets.resolve()
    bench = Bench(folder, datasets, python, arguments.threads, arguments.seconds, arguments.timeout, variants)
    tables, seeds, contestants = arguments.tables, arguments.seeds, arguments.contestants
    if not arguments.report:
        tables = tables or [name for name in TABLES if name not in OFFICIAL]
        seeds = seeds if seeds is not None else list(range(5))
        given = dict(arguments.variant)
        default = [] if given else [name for name in CONTESTANTS if name not in ONLY_BY_NAME]
        contestants = list(dict.fromkeys([*(contestants or default), *given]))
        for name in ("results", "predictions", "logs"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        if set(contestants) & set(variants) and not python.is_file():
            raise SystemExit(
                f"Veritable's interpreter '{python}' does not exist. Run `make setup`, or name another one with --python."
            )
        bench.set_up()
        bench.make(tables, seeds)
        runs = list(bench.runs(tables, seeds, contestants))
        begun = time.monotonic()
        for number, run in enumerate(runs, 1):
            if run.contestant not in arguments.again and bench.is_done(run, failed=not arguments.retry):
                continue
            line = format_result(bench.run(run))
            minutes = (time.monotonic() - begun) / 60
            print(f"{minutes:6.1f} min [{number}/{len(runs)}] {run.table} {run.seed} {run.contestant}: {line}", file=sys.stderr)
    results = load(folder / "results", tables, seeds, contestants)
    report(results, [*CONTESTANTS, *variants] if contestants is None else contestants)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the processes of a run end too
    main(parse())
