"""From what a column holds to what it is: its type, unless it is declared, and whether the classifier is fed with it."""

import re

from veritable.tables.params import DECLARABLE, DataParams
from veritable.tables.typing import parse
from veritable.tables.typing.contract import FALSE, LEARNABLE, TRUE, Column, Role, Type
from veritable.tables.typing.survey import ColumnSurvey, Form

_FEWEST = 20  # values below which "all of them differ" says nothing
_ID_NAME = re.compile(r"(?i:(^|[_\W])(id|uuid|guid|key|nr|no|number|index|rownames?)$)|[a-z](Id|ID|Key|No|Nr)$")


def role_of(name: str, params: DataParams) -> Role:
    """Return the role that params.yaml gives the column."""
    named: dict[str | None, Role] = {
        params.target: "target",
        params.id: "id",
        params.group: "group",
        params.time: "time",
        params.weight: "weight",
        params.part: "part",
    }
    return named.get(name, "feature")


def start(name: str, params: DataParams) -> ColumnSurvey:
    """A survey of the column that knows what params.yaml declares of it."""
    declared, role = params.types.get(name), role_of(name, params)
    form: Form | None = None
    if role in ("target", "part") or (role != "weight" and declared in ("category", "boolean", "identifier", "text")):
        form = Form("text")
    elif declared == "number" or role == "weight":
        form = Form("number")
    elif declared == "date":
        form = Form("date")
    elif declared and declared not in DECLARABLE:
        form = Form("date", declared)
    elif role in ("id", "group"):
        form = Form("text")
    codes = frozenset(code if isinstance(code, str) else parse.number_text(code) for code in params.missing_codes.get(name, ()))
    labels = params.labels if role == "target" else {}
    return ColumnSurvey(name, frozenset(params.missing), codes, labels, form, fixed=form is not None)


def describe(survey: ColumnSurvey, params: DataParams, *, categories: int) -> Column:
    """The column's line in the contract."""
    role, kind = role_of(survey.name, params), type_of(survey, params)
    form = survey.form or Form("text")
    withheld = params.withhold_sensitive and survey.name in params.sensitive
    ranged = survey.present > 0 and form.storage != "text" and not survey.infinite
    listed: tuple[str, ...] = ()
    if kind == "boolean":
        listed = _false_and_true(survey)
    elif kind == "category":
        listed = tuple(sorted(survey.levels)) if len(survey.levels) <= categories else ()
    return Column(
        survey.name,
        kind,
        role,
        used=role == "feature" and not withheld and kind in LEARNABLE,
        form=form.style,
        missing=round(1 - survey.present / survey.rows, 6) if survey.rows else 0.0,
        missing_codes=tuple(sorted(survey.codes)),
        minimum=survey.minimum if ranged else None,
        maximum=survey.maximum if ranged else None,
        distinct=survey.distinct,
        categories=listed,
    )


def type_of(survey: ColumnSurvey, params: DataParams) -> Type:
    """As declared under data.types, else as the values are."""
    declared = params.types.get(survey.name)
    if declared is not None:
        return declared if declared in DECLARABLE else "date"  # type: ignore[return-value]
    gaps = survey.present < survey.rows
    if not survey.present or (survey.distinct == 1 and not gaps):
        return "constant"
    if survey.form is None or survey.form.storage == "text":
        return _type_of_texts(survey)
    if survey.form.storage == "date":
        return "date"
    if survey.binary and survey.distinct == 2:
        return "boolean"
    unique = survey.whole and survey.present >= _FEWEST and survey.distinct > 0.95 * survey.present
    return "identifier" if unique and (survey.steps or bool(_ID_NAME.search(survey.name))) else "number"


def _type_of_texts(survey: ColumnSurvey) -> Type:
    lowered = {level.lower() for level in survey.levels}
    if len(survey.levels) == 2 and lowered <= FALSE | TRUE and len(lowered & FALSE) == 1:
        return "boolean"
    words = survey.words / max(1, len(survey.levels))
    share = survey.distinct / survey.present
    if survey.present >= _FEWEST and (share > 0.95 or (survey.overflow and share > 0.5)):
        return "text" if words >= 2 else "identifier"
    return "text" if words >= 5 and share > 0.3 and survey.distinct > _FEWEST else "category"


def _false_and_true(survey: ColumnSurvey) -> tuple[str, str]:
    """The column's own words for no and yes; of two words that mean neither, the first in order is no."""
    if not survey.levels:
        return ("0", "1")
    words = sorted(survey.levels, key=lambda word: (word.lower() in TRUE, word.lower() not in FALSE, word))
    return (words[0], words[1]) if len(words) > 1 else (("false", words[0]) if words[0].lower() in TRUE else (words[0], "true"))
