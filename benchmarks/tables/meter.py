"""What a command costs: wall and CPU seconds, and the peak of its memory, its children's included."""

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
    """Of one run."""

    wall_seconds: float
    cpu_seconds: float
    peak_bytes: float  # resident, pages of mapped files included
    own_bytes: float  # resident and of no file: what cannot be given back under pressure


def measure(command: Sequence[str], environment: Mapping[str, str]) -> tuple[Cost, str]:
    """Run a command to its end; returns its cost and its output.

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
    _, status, usage = os.wait4(process.pid, 0)  # of this child and those that it waited for
    wall = time.perf_counter() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    ended.set()
    watcher.join()
    if process.returncode:
        raise SystemExit(f"the contestant must end well, however it ended with {process.returncode}: {' '.join(command)}")
    # the kernel saw the one process's peak, the watcher the sum of several: neither alone would do
    return Cost(wall, usage.ru_utime + usage.ru_stime, max(peaks[0], usage.ru_maxrss * 1024), peaks[1]), output


def _tree(pid: int) -> Iterator[int]:
    yield pid
    for children in (PROC / str(pid) / "task").glob("*/children"):
        try:
            found = children.read_text().split()
        except OSError:  # the thread is gone
            continue
        for child in found:
            yield from _tree(int(child))


def _resident(pid: int) -> tuple[int, int]:
    """Bytes in memory, and those of them that belong to no file."""
    try:
        lines = (PROC / str(pid) / "status").read_text().splitlines()
    except OSError:  # the process is gone
        return 0, 0
    fields = dict(line.split(":", 1) for line in lines)
    found = [int(fields[key].split()[0]) * 1024 if key in fields else 0 for key in ("VmRSS", "RssAnon")]  # a zombie has none
    return found[0], found[1]
