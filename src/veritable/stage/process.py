"""Tie a process to its parent, and let only one process at a time run a stage or the pipeline."""

import ctypes
import fcntl
import os
import select
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from veritable.errors import UserError

SHELLS = ("sh", "dash", "bash", "zsh", "fish")  # DVC starts a stage by one of them
_PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int) -> None:
    """Ask the kernel to kill this process as soon as its parent, whose process id is `parent`, ends."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # the parent ended before the call
        os.kill(os.getpid(), signal.SIGKILL)


def die_with_dvc() -> None:
    """Ask the kernel to kill this stage as soon as the DVC that started it ends, even if a shell that waits is in between."""
    parent = os.getppid()
    die_with_parent(parent)
    if sys.platform != "linux":
        return
    from psutil import NoSuchProcess, Process  # DVC, which the caller has imported, needs it too

    try:
        shell = Process(parent)
        if shell.name() not in SHELLS:
            return
        dvc = os.pidfd_open(shell.ppid())
    except (NoSuchProcess, ProcessLookupError):  # one of them has just ended
        os.kill(os.getpid(), signal.SIGKILL)
    threading.Thread(target=_die_after, args=(dvc,), daemon=True).start()


def _die_after(process: int) -> None:
    select.select([process], [], [])
    os.kill(os.getpid(), signal.SIGKILL)


@contextmanager
def exclusive_lock(what: str, path: Path) -> Iterator[int]:
    """Hold the lock of a stage or of the pipeline. Yield its file descriptor, so that a child process can hold the lock too.

    Parameters
    ----------
    what
        What must run only once at a time: "stage 'train'".
    path
        File of the lock.

    Raises
    ------
    UserError
        Another process holds the lock.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(handle, 20).decode() or "unknown"
            raise UserError(
                f"{what} must run only once at a time, but process {holder} is still running it. "
                f"Wait until it has ended, or stop it with `kill {holder}`."
            ) from None
        os.ftruncate(handle, 0)
        os.pwrite(handle, str(os.getpid()).encode(), 0)
        yield handle
    finally:
        os.close(handle)
