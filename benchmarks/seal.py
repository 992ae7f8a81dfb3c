"""Measure the cost of the stage contract and its seal. Run by `python benchmarks/seal.py [RUNS]`.

The same script runs bare and sealed, in turns, in a temporary repository with the dvc.yaml of this repository, because its
length is part of the cost. The table has the median and the minimum of wall time and CPU time. The minimum of CPU time is the
most reliable value on a busy machine. There are two scripts, each with a goal:
- a stage that writes one line: at most 0.5 s more;
- a stage that imports torch and Lightning and opens 10,000 declared files: at most 2 % more in its function and imports.
"""

import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
SEALED = "from veritable.stage.contract import Stage, run\n\nrun(__name__)\n"
TRIVIAL = """
{head}

def x(stage):
    stage.outputs["x"].write_text("0 0")
"""
HEAVY = """
import time

begun = time.perf_counter(), time.process_time()
{head}
import pytorch_lightning
import torch


def x(stage):
    for file in sorted(stage.inputs["files"].iterdir()):
        with file.open() as opened:
            opened.read()
    stage.outputs["x"].write_text(f"{{time.perf_counter() - begun[0]}} {{time.process_time() - begun[1]}}")
"""
BARE = """
import pathlib, types
x(types.SimpleNamespace(inputs={"files": pathlib.Path("files")}, outputs={"x": pathlib.Path("bare")}))
"""
ENTRY = """stages:
  x:
    cmd: python stages/x.py
    deps: [code/x.txt, {files}]
    outs: [x]
"""


def make_repository(root: Path) -> None:
    """Make a repository with the code of this one and 10,000 files."""
    shutil.copytree(HERE / "src", root / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(HERE / "params.yaml", root)
    for folder in ("stages", "code", "files", "none"):
        (root / folder).mkdir()
    for number in range(10_000):
        (root / "files" / f"{number}.txt").write_text(str(number))
    subprocess.run([sys.executable, "-m", "dvc", "init", "-q", "--no-scm"], cwd=root, check=True)
    subprocess.run([sys.executable, "-m", "compileall", "-q", "src"], cwd=root, check=True)


def write_stage(root: Path, script: str, files: str) -> None:
    """Write a script as a sealed stage and as a bare script."""
    entry = ENTRY.replace("{files}", files)
    (root / "dvc.yaml").write_text((HERE / "dvc.yaml").read_text().replace("stages:\n", entry, 1))
    (root / "stages/x.py").write_text(script.format(head=SEALED))
    (root / "bare.py").write_text(script.format(head="") + BARE)
    state = "from pathlib import Path; from veritable.stage.code import list_code; root = Path.cwd(); "
    state += "(root / 'code/x.txt').write_text(list_code(root / 'stages/x.py', root / 'src'))"
    subprocess.run([sys.executable, "-c", state], cwd=root, check=True, env=environment(root))


def environment(root: Path) -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(root / "src"), "DVC_STAGE": "x"}


def run(root: Path, script: str, output: str) -> tuple[float, ...]:
    """Run a script. Return wall and CPU seconds of the whole command, then those of the function with its imports."""
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run([sys.executable, script], cwd=root, env=environment(root), capture_output=True, text=True)
    seconds, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stdout + done.stderr
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, cpu, *map(float, (root / output).read_text().split())


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    print(f"{f'seconds, {runs} runs':<66}{'bare':>8}{'sealed':>8}{'difference':>12}")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "repository"
        root.mkdir()
        make_repository(root)
        for name, script, files in (("one line", TRIVIAL, "none"), ("torch, Lightning, 10,000 files", HEAVY, "files")):
            write_stage(root, script, files)
            for each in (("bare.py", "bare"), ("stages/x.py", "x")):  # fill the caches
                run(root, *each)
            pairs = [(run(root, "bare.py", "bare"), run(root, "stages/x.py", "x")) for _ in range(runs)]
            for place, what in enumerate(
                ("whole process", "whole process, CPU", "function and imports", "function and imports, CPU")
            ):
                for statistic, label in ((statistics.median, "median"), (min, "minimum")):
                    bare, sealed = (statistic(pair[side][place] for pair in pairs) for side in (0, 1))
                    if bare:
                        line = f"{name}: {what}, {label}"
                        print(f"{line:<66}{bare:>8.2f}{sealed:>8.2f}{sealed - bare:>12.2f}  {sealed / bare - 1:+.1%}")


if __name__ == "__main__":
    main()
