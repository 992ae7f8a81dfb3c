"""Peak memory of a call, measured in a process of its own.

Do not use tracemalloc for this: CPython 3.11 crashes when `tracemalloc.stop()` runs while one of Arrow's threads takes the
interpreter lock (python/cpython#128679), and a process that has done other work does not show what a call needs.
"""

import re
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path


def growth_bytes(act: Callable[..., object], *arguments: object) -> int:
    """Return by how many bytes a new process grows at its peak while it runs `act(*arguments)`, a function of a module."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_measure, act, arguments).result()


def _measure(act: Callable[..., object], arguments: tuple[object, ...]) -> int:
    before = _peak_bytes()
    act(*arguments)
    return _peak_bytes() - before


def _peak_bytes() -> int:
    """Return the peak memory of this process. (`getrusage` would begin with that of the process that started it.)"""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return int(found[1]) * 1024
