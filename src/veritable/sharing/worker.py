"""Run `share`, `fetch` and `fsck` in a process of their own, which is killed if a remote falls silent.

DVC and the clients of the servers wait for ever for a server that accepts a connection and never answers, and a thread that
waits cannot be ended. The processes exchange lines of JSON: the job through stdin; progress, result or error through stdout.
The worker ends if its stdin is closed, so it does not outlive its parent.
"""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from veritable.errors import UserError
from veritable.progress import byte_progress

_PAUSE_SECONDS = 0.1  # between two messages about the same step


def run_limited(command: str, root: Path, time_limit: float, **arguments: Any) -> dict[str, Any]:
    """Run a command in a process of its own, and show its progress. Return its result.

    Parameters
    ----------
    command
        A name in `COMMANDS`.
    time_limit
        Seconds without any progress after which the process is killed.

    Raises
    ------
    UserError
        The command failed, or made no progress for too long.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "veritable.sharing.worker"], cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin
    assert process.stdout
    try:
        process.stdin.write(json.dumps({"command": command, "arguments": arguments}) + "\n")
        process.stdin.flush()
        lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        threading.Thread(target=_forward, args=(process.stdout, lines), daemon=True).start()
        return _follow(lines, time_limit)
    except KeyboardInterrupt:
        raise UserError("Interrupted. Run the command again: it continues where it stopped.") from None
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


def _forward(stream: IO[str], lines: "queue.SimpleQueue[str]") -> None:
    for line in stream:
        lines.put(line)
    lines.put("")


def _follow(lines: "queue.SimpleQueue[str]", time_limit: float) -> dict[str, Any]:
    """Show the progress of a worker until it ends. Return its result."""
    description = "Starting"
    with byte_progress() as shown:
        task = shown.add_task(description, total=None)
        is_waiting = False
        while True:
            try:
                line = lines.get(timeout=time_limit if is_waiting else None)
            except queue.Empty:
                raise UserError(
                    f"the remote must answer within {time_limit:g} seconds (share.time_limit in params.yaml), but has been "
                    f"silent for longer (step: {description}). Run the command again: it continues where it stopped."
                ) from None
            message: dict[str, Any] = (
                json.loads(line) if line else {"error": "The process that transfers has ended without a result. Run it again."}
            )
            if "error" in message:
                raise UserError(message["error"])
            if "result" in message:
                return dict(message["result"])
            if "waiting" in message:
                is_waiting = message["waiting"]
            elif "begin" in message:
                description, total = message["begin"]
                shown.reset(task, description=description, total=total)
            else:
                shown.advance(task, message["advance"])


class _Reporter:
    """Steps that are written as lines of JSON, at most every tenth of a second."""

    def __init__(self, stream: IO[str]):
        self._stream, self._lock, self._count, self._last = stream, threading.Lock(), 0, 0.0

    def begin(self, description: str, total: int | None = None) -> None:
        with self._lock:
            self._count = 0
            self.write({"begin": [description, total]})

    def advance(self, count: int = 1) -> None:
        with self._lock:
            self._count += count
            if (now := time.monotonic()) - self._last > _PAUSE_SECONDS:
                self.write({"advance": self._count})
                self._count, self._last = 0, now

    def wait(self, is_waiting: bool) -> None:
        with self._lock:
            self.write({"waiting": is_waiting})

    def write(self, message: dict[str, Any]) -> None:
        self._stream.write(json.dumps(message) + "\n")
        self._stream.flush()


def _push(steps: _Reporter, remote: str | None, manifest: list[str] | None) -> Any:
    from veritable.sharing.manifest import Signed
    from veritable.sharing.push import push

    return push(Path.cwd(), remote, Signed(*manifest) if manifest else None, steps)


def _pull(steps: _Reporter, remote: str | None, trusted: list[str], verify: bool) -> Any:
    from veritable.sharing.pull import pull

    return pull(Path.cwd(), remote, trusted, verify, steps)


def _check(steps: _Reporter, repair: bool) -> Any:
    from veritable.sharing.fsck import check

    return check(Path.cwd(), repair, steps)


COMMANDS: dict[str, Callable[..., Any]] = {"push": _push, "pull": _pull, "check": _check}


def _work() -> None:
    """Do the job that stdin describes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to both processes; the parent ends this one
    reporter = _Reporter(os.fdopen(os.dup(1), "w"))
    os.dup2(2, 1)  # what a library prints must not mix with the messages
    job = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        result = COMMANDS[job["command"]](reporter, **job["arguments"])
        reporter.write({"result": asdict(result)})
    except UserError as error:
        reporter.write({"error": str(error)})
    os._exit(0)  # without waiting for the threads of a client that hangs


def _end_with_parent() -> None:
    sys.stdin.read()
    os._exit(1)


if __name__ == "__main__":
    _work()
