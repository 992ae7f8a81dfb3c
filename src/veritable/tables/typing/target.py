"""Classes of the target column."""

from collections.abc import Iterable, Sequence

import numpy as np

from veritable.errors import TableError
from veritable.tables.params import DataParams
from veritable.tables.reading.source import preview
from veritable.tables.typing import parse
from veritable.tables.typing.survey import ColumnSurvey

MAX_CLASSES = 1000
AUTO = "auto"
RARER = 0.4  # share of the rows below which a class is clearly the rarer: near one half, new rows would swap the classes
_MAX_FRACTIONS = 20  # more different numbers with fractions are measurements, not classes


def find_classes(survey: ColumnSurvey, column: Iterable[np.ndarray], params: DataParams) -> tuple[list[str], np.ndarray]:
    """Return the classes in order, and the class code of each row.

    Classes are texts, renamed by data.labels. They are sorted as numbers if all are numbers, else alphabetically. Then the
    positive class of two is put last: that of data.positive, or with "auto" a class with less than 40 % of the rows.

    Parameters
    ----------
    column
        Index of each value in the levels of the survey, NaN where missing, batch by batch. Shape: (n,) float64 each

    Returns
    -------
    Names of the classes, and codes, -1 where the target is missing. Shape: (rows,) int16

    Raises
    ------
    TableError
        The target has no value, fewer than two classes or too many, or data.positive is not a class.
    """
    name, levels = params.target, list(survey.levels)
    if not survey.present:
        raise TableError(
            f"target column '{name}' must hold classes, but is missing in all {survey.rows:,} rows. Check data.target."
        )
    _check_count(survey, name)
    if unknown := [label for label in params.labels if label not in survey.renamed]:
        raise TableError(f"data.labels must rename classes of '{name}', but '{unknown[0]}' is none of: {preview(levels)}.")
    classes = _sort(sorted(levels), name)
    code_of = {label: code for code, label in enumerate(classes)}
    codes = np.array([*(code_of[level] for level in levels), -1], dtype=np.int16)
    batches = [codes[np.nan_to_num(batch, nan=-1).astype(np.int64)] for batch in column]
    counts = np.sum([np.bincount(batch + 1, minlength=len(classes) + 1)[1:] for batch in batches], axis=0)
    y = np.concatenate(batches)
    if len(classes) < 2:
        raise TableError(
            f"target column '{name}' must have at least two classes, but has one: '{classes[0]}' ({counts[0]:,} rows). Check "
            "data.target."
        )
    single = int((counts == 1).sum())
    if len(classes) > 2 and single > 0.5 * len(classes):
        raise TableError(
            f"target column '{name}' must hold classes, but {single:,} of its {len(classes):,} values occur in one row only, "
            "as in an identifier or a measurement. Check data.target, or bin the numbers into classes."
        )
    if params.positive == AUTO:
        if len(classes) > 2 or counts[0] >= RARER * counts.sum():
            return classes, y
        positive = classes[0]
    else:
        positive = _to_label(params.positive, classes)
    if len(classes) != 2 or positive not in classes:
        raise TableError(
            f"data.positive must be {AUTO} or one of two classes, but is '{positive}', and the classes of "
            f"'{name}' are: {preview(classes)}."
        )
    if classes[0] == positive:
        return classes[::-1], np.where(y < 0, y, 1 - y)
    return classes, y


def as_labels(classes: Sequence[str]) -> np.ndarray:
    """Return class names as integers if all are integers, else as floats, as booleans, or as texts. Shape: (classes,)"""
    if {name.lower() for name in classes} == {"true", "false"}:
        return np.array([name.lower() == "true" for name in classes])
    for kind in (np.int64, np.float64):
        try:
            labels = np.array([kind(name) for name in classes])
        except (ValueError, OverflowError):
            continue
        if all(str(label) == name for label, name in zip(labels.tolist(), classes, strict=True)):
            return labels  # "01" and "1e3" remain texts
    return np.array(classes, dtype=object)


def _to_label(value: str | float | bool, classes: Sequence[str]) -> str:
    """Return the class that a YAML value names: `true` also names True, and 0.0 names 0."""
    text = str(value)
    if isinstance(value, bool):
        return next((name for name in classes if name.lower() == text.lower()), text)
    return parse.number_text(value) if isinstance(value, float) and text not in classes else text


def _check_count(survey: ColumnSurvey, name: str) -> None:
    levels = list(survey.levels)
    numbers = _to_numbers(levels)
    fractions = numbers is not None and bool((numbers != np.floor(numbers)).any())
    if len(levels) > MAX_CLASSES or (fractions and len(levels) > _MAX_FRACTIONS):
        values = "different numbers with fractions" if fractions else "different values"
        count = f"more than {len(levels):,}" if survey.overflow else f"{len(levels):,}"
        raise TableError(
            f"target column '{name}' must hold at most {MAX_CLASSES:,} classes, but has {count} {values} in {survey.present:,} "
            "rows. Check data.target, or bin the numbers into classes."
        )


def _sort(labels: list[str], name: str) -> list[str]:
    numbers = _to_numbers(labels)
    if numbers is None:
        return labels
    unique, counts = np.unique(numbers, return_counts=True)
    if (counts > 1).any():
        same = [label for label, number in zip(labels, numbers, strict=True) if number == unique[counts > 1][0]]
        raise TableError(
            f"target column '{name}' must write each class in one way, but {preview(same)} are the same number. "
            f'Rename one: data.labels: {{"{same[1]}": "{same[0]}"}}.'
        )
    return [labels[i] for i in np.argsort(numbers, kind="stable")]


def _to_numbers(labels: Sequence[str]) -> np.ndarray | None:
    """Return the labels as numbers, or None if one is not a number. "1_000", which Python reads as a number, is a text."""
    try:
        numbers = np.array([float(label) for label in labels if "_" not in label])
    except ValueError:
        return None
    return numbers if len(numbers) == len(labels) and np.isfinite(numbers).all() else None
