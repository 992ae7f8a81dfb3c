"""Compare quality and cost of Veritable's classifiers with boosted trees, tabular networks and AutoGluon.

Run by `python3 run.py > result.md`; README.md describes what is measured. The output is Markdown. Finished runs are not
repeated, so the command can be stopped and started again. `--report` prints the finished results only.
"""

import argparse
import contextlib
import hashlib
import json
import math
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from specs import OFFICIAL, TABLES, default_splits, samples

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
    "realmlp": "peer_pytabkit:realmlp",
    "realmlp_ce": "peer_pytabkit:realmlp_ce",
    "tabm": "peer_pytabkit:tabm",
    "tabm_ce": "peer_pytabkit:tabm_ce",
    "autogluon": "peer_autogluon:medium",
    "autogluon_good": "peer_autogluon:good",
}
ONLY_BY_NAME = {"mlp", "tabm_ce", "autogluon_good"}  # a second one of a kind would count twice in the ranks
TIMED = {"autogluon", "autogluon_good"}  # use all the time they get
MIN_SECONDS = 10.0  # AutoGluon fits nothing in less
NEAR_SECONDS = 0.2  # relative difference up to which two time limits are equal
CONTESTANTS = [*OURS, *PEERS]


@dataclass(frozen=True)
class Run:
    """One contestant on one split: a table or sample (TABLE@ROWS) and a seed."""

    table: str
    seed: int
    contestant: str

    @property
    def split(self) -> str:
        return f"{self.table}-{self.seed}"

    @property
    def name(self) -> str:
        return f"{self.split}-{self.contestant}"


@dataclass(frozen=True)
class Bench:
    """Paths and settings of the benchmark."""

    folder: Path
    datasets: Path
    python: Path
    threads: int
    seconds: float | None  # None: the time of Veritable
    timeout_seconds: float
    variants: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def peers(self) -> Path:
        """Interpreter of the environment of the peers."""
        return self.folder / "peers" / "bin" / "python"

    def table(self, run: Run) -> Path:
        return self.folder / "tables" / f"{run.split}.csv"

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

    def make(self, splits: Sequence[str]) -> None:
        """Write the files of the splits that do not exist."""
        command = [self.peers, HERE / "make.py", self.folder / "tables", *splits, "--datasets", self.datasets]
        subprocess.run(command, check=True, stdout=sys.stderr)

    def report(self, *flags: str) -> None:
        """Print results. Needs the environment of the peers."""
        subprocess.run([self.peers, HERE / "leaderboard.py", self.folder, *flags], check=True)

    def settings(self, run: Run) -> dict[str, Any]:
        """Return what a result depends on. A result with other settings does not count.

        Raises
        ------
        LookupError
            The time limit is that of Veritable, which has no result for the same split.
        """
        digest = json.loads(self.table(run).with_suffix(".json").read_text())["digest"]
        settings: dict[str, Any] = {"digest": digest, "threads": self.threads}
        if run.contestant in self.variants:
            return settings | {"train": self.variants[run.contestant]}
        module = PEERS[run.contestant].split(":")[0]
        settings["peer"] = hashlib.sha256((HERE / f"{module}.py").read_bytes()).hexdigest()[:16]
        if run.contestant in TIMED:
            settings["seconds"] = self.seconds or self.equal_seconds(run, settings)
        return settings

    def equal_seconds(self, run: Run, settings: dict[str, Any]) -> float:
        """Return the wall time that Veritable took on the same split, at least 10 s."""
        ours = self.result(Run(run.table, run.seed, "ours"))
        result = json.loads(ours.read_text()) if ours.is_file() else {"error": "no result"}
        same = "error" not in result and all(result["settings"][key] == settings[key] for key in ("digest", "threads"))
        if not same:
            raise LookupError("needs the time of 'ours' on the same split; run 'ours' too, or set --seconds")
        return max(MIN_SECONDS, round(result["prepare_wall_seconds"] + result["fit_wall_seconds"], 1))

    def is_done(self, run: Run, settings: dict[str, Any], *, failed: bool) -> bool:
        """Return whether a run has a result; with `failed`, a failure counts as a result."""
        if not self.result(run).is_file():
            return False
        result = json.loads(self.result(run).read_text())
        then, now = result["settings"].get("seconds", 0.0), settings.get("seconds", 0.0)
        same = result["settings"] | {"seconds": now} == settings | {"seconds": now}
        return same and math.isclose(then, now, rel_tol=NEAR_SECONDS) and (failed or "error" not in result)

    def command(self, run: Run, settings: dict[str, Any], folder: Path) -> list[str]:
        own = [str(self.table(run)), str(folder), "--seed", str(run.seed), "--threads", str(self.threads)]
        if run.contestant in self.variants:
            return [str(self.python), str(HERE / "ours.py"), *own, "--train", json.dumps(self.variants[run.contestant])]
        limit = ["--seconds", f"{settings['seconds']:g}"] if "seconds" in settings else []
        return [str(self.peers), str(HERE / "peer.py"), *own, *limit, "--peer", PEERS[run.contestant]]

    def run(self, run: Run, settings: dict[str, Any]) -> dict[str, Any]:
        """Run one contestant and write its result. The log is kept if the run fails."""
        log = self.folder / "logs" / f"{run.name}.log"
        keys: dict[str, Any] = {"table": run.table, "seed": run.seed, "contestant": run.contestant, "settings": settings}
        if run.contestant in self.variants:
            keys["state"] = state()
        with tempfile.TemporaryDirectory(dir=self.folder, prefix="run-") as name:
            folder = Path(name)
            with log.open("wb") as lines:
                error = execute(self.command(run, settings, folder), self.environment(folder), lines, self.timeout_seconds)
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


def runs_of(tables: Sequence[str], seeds: Sequence[int] | None, contestants: Sequence[str]) -> list[Run]:
    """Return all runs, all tables of a seed first, so that an interrupted benchmark has results for each table.

    AutoGluon comes last on each split, because its time limit is the time of another contestant.
    """
    seeds_of = {name: range(default_splits(name)) if seeds is None else seeds for name in tables}
    last = sorted(contestants, key=lambda name: name in TIMED)
    every = sorted({seed for each in seeds_of.values() for seed in each}) if seeds is None else seeds
    return [Run(name, seed, who) for seed in every for name in tables if seed in seeds_of[name] for who in last]


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
    parser.add_argument("--rows", type=int, nargs="+", metavar="N", help="samples of N rows of the larger tables instead")
    parser.add_argument("--seeds", type=int, nargs="+", metavar="SEED", help="default: 10, 3 or 1 splits, by size")
    parser.add_argument("--contestants", nargs="+", metavar="NAME", help=f"default: all but {' '.join(sorted(ONLY_BY_NAME))}")
    parser.add_argument(
        "--variant", type=variant, action="append", default=[], metavar="NAME=JSON", help="Veritable with other params of train"
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, help="time limit of AutoGluon; default: the time of 'ours' on the same split")
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
    bench.set_up()
    tables = arguments.tables or [name for name in TABLES if name not in OFFICIAL]
    if arguments.rows:
        tables = [name for rows in arguments.rows for name in samples(tables, rows)]
        if not tables:
            raise SystemExit(
                f"--rows must leave 1,000 test rows in a table, but is {arguments.rows}. Name fewer rows or other tables."
            )
    given = dict(arguments.variant)
    default = [] if given else [name for name in CONTESTANTS if name not in ONLY_BY_NAME]
    contestants = list(dict.fromkeys([*(arguments.contestants or default), *given]))
    runs = runs_of(tables, arguments.seeds, contestants)
    splits = list(dict.fromkeys(run.split for run in runs))
    if not arguments.report:
        if set(contestants) & set(variants) and not python.is_file():
            raise SystemExit(
                f"Veritable's interpreter '{python}' does not exist. Run `make setup`, or name another one with --python."
            )
        for name in ("results", "predictions", "logs"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        bench.make(splits)
        run_all(bench, runs, arguments.again, retry=arguments.retry)
    chosen = bool(arguments.tables or arguments.rows or arguments.seeds)
    flags = ["--splits", *splits] if chosen or not arguments.report else []  # --report alone shows everything
    if arguments.contestants or not arguments.report:
        flags += ["--contestants", *contestants]
    bench.report(*flags)


def run_all(bench: Bench, runs: Sequence[Run], again: Sequence[str], *, retry: bool) -> None:
    """Run what has no result yet, one after the other."""
    begun = time.monotonic()
    for number, run in enumerate(runs, 1):
        try:
            settings = bench.settings(run)
        except LookupError as error:
            line = f"skipped: {error}"
        else:
            if run.contestant not in again and bench.is_done(run, settings, failed=not retry):
                continue
            line = format_result(bench.run(run, settings))
        minutes = (time.monotonic() - begun) / 60
        print(f"{minutes:6.1f} min [{number}/{len(runs)}] {run.split} {run.contestant}: {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the processes of a run end too
    main(parse())
