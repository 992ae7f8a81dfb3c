"""A finding: what a named check of the table says."""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Level = Literal["error", "warning", "note"]
LEVELS: tuple[Level, ...] = ("error", "warning", "note")


@dataclass(frozen=True)
class Finding:
    """What a check found.

    Attributes
    ----------
    column
        None where it is about the table.
    """

    code: str
    level: Level
    sentence: str
    column: str | None = None
    numbers: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return asdict(self)
