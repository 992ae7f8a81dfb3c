"""Findings: the results of the checks of a table, as sentences for the terminal and the report.

docs/tables.md lists the codes; a test compares it with this module.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from veritable.errors import TableError

Level = Literal["error", "warning", "note"]
LEVELS: tuple[Level, ...] = ("error", "warning", "note")
CODES: dict[str, str] = {
    "gives_target_away": "a column alone predicts the target almost perfectly; it may be known only afterwards, or be a copy",
    "time_order": "the rows are in the order of a column, so a random split may train on the future; see data.time",
    "identifier": "a column identifies rows, so nothing can be learned from it; it is not used",
    "free_text": "a column holds free text; it is not used",
    "constant": "a column has the same value in all rows; it is not used",
    "all_missing": "a column has no values; it is not used",
    "hidden_missing": "texts such as '?' or blanks were read as missing values",
    "mixed": "a few texts among the numbers of a column keep it from being numeric",
    "many_categories": "a category has more levels than data.max_categories; the rarer levels were merged",
    "rare_categories": "a category has levels with fewer than ten rows in train",
    "sentinel": "a number far from all others is so frequent that it may stand for a missing value",
    "rounded": "whole numbers beyond 2^53 were rounded",
    "number_format": "numbers are written with thousands separators, decimal commas, percent signs or currencies",
    "ambiguous_date": "dates can be read day first or month first",
    "duplicates": "rows are equal to an earlier row in every column",
    "duplicates_across_parts": "rows are equal to a row of another part, because the split is given",
    "frequent_rows": "a combination of feature values is very frequent; a random split deals its rows to all parts",
    "uneven_parts": "a group is so large that the parts do not have the shares that were asked for",
    "positive_class": "data.positive is auto, so the positive class was chosen by the number of rows",
    "class_rare": "a class has too few rows to be learned and evaluated",
    "imbalance": "one class is rare, so accuracy says little",
    "target_missing": "rows without a target were dropped",
    "unplaced": "rows without a value in the column that splits the table were dropped",
    "drift": "a column is distributed differently in valid or test than in train",
    "target_drift": "the shares of the classes in valid or test differ from those in train",
}
_MAX_PER_CODE = 20  # further findings of the same code and level are only counted


@dataclass(frozen=True)
class Finding:
    """Result of a check.

    Attributes
    ----------
    code
        Key of `CODES`.
    level
        An error means that the metrics cannot be trusted, a warning that the user should look, a note that something was done.
    sentence
        Description for the user.
    column
        Name of the column, None if the finding is about the table.
    numbers
        Numbers of the sentence.
    """

    code: str
    level: Level
    sentence: str
    column: str | None = None
    numbers: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the finding as a JSON object."""
        return asdict(self)


def order_findings(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings with the errors first, and at most 20 of each code and level.

    Otherwise, a table with ten thousand constant columns would have as many findings.
    """
    return list(_limit(sorted(findings, key=lambda each: LEVELS.index(each.level))))


def refuse_errors(findings: Iterable[Finding]) -> None:
    """Raise an error if there is a finding of level error, as `data.strict` asks.

    Raises
    ------
    TableError
        A finding has level error.
    """
    if errors := [each.sentence for each in findings if each.level == "error"]:
        are = "is" if len(errors) == 1 else "are"
        raise TableError(f"with data.strict, no finding may be an error, but {len(errors)} {are}: {' '.join(errors)}")


def format_findings(findings: list[Finding]) -> str:
    """Return the findings as lines for a terminal."""
    if not findings:
        return "No findings."
    lines = [f"  {each.level:7}  {each.code:23}  {_escape(each.sentence)}" for each in findings]
    return "\n".join(["1 finding:" if len(findings) == 1 else f"{len(findings)} findings:", *lines])


def _escape(text: str) -> str:
    """Escape line feeds and control codes, which a column name may contain."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def _limit(findings: Iterable[Finding]) -> Iterator[Finding]:
    seen: Counter[tuple[str, Level]] = Counter()
    for each in findings:
        seen[each.code, each.level] += 1
        if seen[each.code, each.level] <= _MAX_PER_CODE:
            yield each
    for (code, level), count in seen.items():
        if count > _MAX_PER_CODE:
            more = count - _MAX_PER_CODE
            yield Finding(code, level, f"{more:,} more findings of this kind: {CODES[code]}.", numbers={"more": more})
