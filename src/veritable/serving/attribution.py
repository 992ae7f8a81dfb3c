"""Attribute the outputs of a classifier to the columns of new rows, by Shapley values or by LIME."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa

from veritable.explanation.explainer import Explainer
from veritable.models.classifier import Classifier
from veritable.serving.rows import Rows

Method = Literal["shap", "lime"]
_RESERVED = ("row", "column", "class", "value", "standard_error", "fidelity")


@dataclass(frozen=True)
class Attributions:
    """Values of rows.

    Attributes
    ----------
    classes
        Code of the class that each output is of. Shape: (n, outputs)
    values
        Shape: (n, columns, outputs)
    errors
        Standard errors of Shapley values; None for LIME. Shape: (n, columns, outputs)
    base
        Mean outputs of the background, from which Shapley values lead to the outputs of the rows; None for LIME.
        Shape: (n, outputs)
    fidelity
        R2 of LIME's models; None for Shapley values. Shape: (n, outputs)
    """

    classes: np.ndarray
    values: np.ndarray
    errors: np.ndarray | None = None
    base: np.ndarray | None = None
    fidelity: np.ndarray | None = None


Attribute = Callable[[Rows], Attributions]


def prepare_method(classifier: Classifier, method: Method, error: float, seed: int) -> Attribute:
    """Prepare a method and return the function that attributes rows.

    Raises
    ------
    UserError
        The classifier was saved without train rows, or the method is lime and its package is not installed.
    """
    explainer = Explainer.fit(classifier, seed=seed)
    if method == "lime":
        from veritable.explanation.lime_values import LimeExplainer

        lime = LimeExplainer.fit(explainer)

        def by_lime(rows: Rows) -> Attributions:
            found = lime.explain(rows.X, rows.numbers)
            return Attributions(found.classes, found.values, fidelity=found.fidelity)

        return by_lime

    def by_shapley(rows: Rows) -> Attributions:
        found = explainer.estimate(rows.X, rows.numbers, error=error)
        return Attributions(found.classes, found.values, found.errors, found.base)

    return by_shapley


def to_long_table(rows: Rows, found: Attributions, classifier: Classifier) -> pa.Table:
    """Return one line per row, column and explained class.

    Its columns are row, the ids, column, class, value, and standard_error or fidelity.
    """
    n, n_columns, n_outputs = found.values.shape
    lines = n * n_columns * n_outputs
    row = np.repeat(np.arange(n), n_columns * n_outputs)
    column = np.tile(np.repeat(np.arange(n_columns), n_outputs), n)
    code = np.broadcast_to(found.classes[:, None], found.values.shape).reshape(lines)
    quality = found.errors if found.errors is not None else found.fidelity
    if found.fidelity is not None:
        quality = np.broadcast_to(found.fidelity[:, None], found.values.shape)
    table = {"row": pa.array(rows.first + row)}
    table |= {f"{name} (id)" if name in _RESERVED else name: each.take(pa.array(row)) for name, each in rows.ids.items()}
    table |= {
        "column": pa.array(list(classifier.encoder.blocks), pa.string()).take(pa.array(column)),
        "class": pa.array(classifier.classes, pa.string()).take(pa.array(code)),
        "value": pa.array(found.values.reshape(lines)),
        "standard_error" if found.fidelity is None else "fidelity": pa.array(np.asarray(quality).reshape(lines)),
    }
    return pa.Table.from_arrays(list(table.values()), names=list(table))


@dataclass
class Quality:
    """The worst quality of the values of any row.

    Attributes
    ----------
    worst
        Largest mean standard error of a row relative to its mean absolute value, or the lowest fidelity; None without rows.
    """

    lime: bool
    worst: float | None = None

    def add(self, table: pa.Table) -> None:
        """Add lines of `to_long_table`, all of each row."""
        if self.lime:
            found = [float(np.min(table.column("fidelity").to_numpy()))]
        else:
            row = table.column("row").to_numpy()
            starts = np.flatnonzero(np.diff(row, prepend=-1))
            errors, values = (
                np.add.reduceat(np.abs(table.column(name).to_numpy()), starts) for name in ("standard_error", "value")
            )
            found = np.divide(errors, values, out=np.zeros_like(errors), where=values > 0).tolist()
        best = min if self.lime else max
        self.worst = best([*found, *([] if self.worst is None else [self.worst])])

    def sentence(self) -> str:
        """State the worst quality."""
        if self.lime:
            return f"the lowest fidelity (R2) of LIME's models is {self.worst or 0:.2f}"
        return f"the largest relative standard error of a row is {100 * (self.worst or 0):.1f} %"
