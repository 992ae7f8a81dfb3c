"""Show the progress of long work, on a terminal only."""

import sys

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)


def progress() -> Progress:
    """Show a bar with a percentage. A task without `total` shows a spinner only."""
    return _progress(SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())


def step_progress() -> Progress:
    """Show a bar that counts steps and estimates the remaining time."""
    return _progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("steps"), TimeRemainingColumn()
    )


def row_progress() -> Progress:
    """Show a spinner that counts rows, for a table of unknown length."""
    return _progress(
        SpinnerColumn(), TextColumn("{task.description}"), TextColumn("{task.completed:,.0f} rows"), TimeElapsedColumn()
    )


def byte_progress() -> Progress:
    """Show a bar with a percentage, and the remaining time. The task may change its description and its total."""
    return _progress(TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())


def _progress(*columns: ProgressColumn) -> Progress:
    return Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True)
