"""The checks behind the findings: of the table as a whole, of what a column holds, and of what a sample tells of a column."""

import re
from collections.abc import Iterator

import numpy as np

from veritable.tables.checking.finding import Finding
from veritable.tables.checking.sample import Sample, drift, predictability
from veritable.tables.params import DataParams
from veritable.tables.splitting.assign import Assigned
from veritable.tables.splitting.split import PARTS, TEST, TRAIN, VALID
from veritable.tables.typing import sketch
from veritable.tables.typing.contract import Column, Contract
from veritable.tables.typing.survey import ColumnSurvey

_CERTAIN, _SUSPICIOUS = 0.99, 0.95  # mean recall of a single column's best guess
_DRIFT = 0.25  # population stability index: above, a distribution is commonly said to have shifted
_RARE_CLASS, _RARE_LEVEL, _RARE_SHARE = 10, 10, 0.1
_SENTINELS = (-999999.0, -99999.0, -9999.0, -999.0, -99.0, -9.0, -1.0, 99.0, 999.0, 9999.0, 99999.0, 999999.0)
_SENTINEL_SHARE = 0.003
_LEVELS_LOOKED_AT = 2000
_UNEVEN = 0.1  # of the rows that a part should have
_NUMBER = re.compile(r"[-+]?(?!0\d)\d+(\.\d+)?([eE][-+]?\d+)?$")


def of_table(contract: Contract, assigned: Assigned, params: DataParams) -> Iterator[Finding]:
    counts, rows = assigned.counts, int(assigned.counts.sum())
    if assigned.without_target:
        yield Finding(
            "target_missing",
            "warning",
            f"{_rows(assigned.without_target)} without a value of '{contract.target}' left out.",
            numbers={"rows": assigned.without_target},
        )
    if assigned.unplaced:
        yield Finding(
            "unplaced",
            "warning",
            f"{_rows(assigned.unplaced)} without a value of '{params.time or params.part}', which splits the table, left out.",
            numbers={"rows": assigned.unplaced},
        )
    if assigned.duplicates:
        total = len(assigned.parts)
        if assigned.dropped:
            how = f"{assigned.dropped:,} of them were dropped"
        elif assigned.across:
            how = "some of them are in different parts, because the split is given"
        elif assigned.frequent.any():
            how = "they were kept in one part, except for the rows of the finding frequent_rows"
        else:
            how = "they were kept in one part"
        yield Finding(
            "duplicates",
            "note" if assigned.duplicates < 0.01 * total else "warning",
            f"{assigned.duplicates:,} of {total:,} rows ({assigned.duplicates / total:.1%}) are equal to an earlier row in "
            f"every column; {how}.",
            numbers={"rows": assigned.duplicates, "dropped": assigned.dropped},
        )
    if assigned.across:
        yield Finding(
            "duplicates_across_parts",
            "error",
            f"{assigned.across:,} rows are equal to a row of another part, so test is not independent of train. "
            "Set data.duplicates to drop, or split the table in another way.",
            numbers={"rows": assigned.across},
        )
    if assigned.frequent.any():
        n_rows, n_units = int(assigned.frequent.sum()), len(assigned.frequent_units)
        units = (
            "have the same values in all features"
            if n_units == 1
            else f"repeat {n_units:,} combinations of feature values (the largest: {_rows(int(assigned.frequent_units[0]))})"
        )
        yield Finding(
            "frequent_rows",
            "warning",
            f"{n_rows:,} of {rows:,} rows ({n_rows / rows:.1%}) {units}. Each combination is so frequent that the parts would "
            "differ if it stayed in one of them, so these rows were dealt to all parts. If they stand for records without "
            "information, consider dropping them; if they are copies, set data.duplicates to drop.",
            numbers={"rows": n_rows, "combinations": n_units, "largest": int(assigned.frequent_units[0])},
        )
    yield from _check_group_size(assigned, params)
    for code, name in enumerate(contract.classes):
        of_class = {part: int(counts[i, code]) for part, i in (("train", TRAIN), ("valid", VALID), ("test", TEST))}
        if sum(of_class.values()) < _RARE_CLASS or not all(of_class.values()):
            lacking = [part for part, n in of_class.items() if not n]
            none = f"; {' and '.join(lacking)} {'have' if len(lacking) > 1 else 'has'} none" if lacking else ""
            yield Finding(
                "class_rare",
                "warning",
                f"class '{name}' has {_rows(sum(of_class.values()))} in all{none}: what is said of it rests on little.",
                numbers=of_class,
            )
    least = counts.sum(axis=0).min() / rows
    if len(contract.classes) == 2 and least < _RARE_SHARE:
        name = contract.classes[int(counts.sum(axis=0).argmin())]
        yield Finding(
            "imbalance",
            "note",
            f"class '{name}' has {least:.1%} of the rows: look at average precision and recall rather than accuracy.",
            numbers={"share": round(float(least), 6)},
        )


def _check_group_size(assigned: Assigned, params: DataParams) -> Iterator[Finding]:
    """Find a group that makes the parts uneven."""
    if params.time or params.part or params.test_file:
        return
    sizes = dict(zip(PARTS, assigned.counts.sum(axis=1).tolist(), strict=True))
    rows = sum(sizes.values())
    due = {"train": (1 - params.valid - params.test) * rows, "valid": params.valid * rows, "test": params.test * rows}
    uneven = any(abs(sizes[name] - due[name]) > _UNEVEN * due[name] for name in PARTS)
    if uneven and assigned.largest_group > _UNEVEN * min(due.values()):
        key = "group" if params.group else "id"
        shares = ", ".join(f"{name} {sizes[name] / rows:.0%} instead of {due[name] / rows:.0%}" for name in PARTS)
        yield Finding(
            "uneven_parts",
            "warning",
            f"the largest group of '{params.group or params.id}' has {_rows(assigned.largest_group)}, and a group is never "
            f"split, so the parts are uneven: {shares}. "
            f"If a value stands for an unknown {key}, name it in data.missing_codes.",
            params.group or params.id,
            {"largest_group": assigned.largest_group, **sizes},
        )


def of_column(column: Column, survey: ColumnSurvey, params: DataParams) -> Iterator[Finding]:
    name, declared = column.name, column.name in params.types
    if not survey.present:
        yield Finding("all_missing", "warning", f"'{name}' has no value in any row; it was left out.", name)
        return
    hidden = {text: n for text, n in sorted(survey.tokens.items()) if text != "" and text.strip() not in survey.codes}
    if hidden:
        texts = ", ".join(f"{text!r} {n:,}" for text, n in list(hidden.items())[:5])
        total = sum(hidden.values())
        yield Finding(
            "hidden_missing", "note", f"'{name}' has {total:,} texts read as missing values: {texts}.", name, {"rows": total}
        )
    if survey.rounded and survey.whole:
        sentence = f"'{name}' has {survey.rounded:,} whole numbers beyond 2^53, which were rounded. If they are codes, declare "
        sentence += "the column a category."
        yield Finding("rounded", "warning", sentence, name, {"rows": survey.rounded})
    if column.type == "category" and column.distinct > params.max_categories:
        yield Finding(
            "many_categories",
            "warning",
            f"'{name}' has {'about ' if column.distinct >= sketch.SIZE else ''}{column.distinct:,} levels; the "
            f"{params.max_categories:,} commonest were kept, the rest are one.",
            name,
            {"distinct": column.distinct},
        )
    if declared:
        return
    if column.type in ("category", "identifier") and (words := _among_numbers(survey)):
        yield Finding(
            "mixed",
            "warning",
            f"'{name}' is no number because of texts among its numbers: {words}. Correct them, or name them under "
            "data.missing_codes.",
            name,
        )
    if column.type == "constant":
        yield Finding("constant", "warning", f"'{name}' has the same value in every row; it was left out.", name)
    elif column.type == "identifier":
        yield Finding(
            "identifier",
            "warning",
            f"'{name}' looks like an identifier ({column.distinct:,} values in {survey.present:,} rows); it was left out. "
            "If it is one, name it in data.id.",
            name,
            {"distinct": column.distinct, "rows": survey.present},
        )
    elif column.type == "text":
        yield Finding(
            "free_text",
            "warning",
            f"'{name}' holds free text ({column.distinct:,} different ones); it was left out.",
            name,
            {"distinct": column.distinct},
        )
    if column.form in ("thousands", "decimal comma", "percent"):
        span = f"{survey.minimum:g} to {survey.maximum:g}"
        sentence = f"'{name}' writes its numbers in the style \"{column.form}\"; check that they range from {span}."
        yield Finding("number_format", "note", sentence, name)
    if column.type == "date" and survey.ambiguous:
        sentence = (
            f"'{name}' has dates that can be read in several ways; '{column.form}' was taken. Give the format under data.types."
        )
        yield Finding("ambiguous_date", "warning", sentence, name)
    ordered = survey.rising and column.type in ("number", "date") and column.distinct >= 20 and survey.present > 50
    if ordered and params.time is None and params.part is None and params.test_file is None:
        yield Finding(
            "time_order",
            "warning",
            f"the rows stand in order of '{name}': if it is time, a random split judges the past by the future. "
            "Name it in data.time.",
            name,
        )


def of_sample(column: Column, train: Sample, test: Sample, i: int, classes: int, params: DataParams) -> Iterator[Finding]:
    name, coded = column.name, column.type == "category"
    score = predictability(train, test, i, coded=coded, classes=classes)
    if score >= _SUSPICIOUS:
        yield Finding(
            "gives_target_away",
            "error" if score >= _CERTAIN else "warning",
            f"'{name}' alone gives the target away (mean recall {score:.3f} on test): if it is known only afterwards, or made "
            "from the target, name it in data.drop.",
            name,
            {"mean_recall": round(score, 4)},
        )
    shift, noise = drift(train, test, i, coded=coded)
    if shift > _DRIFT and shift > 3 * noise:
        dealt = params.time is None and params.part is None and params.test_file is None and params.group is None
        yield Finding(
            "drift",
            "note" if dealt else "warning",  # dealt at random, parts differ by nothing but rows that were kept together
            f"'{name}' is distributed otherwise in test than in train (population stability index {shift:.2f}).",
            name,
            {"psi": round(shift, 4)},
        )
    values = train.values[i]
    present = values[~np.isnan(values)]
    if coded and len(present):
        counts = np.bincount(present.astype(np.int64) + 1)
        rare = int(((counts > 0) & (counts < _RARE_LEVEL)).sum())
        if rare and train.share == 1.0:
            yield Finding(
                "rare_categories",
                "note",
                f"'{name}' has {rare:,} level{'s' if rare > 1 else ''} of fewer than {_RARE_LEVEL} rows in train.",
                name,
                {"levels": rare},
            )
    if column.type == "number" and (odd := _sentinel(present)) is not None:
        n = int((present == odd).sum())
        yield Finding(
            "sentinel",
            "warning",
            f"'{name}' is {odd:g} in {n / len(present):.1%} of the rows, far from all other values: if that means missing, "
            "name it under data.missing_codes.",
            name,
            {"value": odd, "share": round(n / len(present), 6)},
        )


def _among_numbers(survey: ColumnSurvey) -> str:
    """The first few texts of a column whose levels are numbers for the most part; "" of another column."""
    levels = list(survey.levels)[:_LEVELS_LOOKED_AT]
    numbers = [each for each in levels if _NUMBER.match(each)]
    others = [each for each in levels if not _NUMBER.match(each)]
    if len(numbers) < 10 or len(others) > 0.2 * len(levels):
        return ""
    return ", ".join(f"'{each[:40]}'" for each in others[:3]) + (" and others" if len(others) > 3 else "") if others else ""


def _sentinel(present: np.ndarray) -> float | None:
    """A customary code for "missing" that stands apart from the column's other values, and is not rare."""
    if len(present) < 50:
        return None
    low, high = float(present.min()), float(present.max())
    for code in _SENTINELS:
        if code not in (low, high):
            continue
        others = present[present != code]
        if (present == code).mean() < _SENTINEL_SHARE or len(np.unique(others)) < 5:
            continue
        gap = others.min() - code if code == low else code - others.max()
        if gap > 0 and (gap > 2 * others.std() or (code < 0 <= others.min() and code == -1)):
            return code
    return None


def _rows(count: int) -> str:
    return f"{count:,} row{'s' if count != 1 else ''}"
