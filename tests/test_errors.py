"""What a machine lacks is said in one sentence, whatever library reports it."""

import errno
import os
import resource
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import HANGS
from veritable.errors import UserError, explain_shortage

MEMORY = "needs more memory than it may use. Close other programs"
CODES = {
    errno.ENOMEM: MEMORY,
    errno.ENOSPC: "cannot write x.csv, because the disk is full. Free some space, and run it again.",
    errno.EDQUOT: "cannot write x.csv, because the quota of the disk is used up. Free some space",
    errno.EFBIG: "cannot write x.csv, because it would exceed the limit on the size of files. Raise the limit (ulimit -f)",
    errno.EROFS: "cannot write x.csv, because its file system is read-only.",
    errno.EACCES: "may not access x.csv, because its permissions do not allow it. Change its permissions",
    errno.EPERM: "may not access x.csv, because its permissions do not allow it. Change its permissions",
}


class TerminatedWorkerError(Exception):
    """Named like the error of joblib, which takes long to import."""


@pytest.mark.parametrize("code", CODES, ids=errno.errorcode.get)
def test_errors_of_the_system(code: int) -> None:
    """Each error names the file, the reason and the remedy."""
    found = explain_shortage(OSError(code, os.strerror(code), "x.csv"))
    assert found is not None
    assert found.startswith(CODES[code])


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MemoryError(), MEMORY),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes."), MEMORY),
        (RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"), MEMORY),
        (Exception("std::bad_alloc"), MEMORY),
        (ImportError("libtorch_cpu.so: failed to map segment from shared object"), MEMORY),
        (RuntimeError("can't start new thread"), MEMORY),
        (
            Exception("Error while serializing: I/O error: No space left on device (os error 28)"),
            "cannot write a file, because",
        ),
        (sqlite3.OperationalError("database or disk is full"), "cannot write a file, because the disk is full"),
        (TerminatedWorkerError("A worker process was unexpectedly terminated"), "lost a worker process, which was killed"),
        (RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed."), "lost a worker process, which was killed"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_errors_of_libraries(error: Exception, words: str) -> None:
    """The errors of C++ and Rust libraries are recognized by their words."""
    assert words in (explain_shortage(error) or "")


def test_the_cause_counts() -> None:
    """An error that a shortage has caused is explained by the shortage."""
    try:
        try:
            raise OSError(errno.ENOSPC, "No space left on device", "x.csv")
        except OSError as cause:
            raise ValueError("cannot save") from cause
    except ValueError as error:
        assert "cannot write x.csv" in (explain_shortage(error) or "")


@pytest.mark.parametrize("error", [ValueError("x"), KeyError("disk"), FileNotFoundError(2, "No such file"), UserError("full")])
def test_other_errors_are_not_explained(error: Exception) -> None:
    """A mistake in a program is not taken for a shortage: it keeps its traceback."""
    assert None is explain_shortage(error)


def test_where_it_happened() -> None:
    """The line of the source is named."""
    assert "needs more memory than it may use (at src/x.py:3 in f)." in (
        explain_shortage(MemoryError(), "src/x.py:3 in f") or ""
    )


def test_a_name_with_line_ends_stays_one_line() -> None:
    """The name of a file cannot break the sentence into lines."""
    assert "\n" not in (explain_shortage(OSError(errno.ENOSPC, "No space left on device", "a\nb")) or "\n")


ALLOCATIONS = """
import resource, sys
import numpy as np, pyarrow as pa, torch, lightgbm
from veritable.errors import explain_shortage
frame = np.random.default_rng(0).random((200_000, 200))
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 2**24, used + 2**24))
for name, allocate in {
    "python": lambda: bytearray(2**30),
    "numpy": lambda: np.ones(2**28),
    "torch": lambda: torch.ones(2**28),
    "pyarrow": lambda: pa.allocate_buffer(2**30),
    "lightgbm": lambda: lightgbm.Dataset(frame, np.zeros(len(frame))).construct(),
}.items():
    try:
        allocate()
        print(name, "succeeded")
    except Exception as error:
        print(name, explain_shortage(error) is not None, type(error).__name__, str(error)[:200].replace(chr(10), " "))
"""


def test_libraries_out_of_memory() -> None:
    """numpy, torch, Arrow and LightGBM, which really run out of memory, are recognized."""
    done = subprocess.run([sys.executable, "-c", ALLOCATIONS], capture_output=True, text=True, timeout=HANGS)
    found = dict(line.split()[:2] for line in done.stdout.splitlines() if " True " in line or " False " in line)
    assert dict.fromkeys(["python", "numpy", "torch", "pyarrow", "lightgbm"], "True") == found, done.stdout + done.stderr


def test_a_write_beyond_the_limit(tmp_path: Path) -> None:
    """Arrow's writer, which reports a full disk as an error of its own, is recognized."""
    program = (
        "import resource, sys, pyarrow as pa, pyarrow.parquet as pq\n"
        "from veritable.errors import explain_shortage\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))\n"
        "try:\n"
        "    pq.write_table(pa.table({'x': list(range(10_000))}), sys.argv[1])\n"
        "except Exception as error:\n"
        "    print(explain_shortage(error))\n"
    )
    assert resource.RLIM_INFINITY == resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "x.parquet")], capture_output=True, text=True, timeout=HANGS
    )
    assert "because it would exceed the limit on the size of files" in done.stdout, done.stdout + done.stderr
