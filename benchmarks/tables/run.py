"""Measure the time and memory of preparing a table, for Veritable, pandas with scikit-learn, and polars.

Run it with `python run.py --sizes 1000000 3000000 10000000 --repeats 3`. README.md says what is measured. The result is
Markdown.
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
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from meter import Cost, measure

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
TARGET = "outcome"  # make.TARGET: this script runs without numpy
SCRIPTS = {"veritable": "ours.py", "polars": "peer_polars.py", "pandas": "peer_pandas.py"}
FORMATS = ("csv", "parquet")
PANDAS_BYTES_A_ROW = 1_100  # peak, measured at 1,000,000 rows of CSV


@dataclass(frozen=True)
class Bench:
    """Paths of the benchmark, and how contestants are started."""

    folder: Path
    threads: int

    @property
    def peers(self) -> Path:
        """Interpreter of the environment of the peers."""
        return self.folder / "peers" / "bin" / "python"

    def python(self, contestant: str) -> Path:
        return ROOT / ".venv" / "bin" / "python" if contestant == "veritable" else self.peers

    def environment(self) -> dict[str, str]:
        pools = ("POLARS_MAX_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
        return os.environ | dict.fromkeys(pools, str(self.threads)) | {"TMPDIR": str(self.folder)}

    def set_up(self) -> None:
        """Make the environment of the peers unless it exists with the same requirements."""
        wanted, ready = (HERE / "requirements.txt").read_text(), self.folder / "peers" / "ready"
        if not ready.is_file() or ready.read_text() != wanted:
            subprocess.run([sys.executable, "-m", "venv", "--clear", self.folder / "peers"], check=True)
            install = [str(self.peers), "-m", "pip", "install", "--quiet", "--requirement", str(HERE / "requirements.txt")]
            subprocess.run(install, check=True)
            ready.write_text(wanted)

    def make(self, rows: int) -> dict[str, Path]:
        """Make the table, and return its files by format."""
        subprocess.run([self.peers, HERE / "make.py", str(rows), self.folder], check=True, stdout=subprocess.DEVNULL)
        return {name: self.folder / f"table-{rows}.{name}" for name in FORMATS}

    def run(self, contestant: str, table: Path, rows: int) -> tuple[Cost, dict[str, Any]]:
        """Run a contestant once, and return its cost and its result."""
        with tempfile.TemporaryDirectory(dir=self.folder, prefix="out-") as out:
            command = [str(self.python(contestant)), str(HERE / SCRIPTS[contestant]), str(table), TARGET, out]
            cost, output = measure(command, self.environment())
        said: dict[str, Any] = json.loads(output.splitlines()[-1])
        if said["rows"] != rows:
            raise SystemExit(f"{contestant} must prepare {rows:,} rows, but prepared {said['rows']:,}.")
        return cost, said


def too_large(contestant: str, rows: int) -> str | None:
    """Return why a contestant is skipped; None if it is not."""
    if contestant != "pandas":
        return None
    meminfo = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
    available = int(meminfo["MemAvailable"].split()[0]) * 1024
    needed = rows * PANDAS_BYTES_A_ROW
    return f"needs about {needed / 2**30:.1f} GiB, {available / 2**30:.1f} are free" if needed > 0.8 * available else None


def report(rows: int, name: str, costs: dict[str, list[Cost]], skipped: dict[str, str]) -> None:
    """Print the lines of one file: medians over its runs."""
    medians = {who: median(each) for who, each in costs.items()}
    ours = medians.get("veritable")
    for who, cost in medians.items():
        ratio = f"{cost.wall_seconds / ours.wall_seconds:.2f}" if ours else ""
        spread = f"{min(c.wall_seconds for c in costs[who]):.1f} to {max(c.wall_seconds for c in costs[who]):.1f}"
        print(
            f"| {rows:,} | {name} | {who} | {cost.wall_seconds:.1f} | {spread} | {cost.cpu_seconds:.1f} "
            f"| {rows / cost.wall_seconds:,.0f} | {cost.peak_bytes / 2**20:,.0f} | {cost.own_bytes / 2**20:,.0f} | {ratio} |"
        )
    for who, why in skipped.items():
        print(f"| {rows:,} | {name} | {who} | skipped: {why} | | | | | | |")
    sys.stdout.flush()


def median(costs: Sequence[Cost]) -> Cost:
    return Cost(*(statistics.median(column) for column in zip(*costs, strict=True)))


def versions(bench: Bench, contestants: Sequence[str]) -> str:
    """Return the versions of the libraries of both environments."""
    script = "import importlib.metadata as m, sys; print(*(f'{n} {m.version(n)}' for n in sys.argv[1:]), sep=', ')"
    libraries = {"veritable": ["numpy", "pyarrow"], "polars": ["polars"], "pandas": ["pandas", "scikit-learn", "pyarrow"]}
    found = []
    for who in contestants:
        command = [str(bench.python(who)), "-c", script, *libraries[who]]
        found.append(f"{who}: {subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()}")
    return "; ".join(found)


def compare(bench: Bench, rows: int, name: str, table: Path, arguments: argparse.Namespace) -> str:
    """Run all contestants on one file in turns, and return the times by step that the last run of each reported."""
    skipped = {who: why for who in arguments.contestants if (why := too_large(who, rows))}
    costs: dict[str, list[Cost]] = {who: [] for who in arguments.contestants if who not in skipped}
    said: dict[str, dict[str, Any]] = {}
    for _ in range(arguments.repeats):
        for who, mine in costs.items():
            cost, said[who] = bench.run(who, table, rows)
            mine.append(cost)
            print(f"{rows:,} {name} {who}: {cost.wall_seconds:.1f} s", file=sys.stderr)
    duplicates = {who: each["duplicates"] for who, each in said.items() if "duplicates" in each}
    if len(set(duplicates.values())) > 1:
        raise SystemExit(f"contestants must find the same number of duplicate rows, but found {duplicates}.")
    report(rows, name, costs, skipped)
    laps = {who: ", ".join(f"{lap} {s:.2f}" for lap, s in each.get("seconds", {}).items()) for who, each in said.items()}
    return "".join(f"- {rows:,} rows, {name}, {who}: {each}\n" for who, each in laps.items() if each)


def main(arguments: argparse.Namespace) -> None:
    bench = Bench(arguments.folder.resolve(), arguments.threads)
    bench.folder.mkdir(parents=True, exist_ok=True)
    bench.set_up()
    today, python = datetime.datetime.now(tz=datetime.UTC).date(), platform.python_version()
    print(f"{today}, {arguments.threads} threads of {os.cpu_count()} cores, Python {python}.")
    print(f"Medians of {arguments.repeats} runs each, in turns. {versions(bench, arguments.contestants)}.\n")
    print("| rows | file | contestant | wall s | from, to | CPU s | rows/s | peak MiB | of it own | wall / Veritable's |")
    print("| ---: | --- | --- | ---: | --- | ---: | ---: | ---: | ---: | ---: |")
    laps = ""
    for rows in arguments.sizes:
        tables = bench.make(rows)
        for name in arguments.formats:
            laps += compare(bench, rows, name, tables[name], arguments)
    if laps:
        print(f"\nWhere the time goes, seconds of the last run:\n{laps}", end="")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000_000], metavar="ROWS")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--contestants", nargs="+", choices=SCRIPTS, default=list(SCRIPTS))
    parser.add_argument("--formats", nargs="+", choices=FORMATS, default=list(FORMATS))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "veritable-tables", help="cache")
    main(parser.parse_args())
