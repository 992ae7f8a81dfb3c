"""Compare Shapley values of Veritable with those of shap, captum, shapiq and Woodelf: time, error and memory.

Run by `python3 run.py > result.md`; README.md describes what is measured. The output is Markdown. Finished measurements are not
repeated, so the command can be stopped and started again. `--report` prints the finished ones only.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
MODELS = ["mlp", "tabm", "trees", "trees_numbers", "blend"]
TREES = ["trees", "trees_numbers"]
MAX_ENUMERATED = 12
CONTESTANTS: dict[str, tuple[str, list[str], int | None]] = {  # function, models, largest number of columns
    "veritable": ("ours:explain", MODELS, None),
    "shap exact": ("peer_shap:exact", MODELS, MAX_ENUMERATED),
    "shap permutation": ("peer_shap:permutation", MODELS, None),
    "shap kernel": ("peer_shap:kernel", MODELS, None),
    "shap tree": ("peer_shap:tree", TREES, None),
    "woodelf tree": ("peer_woodelf:tree", TREES, None),
    "captum sampling": ("peer_captum:sampling", MODELS, None),
    "captum deeplift": ("peer_captum:deep_lift", ["mlp"], None),
    "shapiq kernel": ("peer_shapiq:kernel", MODELS, None),
    "shapiq permutation": ("peer_shapiq:permutation", MODELS, None),
}
QUICK = {
    "columns": [10], "models": ["mlp", "trees_numbers"], "contestants": ["veritable", "shap permutation", "shap tree"],
    "rows": 20, "seconds": 0.5, "background": 100, "small_background": 20, "truth_rows": 3, "calibration_rows": 20,
}  # fmt: skip


@dataclass(frozen=True)
class Measurement:
    """A contestant on a classifier, with the first rows of its background."""

    columns: int
    model: str
    contestant: str
    background: int

    @property
    def name(self) -> str:
        return f"{self.columns}-{self.model}-{self.contestant.replace(' ', '_')}-{self.background}"


@dataclass(frozen=True)
class Bench:
    """Paths and settings of the benchmark."""

    folder: Path
    arguments: argparse.Namespace

    @property
    def peers(self) -> Path:
        """Interpreter of the environment of the peers."""
        return self.folder / "peers" / "bin" / "python"

    @property
    def ours(self) -> Path:
        return ROOT / ".venv" / "bin" / "python"

    def environment(self) -> dict[str, str]:
        pools = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "NUMBA_NUM_THREADS")
        here = {"TMPDIR": str(self.folder), "PYTHONPATH": str(ROOT / "src"), "PYTHONHASHSEED": "0", "CUDA_VISIBLE_DEVICES": ""}
        return os.environ | dict.fromkeys(pools, "1") | here

    def set_up(self) -> None:
        """Create the environment of the peers: their packages, and below them those of the repository."""
        wanted, ready = (HERE / "requirements.txt").read_text(), self.folder / "peers" / "ready"
        if not ready.is_file() or ready.read_text() != wanted:
            say("installing the peers")
            subprocess.run([self.ours, "-m", "venv", "--clear", self.folder / "peers"], check=True)
            script = "import sysconfig; print(sysconfig.get_path('purelib'))"
            mine, theirs = (
                subprocess.run([python, "-c", script], check=True, capture_output=True, text=True).stdout.strip()
                for python in (self.ours, self.peers)
            )
            (Path(theirs) / "repository.pth").write_text(mine + "\n")
            install = [self.peers, "-m", "pip", "install", "--quiet", "--requirement", HERE / "requirements.txt"]
            subprocess.run(install, check=True, stdout=sys.stderr)
            ready.write_text(wanted)

    def case(self, columns: int, model: str) -> Path:
        return self.folder / "cases" / str(columns) / model

    def truth(self, columns: int, model: str, background: int, rows: int) -> Path:
        return self.folder / "truths" / f"{columns}-{model}-{background}-{rows}.safetensors"

    def result(self, measurement: Measurement) -> Path:
        return self.folder / "results" / f"{measurement.name}.json"

    def run(self, python: Path, script: str, *options: Any) -> str:
        """Run a script of this folder, and return its output."""
        command = [str(each) for each in (python, HERE / script, *options)]
        done = subprocess.run(command, env=self.environment(), capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{done.stderr[-4000:]}\nThe command failed with exit code {done.returncode}: {' '.join(command)}")
        return done.stdout

    def settings(self, measurement: Measurement) -> dict[str, Any]:
        """Return what a result depends on. A result with other settings does not count."""
        module = CONTESTANTS[measurement.contestant][0].split(":")[0]
        files = [HERE / f"{each}.py" for each in (module, "case", "train", "worker")]
        if module == "ours":
            files += sorted(
                path for room in ("explanation", "models") for path in (ROOT / "src" / "veritable" / room).glob("*.py")
            )
        code = hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:16]
        return {"code": code, "rows": self.arguments.rows, "seconds": self.arguments.seconds}

    def measure(self, measurement: Measurement) -> dict[str, Any]:
        """Run a contestant in a process of its own. Return its result, or why it has none as "failed"."""
        out = self.folder / "values" / f"{measurement.name}.safetensors"
        out.unlink(missing_ok=True)
        contestant = CONTESTANTS[measurement.contestant][0]
        python = self.ours if measurement.contestant == "veritable" else self.peers
        case = self.case(measurement.columns, measurement.model)
        limits = self.arguments
        command = [
            python,
            HERE / "worker.py",
            contestant,
            case,
            out,
            "--background",
            measurement.background,
            "--rows",
            limits.rows,
        ]
        command += ["--seconds", limits.seconds, "--memory-gib", limits.memory_gib]
        whole_seconds = 4 * limits.seconds + 30
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        process = subprocess.Popen([str(each) for each in command], env=self.environment(), **pipes)
        try:
            output, errors = process.communicate(timeout=whole_seconds)
            last = errors.strip().splitlines()[-1:] or [f"exit code {process.returncode}"]
            memory = any(each in errors for each in ("MemoryError", "ArrayMemoryError", "can't allocate memory"))
            failed = f"needs more than {limits.memory_gib:g} GiB" if memory else last[0][:120]
        except subprocess.TimeoutExpired:
            process.kill()
            output, _ = process.communicate()
            failed = f"no row within {whole_seconds:.0f} s"
        lines = output.strip().splitlines()
        return json.loads(lines[-1]) if lines else {"failed": failed}


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def measurements(arguments: argparse.Namespace) -> list[Measurement]:
    """Return what is measured; peers also with the small background."""
    found = []
    for columns in arguments.columns:
        for model in arguments.models:
            for contestant in arguments.contestants:
                _, models, most = CONTESTANTS[contestant]
                if model not in models or (most and columns > most):
                    continue
                found.append(Measurement(columns, model, contestant, arguments.background))
                if contestant != "veritable":
                    found.append(Measurement(columns, model, contestant, arguments.small_background))
    return found


def prepare(bench: Bench) -> None:
    """Train the classifiers, and compute the reference values that do not exist."""
    arguments = bench.arguments
    for folder in ("truths", "values", "results", "calibrations"):
        (bench.folder / folder).mkdir(parents=True, exist_ok=True)
    for columns in arguments.columns:
        say(f"{columns} columns: training")
        bench.run(bench.ours, "train.py", bench.folder / "cases" / str(columns), columns, *arguments.models)
        for model in arguments.models:
            compute_truth(bench, columns, model, arguments.background, arguments.truth_rows, arguments.truth_seconds)


def compute_truth(bench: Bench, columns: int, model: str, background: int, rows: int, seconds: float) -> Path:
    truth = bench.truth(columns, model, background, rows)
    if not truth.is_file():
        say(f"{columns} columns, {model}: reference")
        options = ("--background", background, "--rows", rows, "--seconds", seconds)
        bench.run(bench.ours, "reference.py", bench.case(columns, model), truth, *options)
    return truth


def is_enough(measured: dict[str, Any] | None, wanted: dict[str, Any]) -> bool:
    """Return whether a result was measured with the same code and rows, in at least as much time."""
    return (
        measured is not None
        and measured | {"seconds": 0} == wanted | {"seconds": 0}
        and measured["seconds"] >= wanted["seconds"]
    )


def compare(bench: Bench) -> None:
    """Run the measurements that have no result. A contestant that fails is not tried with more columns."""
    failed: dict[tuple[str, str, int], str] = {}
    for each in measurements(bench.arguments):
        path, settings = bench.result(each), bench.settings(each)
        key = each.model, each.contestant, each.background
        result = json.loads(path.read_text()) if path.is_file() else {"settings": None}
        if not is_enough(result["settings"], settings):
            say(f"{each.name}")
            result = {"failed": failed[key]} if key in failed else bench.measure(each)
            path.write_text(json.dumps(result | {"settings": settings}, indent=1) + "\n")
        if "failed" in result:
            failed[key] = result["failed"]


def calibrate(bench: Bench) -> None:
    """Check the standard errors of Veritable against enumeration with the small background, for all models that are sampled."""
    arguments = bench.arguments
    for model in [each for each in arguments.models if each not in TREES]:
        columns, background, rows = min(arguments.columns), arguments.small_background, arguments.calibration_rows
        if not rows or columns > MAX_ENUMERATED:
            continue
        path = bench.folder / "calibrations" / f"{columns}-{model}.json"
        code = bench.settings(Measurement(columns, model, "veritable", background))["code"]
        settings = {"code": code, "rows": rows, "background": background}
        if not path.is_file() or json.loads(path.read_text())["settings"] != settings:
            truth = compute_truth(bench, columns, model, background, rows, float("inf"))
            say(f"{columns} columns, {model}: calibration")
            output = bench.run(bench.ours, "calibrate.py", bench.case(columns, model), truth, "--background", background)
            found = [json.loads(line) for line in output.splitlines()]
            path.write_text(json.dumps({"settings": settings, "found": found}, indent=1) + "\n")


def parse(given: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--columns", type=int, nargs="+", default=[10, 28, 100, 500])
    parser.add_argument("--models", nargs="+", choices=MODELS, default=MODELS)
    parser.add_argument(
        "--contestants", nargs="+", choices=CONTESTANTS, default=list(CONTESTANTS), metavar="NAME", help=", ".join(CONTESTANTS)
    )
    parser.add_argument("--rows", type=int, default=1_000, help="number of rows to explain, at most 1,000")
    parser.add_argument("--seconds", type=float, default=20.0, help="CPU seconds that a contestant has for its rows")
    parser.add_argument("--memory-gib", type=float, default=10.0, help="address space of a contestant")
    parser.add_argument("--background", type=int, default=2_000, help="rows of the background")
    parser.add_argument("--small-background", type=int, default=100, help="rows of the background of the second table")
    parser.add_argument("--truth-rows", type=int, default=20, help="largest number of rows with reference values")
    parser.add_argument(
        "--truth-seconds", type=float, default=120.0, help="CPU seconds for the reference values of a classifier"
    )
    parser.add_argument(
        "--calibration-rows", type=int, default=250, help="rows for the check of the standard errors; 0: no check"
    )
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "veritable-explain", help="cache folder")
    parser.add_argument("--report", action="store_true", help="print the finished measurements only")
    parser.add_argument("--quick", action="store_true", help="a small run of a minute, to see whether everything works")
    quick = parser.parse_known_args(given)[0].quick
    if quick:
        parser.set_defaults(**QUICK)
    arguments = parser.parse_args(given)
    arguments.folder = arguments.folder.resolve() / ("quick" if quick else "")
    arguments.columns.sort()
    return arguments


def main(arguments: argparse.Namespace) -> None:
    bench = Bench(arguments.folder, arguments)
    if not arguments.report:
        bench.folder.mkdir(parents=True, exist_ok=True)
        bench.set_up()
        prepare(bench)
        compare(bench)
        calibrate(bench)
    command = [bench.peers, HERE / "report.py", bench.folder, json.dumps(vars(arguments), default=str)]
    subprocess.run(command, check=True)


if __name__ == "__main__":
    main(parse())
