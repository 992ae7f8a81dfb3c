"""Named checks of a table: what would fool a person who trusts the numbers. Each finding has a stable code.

docs/tables.md lists the codes; a test holds it to this module.
"""

from collections.abc import Iterator, Mapping

from veritable.tables.checking.checks import of_column, of_sample, of_table
from veritable.tables.checking.finding import LEVELS, Finding, Level
from veritable.tables.checking.sample import Sample
from veritable.tables.errors import TableError
from veritable.tables.params import DataParams
from veritable.tables.splitting.assign import Assigned
from veritable.tables.typing.contract import Contract
from veritable.tables.typing.survey import ColumnSurvey

CODES: dict[str, str] = {
    "gives_target_away": "a column alone predicts the target nearly without fault: known only afterwards, or a copy of it",
    "time_order": "the rows stand in order of a column that is not named as data.time: a random split sees the future",
    "identifier": "a column names each row, so nothing can be learned from it; it is left out",
    "free_text": "a column holds free text, which is left out for now",
    "constant": "a column has one value in all rows; it is left out",
    "all_missing": "a column has no value at all; it is left out",
    "hidden_missing": "texts such as '?' or blanks were read as missing values",
    "mixed": "a few texts among numbers keep a column from being one of numbers",
    "many_categories": "a category has more levels than data.max_categories; the rarer ones become one",
    "rare_categories": "a category has levels of fewer than ten rows in train",
    "sentinel": "a number far from all others stands in many rows, as if it meant a missing value",
    "rounded": "whole numbers beyond 2^53 were rounded",
    "number_format": "numbers are written with thousands separators, decimal commas or per cent signs",
    "ambiguous_date": "dates can be read in two ways, day first or month first",
    "duplicates": "rows are equal in every column",
    "duplicates_across_parts": "rows of a part given by you are equal to rows of another part",
    "frequent_rows": "a combination of feature values is so frequent that its rows were dealt to all parts",
    "uneven_parts": "a group is so large that the parts do not have the shares that were asked for",
    "class_rare": "a class has too few rows to train, choose and judge with",
    "imbalance": "one class is rare, so accuracy says little",
    "target_missing": "rows without a target were left out",
    "unplaced": "rows without a value of the column that splits the table were left out",
    "drift": "a column is distributed otherwise in test than in train",
}
_MOST_NAMED = 20  # findings of one code; the rest is counted in one


def find(
    contract: Contract,
    surveys: Mapping[str, ColumnSurvey],
    assigned: Assigned,
    train: Sample,
    test: Sample,
    params: DataParams,
) -> list[Finding]:
    """Everything that the checks find, errors first."""
    found = [*of_table(contract, assigned, params)]
    for column in contract.columns:
        if column.role in ("feature", "sensitive"):
            found += of_column(column, surveys[column.name], params)
    for i, column in enumerate(contract.features):
        found += of_sample(column, train, test, i, len(contract.classes), params)
    found.sort(key=lambda each: LEVELS.index(each.level))
    return list(_shortened(found))


def refuse_errors(findings: list[Finding]) -> None:
    """What `data.strict` does.

    Raises
    ------
    TableError
        There are errors among the findings.
    """
    if errors := [each.sentence for each in findings if each.level == "error"]:
        raise TableError(
            f"with data.strict no finding may be an error, however {len(errors)} {'are' if len(errors) > 1 else 'is'}: "
            f"{' '.join(errors)}"
        )


def speak(findings: list[Finding]) -> str:
    """The findings for a terminal, a line each, errors first."""
    lines = [f"  {each.level:7}  {each.code:23}  {_plain(each.sentence)}" for each in findings]
    return (
        "\n".join([f"{len(findings)} findings:" if len(findings) != 1 else "1 finding:", *lines]) if lines else "No findings."
    )


def _plain(text: str) -> str:
    """Without line feeds and control codes, which a column's name may have."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def _shortened(found: list[Finding]) -> Iterator[Finding]:
    """No more than 20 of one code and level: ten thousand constant columns are one sentence."""
    seen: dict[tuple[str, Level], int] = {}
    for each in found:
        seen[each.code, each.level] = seen.get((each.code, each.level), 0) + 1
        if seen[each.code, each.level] <= _MOST_NAMED:
            yield each
    for (code, level), count in seen.items():
        if count > _MOST_NAMED:
            more = count - _MOST_NAMED
            yield Finding(code, level, f"{more:,} more of the kind: {CODES[code]}.", numbers={"more": more})
