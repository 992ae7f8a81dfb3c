"""Prefetching yields the same batches, one in advance, and never waits when it is closed."""

import threading
from collections.abc import Iterator

import pytest

from veritable.tables.reading.source import prefetch


def test_same_batches() -> None:
    """The batches are the same, in the same order."""
    assert [3, 1, 2] == list(prefetch(iter([3, 1, 2])))
    assert [] == list(prefetch([]))


def test_an_error_comes_in_its_turn() -> None:
    """An error in the background is raised in place of its batch."""

    def torn() -> Iterator[int]:
        yield 1
        raise ValueError("torn")

    batches = prefetch(torn())
    assert 1 == next(batches)
    with pytest.raises(ValueError, match="torn"):
        next(batches)


def test_given_up_without_waiting() -> None:
    """Closing does not wait for the current batch: the garbage collector may close it while a thread is being started."""
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
