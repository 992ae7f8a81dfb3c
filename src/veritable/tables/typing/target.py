"""The classes of the target column."""

from collections.abc import Iterable, Sequence

import numpy as np

from veritable.tables.errors import TableError
from veritable.tables.params import DataParams
from veritable.tables.reading.source import preview
from veritable.tables.typing import parse
from veritable.tables.typing.survey import ColumnSurvey

MOST_CLASSES = 1000
_CONTINUOUS = 20  # numbers with fractions beyond so many are no classes


def find_classes(survey: ColumnSurvey, column: Iterable[np.ndarray], params: DataParams) -> tuple[list[str], np.ndarray]:
    """The classes, in order, and the class of each row.

    Labels are compared as texts, as data.labels has renamed them; numbers are in order of size, all else in that of the
    alphabet, and the positive one of two stands last.

    Parameters
    ----------
    column
        Batch by batch, as places in the survey's levels, NaN where missing. Shape: (n,) float64 each

    Returns
    -------
    The classes, and each row's, -1 where the target is missing. Shape: (rows,) int16

    Raises
    ------
    TableError
        The target is missing everywhere, has fewer than two classes or too many, or data.positive is none of them.
    """
    name, levels = params.target, list(survey.levels)
    if not survey.present:
        raise TableError(
            f"target column '{name}' must hold classes, however all {survey.rows:,} rows lack one. Check data.target."
        )
    _refuse_too_many(survey, name)
    if unknown := [label for label in params.labels if label not in survey.renamed]:
        raise TableError(
            f"data.labels in params.yaml must rename classes of '{name}', however '{unknown[0]}' is none of: {preview(levels)}."
        )
    classes = _ordered(sorted(levels), name)
    code_of = {label: code for code, label in enumerate(classes)}
    codes = np.array([*(code_of[level] for level in levels), -1], dtype=np.int16)
    pieces, counts = [], np.zeros(len(classes), dtype=np.int64)
    for batch in column:
        pieces.append(codes[np.nan_to_num(batch, nan=-1).astype(np.int64)])
        counts += np.bincount(pieces[-1] + 1, minlength=len(classes) + 1)[1:]
    y = np.concatenate(pieces)
    if len(classes) < 2:
        raise TableError(
            f"target column '{name}' must have at least two classes, however it has one: '{classes[0]}' "
            f"({counts[0]:,} rows). Check data.target in params.yaml."
        )
    if len(classes) > 2 and (counts == 1).mean() > 0.5:
        raise TableError(
            f"target column '{name}' must hold classes of several rows, however {(counts == 1).sum():,} of "
            f"{len(classes):,} values stand in one row each: an identifier or a measurement. Check data.target in params.yaml, "
            "or cut numbers into classes."
        )
    if params.positive is None:
        return classes, y
    positive = _as_label(params.positive, classes)
    if len(classes) != 2 or positive not in classes:
        raise TableError(
            f"data.positive in params.yaml must be null or one of two classes, however it is '{positive}' and the classes "
            f"of '{name}' are: {preview(classes)}."
        )
    if classes[0] == positive:
        return classes[::-1], np.where(y < 0, y, 1 - y)
    return classes, y


def _as_label(value: str | float | bool, classes: Sequence[str]) -> str:
    """A value from YAML as the class that it means: true is True too, 0.0 is 0."""
    text = str(value)
    if isinstance(value, bool):
        return next((name for name in classes if name.lower() == text.lower()), text)
    return parse.number_text(value) if isinstance(value, float) and text not in classes else text


def _refuse_too_many(survey: ColumnSurvey, name: str) -> None:
    levels = list(survey.levels)
    numbers = _as_numbers(levels)
    fractions = numbers is not None and bool((numbers != np.floor(numbers)).any())
    if len(levels) > MOST_CLASSES or (fractions and len(levels) > _CONTINUOUS):
        kind = "numbers with fractions" if fractions else "values"
        many = f"more than {len(levels):,}" if survey.overflow else f"{len(levels):,}"
        raise TableError(
            f"target column '{name}' must hold at most {MOST_CLASSES:,} classes, however it has {many} different {kind} in "
            f"{survey.present:,} rows. Check data.target in params.yaml, or cut the numbers into classes."
        )


def _ordered(labels: list[str], name: str) -> list[str]:
    numbers = _as_numbers(labels)
    if numbers is None:
        return labels
    unique, counts = np.unique(numbers, return_counts=True)
    if (counts > 1).any():
        same = [label for label, number in zip(labels, numbers, strict=True) if number == unique[counts > 1][0]]
        raise TableError(
            f"target column '{name}' must write each class in one way, however {preview(same)} are the same number. "
            f'Rename one in params.yaml: data.labels: {{"{same[1]}": "{same[0]}"}}.'
        )
    return [labels[i] for i in np.argsort(numbers, kind="stable")]


def _as_numbers(labels: Sequence[str]) -> np.ndarray | None:
    """Labels as numbers, None if one is none. "1_000", which Python takes for a number, is a text."""
    try:
        numbers = np.array([float(label) for label in labels if "_" not in label])
    except ValueError:
        return None
    return numbers if len(numbers) == len(labels) and np.isfinite(numbers).all() else None
