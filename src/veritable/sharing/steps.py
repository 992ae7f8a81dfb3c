"""What a long operation reports while it works: its steps and how far each has come."""

from typing import Protocol


class Steps(Protocol):
    """Receives the progress of an operation. Threads may call it at the same time."""

    def begin(self, description: str, total: int | None = None) -> None:
        """Begin a step that counts up to `total`; None if that is not known."""

    def advance(self, count: int = 1) -> None:
        """Count further in the step that began last."""

    def wait(self, is_waiting: bool) -> None:
        """Say that a remote is waited for from now on, or no longer."""


class Silent:
    """Steps that nobody watches."""

    def begin(self, description: str, total: int | None = None) -> None:
        """Ignore the step."""

    def advance(self, count: int = 1) -> None:
        """Ignore the count."""

    def wait(self, is_waiting: bool) -> None:
        """Ignore it."""
