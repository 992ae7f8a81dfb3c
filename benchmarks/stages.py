"""Measure the time of each stage of the demo, and the part of it that is the start of Python and the imports.

Run by `python benchmarks/stages.py [RUNS]` in a repository whose pipeline has run. The stages run without DVC. The table has
medians of wall and CPU seconds.
"""

import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
STAGES = ("generate", "preprocess", "baselines", "plan", "train", "tune", "evaluate", "explain", "report")
IMPORTS = "import runpy, sys; sys.path.insert(0, 'src'); runpy.run_path('stages/{stage}.py', run_name='imports')"


def measure(command: list[str]) -> tuple[float, float]:
    """Run a command. Return the wall and CPU seconds of it and its children."""
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    wall, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main(runs: int) -> None:
    print("| stage | wall | CPU | imports, CPU | share of imports |\n| --- | ---: | ---: | ---: | ---: |")
    sums = [0.0, 0.0, 0.0]
    for stage in STAGES:
        whole = [measure([sys.executable, f"stages/{stage}.py"]) for _ in range(runs)]
        imports = [measure([sys.executable, "-P", "-c", IMPORTS.format(stage=stage)])[1] for _ in range(runs)]
        wall, cpu = (statistics.median(column) for column in zip(*whole, strict=True))
        imported = statistics.median(imports)
        sums = [total + each for total, each in zip(sums, (wall, cpu, imported), strict=True)]
        print(f"| {stage} | {wall:.2f} | {cpu:.2f} | {imported:.2f} | {imported / cpu:.0%} |")
    print(f"| all | {sums[0]:.2f} | {sums[1]:.2f} | {sums[2]:.2f} | {sums[2] / sums[1]:.0%} |")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
