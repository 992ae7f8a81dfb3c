"""Reading ahead: the same batches, one in advance, and nothing to wait for when a reader is given up."""

import threading
from collections.abc import Iterator

import pytest

from veritable.tables.reading.source import prefetch


def test_same_batches() -> None:
    """What comes out is what went in, in order."""
    assert [3, 1, 2] == list(prefetch(iter([3, 1, 2])))
    assert [] == list(prefetch([]))


def test_an_error_comes_in_its_turn() -> None:
    """What goes wrong in the background is raised where the batch would have come."""

    def torn() -> Iterator[int]:
        yield 1
        raise ValueError("torn")

    batches = prefetch(torn())
    assert 1 == next(batches)
    with pytest.raises(ValueError, match="torn"):
        next(batches)


def test_given_up_without_waiting() -> None:
    """Closing does not wait for the batch under way: the garbage collector may close it amid the start of a thread."""
    arrived = threading.Event()

    def slow() -> Iterator[int]:
        yield 1
        arrived.wait(60)
        yield 2

    batches = prefetch(slow())
    assert 1 == next(batches)
    closer = threading.Thread(target=batches.close)  # type: ignore[attr-defined]
    closer.start()
    closer.join(20)
    waits = closer.is_alive()
    arrived.set()
    closer.join()
    assert not waits
