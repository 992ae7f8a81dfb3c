"""Measure the wall time, CPU time and peak memory of a command, including its child processes."""

import os
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

PROC = Path("/proc")
PERIOD_SECONDS = 0.02


class Cost(NamedTuple):
    """Cost of one run.

    Attributes
    ----------
    peak_bytes
        Peak of the resident memory, including pages of mapped files.
    own_bytes
        Peak of the resident memory that belongs to no file, so that it cannot be released under pressure.
    """

    wall_seconds: float
    cpu_seconds: float
    peak_bytes: float
    own_bytes: float


def measure(command: Sequence[str], environment: Mapping[str, str]) -> tuple[Cost, str]:
    """Run a command and return its cost and its output.

    Raises
    ------
    SystemExit
        The command failed.
    """
    begun = time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    peaks, ended = [0, 0], threading.Event()

    def watch() -> None:
        while not ended.wait(PERIOD_SECONDS):
            resident = [_resident(pid) for pid in _tree(process.pid)]
            for i in range(2):
                peaks[i] = max(peaks[i], sum(each[i] for each in resident))

    watcher = threading.Thread(target=watch)
    watcher.start()
    assert process.stdout is not None
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)  # of this child and of the children that it waited for
    wall = time.perf_counter() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    ended.set()
    watcher.join()
    if process.returncode:
        raise SystemExit(f"the contestant failed with exit code {process.returncode}: {' '.join(command)}")
    # the kernel knows the peak of one process, the watcher the sum of several
    return Cost(wall, usage.ru_utime + usage.ru_stime, max(peaks[0], usage.ru_maxrss * 1024), peaks[1]), output


def _tree(pid: int) -> Iterator[int]:
    yield pid
    for children in (PROC / str(pid) / "task").glob("*/children"):
        try:
            found = children.read_text().split()
        except OSError:  # the thread has ended
            continue
        for child in found:
            yield from _tree(int(child))


def _resident(pid: int) -> tuple[int, int]:
    """Return the bytes in memory, and those of them that belong to no file."""
    try:
        lines = (PROC / str(pid) / "status").read_text().splitlines()
    except OSError:  # the process has ended
        return 0, 0
    fields = dict(line.split(":", 1) for line in lines)
    found = [int(fields[key].split()[0]) * 1024 if key in fields else 0 for key in ("VmRSS", "RssAnon")]  # a zombie has none
    return found[0], found[1]
