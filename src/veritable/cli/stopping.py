"""End a command by SIGTERM or SIGHUP as Ctrl-C ends it, by an exception, so that it removes its partial files."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGTERM, signal.SIGHUP)


class StoppedError(KeyboardInterrupt):
    """The process was asked to end. The message is the name of the signal."""


def raise_stopped(number: int, frame: FrameType | None = None) -> None:
    """Raise a `StoppedError`. It is a handler of signals."""
    raise StoppedError(signal.Signals(number).name)


@contextmanager
def on_stop(handle: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Call `handle` if this process is asked to end. A signal that the caller ignores, as `nohup` does, stays ignored."""
    earlier = {each: signal.getsignal(each) for each in _SIGNALS}
    try:
        for each, handler in earlier.items():
            if handler is not signal.SIG_IGN:
                signal.signal(each, handle)
        yield
    finally:
        for each, handler in earlier.items():
            signal.signal(each, handler)
