"""Read ahead: the next batch is made ready in the background while this one is worked on."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

THREADS = 2  # at work on one table; Arrow and numpy let go of the interpreter
T = TypeVar("T")


def ahead(batches: Iterable[T]) -> Iterator[T]:
    """The same, one ahead. What goes wrong in the background is raised here, in its turn."""
    iterator, end = iter(batches), object()
    background = ThreadPoolExecutor(1)
    try:
        coming = background.submit(next, iterator, end)
        while (batch := coming.result()) is not end:
            coming = background.submit(next, iterator, end)
            yield batch  # type: ignore[misc]
    finally:  # never waits: what an error left behind is closed by the garbage collector, maybe amid the start of a thread
        background.shutdown(wait=False, cancel_futures=True)
