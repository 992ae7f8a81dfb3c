"""Infer what a column is from what it holds: its type, unless that is declared, and whether it is a feature."""

import re

from veritable.tables.params import DECLARABLE, DataParams
from veritable.tables.typing import parse
from veritable.tables.typing.contract import FALSE, LEARNABLE, TRUE, Column, Role, Type
from veritable.tables.typing.form import Form
from veritable.tables.typing.survey import ColumnSurvey

_MIN_VALUES = 20  # with fewer values, "all of them are distinct" may be chance
_ID_NAME = re.compile(r"(?i:(^|[_\W])(id|uuid|guid|key|nr|no|number|index|rownames?)$)|[a-z](Id|ID|Key|No|Nr)$")


def role_of(name: str, params: DataParams) -> Role:
    """Return the role that the params give the column."""
    named: dict[str | None, Role] = {
        params.target: "target",
        params.id: "id",
        params.group: "group",
        params.time: "time",
        params.weight: "weight",
        params.part: "part",
    }
    role = named.get(name, "feature")
    return "withheld" if name in params.withhold and role in ("feature", "id") else role


def start(name: str, params: DataParams) -> ColumnSurvey:
    """Return a new survey of the column, with what the params declare about it."""
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
    elif role == "group" or name == params.id:
        form = Form("text")
    codes = frozenset(code if isinstance(code, str) else parse.number_text(code) for code in params.missing_codes.get(name, ()))
    labels = params.labels if role == "target" else {}
    missing = frozenset(params.missing)
    return ColumnSurvey(name, form, fixed=form is not None, missing=missing, codes=codes, labels=labels)


def describe(survey: ColumnSurvey, params: DataParams, *, categories: int) -> Column:
    """Return the column as the contract describes it."""
    role, kind = role_of(survey.name, params), type_of(survey, params)
    form = survey.form or Form("text")
    withheld = survey.name in params.withhold
    ranged = survey.present > 0 and not withheld and form.storage != "text" and not survey.infinite
    listed: tuple[str, ...] = ()
    if kind == "boolean" and not withheld:  # the contract is part of the classifier
        listed = _false_and_true(survey)
    elif kind == "category" and not withheld:
        listed = tuple(sorted(survey.levels)) if len(survey.levels) <= categories else ()
    return Column(
        survey.name,
        kind,
        role,
        used=role == "feature" and kind in LEARNABLE,
        form=form.style,
        missing=round(1 - survey.present / survey.rows, 6) if survey.rows else 0.0,
        missing_codes=tuple(sorted(survey.codes)),
        minimum=survey.minimum if ranged else None,
        maximum=survey.maximum if ranged else None,
        distinct=survey.distinct,
        categories=listed,
    )


def type_of(survey: ColumnSurvey, params: DataParams) -> Type:
    """Return the type of the column: the one declared in data.types, else the one that its values suggest."""
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
    unique = survey.whole and survey.present >= _MIN_VALUES and survey.distinct > 0.95 * survey.present
    return "identifier" if unique and (survey.steps or bool(_ID_NAME.search(survey.name))) else "number"


def _type_of_texts(survey: ColumnSurvey) -> Type:
    lowered = {level.lower() for level in survey.levels}
    if len(survey.levels) == 2 and lowered <= FALSE | TRUE and len(lowered & FALSE) == 1:
        return "boolean"
    words = survey.words / max(1, len(survey.levels))
    share = survey.distinct / survey.present
    if survey.present >= _MIN_VALUES and (share > 0.95 or (survey.overflow and share > 0.5)):
        return "text" if words >= 2 else "identifier"
    return "text" if words >= 5 and share > 0.3 and survey.distinct > _MIN_VALUES else "category"


def _false_and_true(survey: ColumnSurvey) -> tuple[str, str]:
    """Return the words of the column for no and yes. If they mean neither, the first in alphabetical order is no."""
    if not survey.levels:
        return ("0", "1")
    words = sorted(survey.levels, key=lambda word: (word.lower() in TRUE, word.lower() not in FALSE, word))
    return (words[0], words[1]) if len(words) > 1 else (("false", words[0]) if words[0].lower() in TRUE else (words[0], "true"))
