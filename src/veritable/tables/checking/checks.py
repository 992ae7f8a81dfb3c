"""Checks of a table: of the whole, of the contents of each column, and of each column in samples of the parts."""

import re
from collections.abc import Iterator, Mapping

import numpy as np

from veritable.tables.checking.findings import Finding, Level, order_findings
from veritable.tables.checking.sample import Sample, drift, predictability, stability_index
from veritable.tables.params import DataParams
from veritable.tables.splitting.assign import Assignment
from veritable.tables.splitting.hashing import EXACT_DISTINCT
from veritable.tables.splitting.split import PARTS, TEST, TRAIN, VALID
from veritable.tables.typing.contract import Column, Contract
from veritable.tables.typing.survey import ColumnSurvey
from veritable.tables.typing.target import AUTO, RARER

_CERTAIN, _SUSPICIOUS = 0.99, 0.95  # mean recall of the best guess from a single column
_DRIFT, _TARGET_DRIFT = 0.25, 0.1  # population stability index: by convention, a large and a moderate shift
_FREQUENT_DRIFT = 0.02  # of the share of frequent rows: 6 % in train, and 10 % in valid
_UNEVEN = 0.1  # of the rows that a part should have
_RARE_CLASS, _RARE_LEVEL, _RARE_SHARE = 10, 10, 0.1
_SENTINELS = (-999999.0, -99999.0, -9999.0, -999.0, -99.0, -9.0, -1.0, 99.0, 999.0, 9999.0, 99999.0, 999999.0)
_SENTINEL_SHARE = 0.003
_MAX_LEVELS_CHECKED = 2000
_NUMBER = re.compile(r"[-+]?(?!0\d)\d+(\.\d+)?([eE][-+]?\d+)?$")


def run_checks(
    contract: Contract,
    surveys: Mapping[str, ColumnSurvey],
    assigned: Assignment,
    samples: Mapping[int, Sample],
    params: DataParams,
) -> list[Finding]:
    """Run all checks, and return their findings with the errors first.

    Parameters
    ----------
    surveys
        By column name.
    samples
        Rows of TRAIN, VALID and TEST.
    """
    findings = [*check_table(contract, assigned, params)]
    for column in contract.columns:
        if column.role == "feature":
            findings += check_column(column, surveys[column.name], params)
    for i, column in enumerate(contract.features):
        findings += check_sample(column, samples, i, len(contract.classes), params)
    return order_findings(findings)


def check_table(contract: Contract, assigned: Assignment, params: DataParams) -> Iterator[Finding]:
    """Check the rows, the classes and the parts."""
    if assigned.without_target:
        yield Finding(
            "target_missing",
            "warning",
            f"{_rows(assigned.without_target)} without a value of '{contract.target}' "
            f"{_were(assigned.without_target)} dropped.",
            numbers={"rows": assigned.without_target},
        )
    if assigned.unplaced:
        yield Finding(
            "unplaced",
            "warning",
            f"{_rows(assigned.unplaced)} without a value of '{params.time or params.part}', which splits the table, "
            f"{_were(assigned.unplaced)} dropped.",
            numbers={"rows": assigned.unplaced},
        )
    yield from _check_duplicates(assigned)
    given = bool(params.time or params.part or params.test_file)
    yield from _check_frequent_rows(assigned, given=given)
    if not given:
        yield from _check_part_sizes(assigned, params)
    yield from _check_classes(contract, assigned, params)


def _check_duplicates(assigned: Assignment) -> Iterator[Finding]:
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
        share = f"{assigned.duplicates:,} of {total:,} rows ({assigned.duplicates / total:.1%})"
        yield Finding(
            "duplicates",
            "note" if assigned.duplicates < 0.01 * total else "warning",
            f"{share} are equal to an earlier row in every column; {how}.",
            numbers={"rows": assigned.duplicates, "dropped": assigned.dropped},
        )
    if assigned.across:
        yield Finding(
            "duplicates_across_parts",
            "error",
            f"{_rows(assigned.across)} {'is' if assigned.across == 1 else 'are'} equal to a row of another part, so test is "
            "not independent of train. Set data.duplicates to drop, or split the table in another way.",
            numbers={"rows": assigned.across},
        )


def _check_frequent_rows(assigned: Assignment, *, given: bool) -> Iterator[Finding]:
    if not assigned.frequent.any():
        return
    sizes = assigned.counts.sum(axis=1)
    frequent = np.bincount(assigned.parts[assigned.frequent], minlength=len(PARTS))
    total, rows = int(sizes.sum()), int(frequent.sum())
    combinations, largest = len(assigned.frequent_units), int(assigned.frequent_units[0])
    have = "have the same values in all features"
    if combinations > 1:
        have = f"repeat {combinations:,} combinations of feature values, the most frequent one in {_rows(largest)}"
    level: Level = "warning"
    if given:
        pairs = np.stack([frequent, sizes - frequent], axis=1)
        shifts = {part: stability_index(pairs[TRAIN], pairs[code]) for part, code in (("valid", VALID), ("test", TEST))}
        level = "warning" if _significant(shifts, _FREQUENT_DRIFT) else "note"
        shares = ", ".join(f"{n / size:.1%} of {part}" for part, n, size in zip(PARTS, frequent, sizes, strict=True))
        effect = f"They are {shares}."
    else:
        effect = "If they were kept in one part, the parts would not be alike, so they were dealt to all parts."
    yield Finding(
        "frequent_rows",
        level,
        f"{rows:,} of {total:,} rows ({rows / total:.1%}) {have}. {effect} Consider dropping them if they hold no information; "
        "set data.duplicates to drop if they are copies.",
        numbers={"rows": rows, "combinations": combinations, "largest": largest},
    )


def _check_part_sizes(assigned: Assignment, params: DataParams) -> Iterator[Finding]:
    """Find a group that makes the parts uneven."""
    sizes = dict(zip(PARTS, assigned.counts.sum(axis=1).tolist(), strict=True))
    rows = sum(sizes.values())
    due = {"train": (1 - params.valid - params.test) * rows, "valid": params.valid * rows, "test": params.test * rows}
    uneven = any(abs(sizes[name] - due[name]) > _UNEVEN * due[name] for name in PARTS)
    if uneven and assigned.largest_group > _UNEVEN * min(due.values()):
        column = params.group or params.id
        shares = ", ".join(f"{name} {sizes[name] / rows:.0%} instead of {due[name] / rows:.0%}" for name in PARTS)
        yield Finding(
            "uneven_parts",
            "warning",
            f"the parts are uneven ({shares}), because the largest group of '{column}' has {_rows(assigned.largest_group)}, "
            f"and a group is never split. If a value of '{column}' means unknown, name it under data.missing_codes.",
            column,
            {"largest_group": assigned.largest_group, **sizes},
        )


def _check_classes(contract: Contract, assigned: Assignment, params: DataParams) -> Iterator[Finding]:
    counts, totals = assigned.counts, assigned.counts.sum(axis=0)
    for name, total, of_parts in zip(contract.classes, totals.tolist(), counts.T.tolist(), strict=True):
        lacking = [part for part, n in zip(PARTS, of_parts, strict=True) if not n]
        if total < _RARE_CLASS or lacking:
            none = f", and {' and '.join(lacking)} {'have' if len(lacking) > 1 else 'has'} none" if lacking else ""
            yield Finding(
                "class_rare",
                "warning",
                f"class '{name}' has {_rows(total)} in total{none}; its metrics are unreliable.",
                numbers=dict(zip(PARTS, of_parts, strict=True)),
            )
    if len(contract.classes) == 2 and params.positive == AUTO:
        rows = totals.tolist()
        yield Finding(
            "positive_class",
            "note",
            f"'{contract.classes[1]}' is the positive class of '{contract.target}' ({rows[1]:,} of {sum(rows):,} rows): "
            f"data.positive is auto, which takes a class with less than {RARER * 100:g} % of the rows, else the last in "
            "sorted order. Set data.positive to choose, or to keep the class when the table changes.",
            contract.target,
            {"rows": rows[1]},
        )
    smallest = float(totals.min() / totals.sum())
    if len(contract.classes) == 2 and smallest < _RARE_SHARE:
        yield Finding(
            "imbalance",
            "note",
            f"class '{contract.classes[int(totals.argmin())]}' has {smallest:.1%} of the rows; average precision and recall "
            "say more than accuracy.",
            numbers={"share": round(smallest, 6)},
        )
    shifts = {part: stability_index(counts[TRAIN], counts[code]) for part, code in (("valid", VALID), ("test", TEST))}
    if shifted := _significant(shifts, _TARGET_DRIFT):
        yield Finding(
            "target_drift",
            "warning",
            f"the classes of '{contract.target}' have different shares in {_join_shifts(shifted)} than in train; "
            "the probabilities and the threshold may not fit there.",
            contract.target,
            {f"psi_{part}": round(shift, 4) for part, shift in shifted.items()},
        )


def check_column(column: Column, survey: ColumnSurvey, params: DataParams) -> Iterator[Finding]:
    """Check the values of a column."""
    name, declared = column.name, column.name in params.types
    if not survey.present:
        yield Finding("all_missing", "warning", f"'{name}' has no value in any row; it is not used.", name)
        return
    hidden = {text: n for text, n in sorted(survey.tokens.items()) if text != "" and text.strip() not in survey.codes}
    if hidden:
        texts = ", ".join(f"{text!r} {n:,}" for text, n in list(hidden.items())[:5])
        total = sum(hidden.values())
        yield Finding(
            "hidden_missing",
            "note",
            f"'{name}' has {total:,} texts that were read as missing values: {texts}.",
            name,
            {"rows": total},
        )
    if survey.rounded and survey.whole:
        yield Finding(
            "rounded",
            "warning",
            f"'{name}' has {survey.rounded:,} whole numbers beyond 2^53, which were rounded. If they are codes, declare the "
            "column a category in data.types.",
            name,
            {"rows": survey.rounded},
        )
    if column.type == "category" and column.distinct > params.max_categories:
        yield Finding(
            "many_categories",
            "warning",
            f"'{name}' has {'about ' if column.distinct >= EXACT_DISTINCT else ''}{column.distinct:,} levels; the "
            f"{params.max_categories:,} most frequent levels were kept, and the others merged.",
            name,
            {"distinct": column.distinct},
        )
    if not declared:
        yield from _check_inferred_type(column, survey, params)


def _check_inferred_type(column: Column, survey: ColumnSurvey, params: DataParams) -> Iterator[Finding]:
    """Check a column whose type data.types does not declare."""
    name = column.name
    if column.type in ("category", "identifier") and (texts := _texts_among_numbers(survey, params.min_count)):
        yield Finding(
            "mixed",
            "warning",
            f"'{name}' is not numeric, because it has texts among its numbers{texts}. Correct them, or name them under "
            "data.missing_codes.",
            name,
        )
    if column.type == "constant":
        yield Finding("constant", "warning", f"'{name}' has the same value in every row; it is not used.", name)
    elif column.type == "identifier":
        yield Finding(
            "identifier",
            "warning",
            f"'{name}' looks like an identifier ({column.distinct:,} values in {survey.present:,} rows); it is not used. "
            "If it is one, name it in data.id.",
            name,
            {"distinct": column.distinct, "rows": survey.present},
        )
    elif column.type == "text":
        yield Finding(
            "free_text",
            "warning",
            f"'{name}' holds free text ({column.distinct:,} different texts); it is not used.",
            name,
            {"distinct": column.distinct},
        )
    if column.type == "number" and column.form not in ("", "plain"):
        yield Finding(
            "number_format",
            "note",
            f"the numbers of '{name}' were read in the style \"{column.form}\"; check that they are as intended"
            + (f": they range from {survey.minimum:g} to {survey.maximum:g}." if params.min_count == 1 else "."),
            name,
        )
    if column.type == "date" and survey.ambiguous:
        yield Finding(
            "ambiguous_date",
            "warning",
            f"the dates of '{name}' fit several formats, and were read as '{column.form}'. Set the format in data.types.",
            name,
        )
    ordered = survey.rising and column.type in ("number", "date") and column.distinct >= 20 and survey.present > 50
    if ordered and params.time is None and params.part is None and params.test_file is None:
        yield Finding(
            "time_order",
            "warning",
            f"the rows are in the order of '{name}'. If it is a time, a random split trains on the future. "
            "Name it in data.time.",
            name,
        )


def check_sample(
    column: Column, samples: Mapping[int, Sample], i: int, n_classes: int, params: DataParams
) -> Iterator[Finding]:
    """Check feature `i` in samples of train, valid and test."""
    name, coded, train = column.name, column.type == "category", samples[TRAIN]
    score = predictability(train, samples[TEST], i, coded=coded, n_classes=n_classes)
    if score >= _SUSPICIOUS:
        yield Finding(
            "gives_target_away",
            "error" if score >= _CERTAIN else "warning",
            f"'{name}' alone predicts the target (mean recall {score:.3f} on test). If it is known only after the target, or "
            "is made from it, name it in data.drop.",
            name,
            {"mean_recall": round(score, 4)},
        )
    shifts = {part: drift(train, samples[code], i, coded=coded) for part, code in (("valid", VALID), ("test", TEST))}
    if shifted := _significant(shifts, _DRIFT):
        random = params.time is None and params.part is None and params.test_file is None and params.group is None
        yield Finding(
            "drift",
            "note" if random else "warning",  # in a random split, only rows of the same id can cause it
            f"'{name}' is distributed differently in {_join_shifts(shifted)} than in train.",
            name,
            {f"psi_{part}": round(shift, 4) for part, shift in shifted.items()},
        )
    values = train.values[i]
    present = values[~np.isnan(values)]
    if coded and len(present) and train.share == 1.0:
        counts = np.bincount(present.astype(np.int64) + 1)
        if rare := int(((counts > 0) & (counts < _RARE_LEVEL)).sum()):
            yield Finding(
                "rare_categories",
                "note",
                f"'{name}' has {rare:,} level{'s' if rare > 1 else ''} with fewer than {_RARE_LEVEL} rows in train.",
                name,
                {"levels": rare},
            )
    code = _find_sentinel(present) if column.type == "number" else None
    if code is not None and (present == code).sum() >= params.min_count:
        share = float((present == code).mean())
        yield Finding(
            "sentinel",
            "warning",
            f"'{name}' is {code:g} in {share:.1%} of the rows, far from all other values. If that means missing, name it under "
            "data.missing_codes.",
            name,
            {"value": code, "share": round(share, 6)},
        )


def _significant(shifts: Mapping[str, tuple[float, float]], limit: float) -> dict[str, float]:
    """Return the stability indices that exceed the limit, and three times what chance alone gives."""
    return {part: shift for part, (shift, chance) in shifts.items() if shift > limit and shift > 3 * chance}


def _join_shifts(shifts: Mapping[str, float]) -> str:
    return " and ".join(f"{part} (population stability index {shift:.2f})" for part, shift in shifts.items())


def _texts_among_numbers(survey: ColumnSurvey, min_count: int) -> str:
    """Describe the texts of a column whose levels are mostly numbers; "" for any other column.

    How many rows hold them is not known, so they are not shown unless everything is.
    """
    levels = list(survey.levels)[:_MAX_LEVELS_CHECKED]
    texts = [each for each in levels if not _NUMBER.match(each)]
    if len(levels) - len(texts) < 10 or len(texts) > 0.2 * len(levels):
        return ""
    if min_count > 1:
        return f" ({len(texts):,} different texts)" if texts else ""
    listed = ", ".join(f"'{each[:40]}'" for each in texts[:3])
    return f": {listed}{' and others' if len(texts) > 3 else ''}" if texts else ""


def _find_sentinel(present: np.ndarray) -> float | None:
    """Return a customary code for missing values that is far from the other values of the column, and not rare."""
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


def _were(count: int) -> str:
    return "was" if count == 1 else "were"
