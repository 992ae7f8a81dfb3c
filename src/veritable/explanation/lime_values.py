"""Explain rows by LIME (Ribeiro et al. 2016, "Why should I trust you?"), with the package `lime`.

LIME draws rows around the explained one, each column either as in the row or as in a random background row, and fits a linear
model to the outputs of the classifier, in which near rows have more weight. The coefficient of a column is its value: how much
the output changes if the column is as in the row instead of different. Numbers and dates count as different if they are in
another quarter of the background, or if one of them is missing. The fidelity is the R2 of the linear model. The values need not
sum to the output.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from veritable.errors import UserError
from veritable.explanation.explainer import Explainer
from veritable.tables.encoding.encoder import EncodedColumn

_SAMPLES = 5_000  # the default of lime
_QUARTERS = (0.25, 0.5, 0.75)


@dataclass(frozen=True)
class LimeValues:
    """LIME's values of several rows.

    Attributes
    ----------
    classes
        Code of the class that each output is of. Shape: (n, outputs)
    values
        Coefficients of the columns, in the unit of `Explainer.outputs`. Shape: (n, columns, outputs)
    fidelity
        R2 of each linear model, weighted as the model is. Shape: (n, outputs)
    """

    classes: np.ndarray
    values: np.ndarray
    fidelity: np.ndarray


@dataclass(frozen=True)
class LimeExplainer:
    """Explains encoded rows of a classifier by LIME, with the same outputs as an `Explainer`.

    Attributes
    ----------
    levels
        Level of each background row in each column: a category, a quarter of the numbers, or missing. Shape: (m, columns)
    edges
        For each column what separates the quarters; empty if it is neither a number nor a date.
    """

    explainer: Explainer
    levels: np.ndarray
    edges: Sequence[np.ndarray]

    @classmethod
    def fit(cls, explainer: Explainer) -> Self:
        """Prepare LIME.

        Raises
        ------
        UserError
            The package `lime` is not installed.
        """
        try:
            import lime.lime_tabular  # noqa: F401  optional
        except ImportError:
            raise UserError(
                "the package 'lime' must be installed for the method lime, but is not. Run `pip install lime`, or choose the "
                "method shap."
            ) from None
        encoder, X = explainer.classifier.encoder, explainer.X
        edges = [_edges(X[:, block], column) for column, block in zip(encoder.columns, encoder.blocks.values(), strict=True)]
        return cls(explainer, _levels(X, explainer, edges), edges)

    def explain(self, X: np.ndarray, numbers: np.ndarray) -> LimeValues:
        """Explain rows. The values of a row do not depend on the other rows.

        Parameters
        ----------
        X
            Encoded rows. Shape: (n, width) float32
        numbers
            Number of each row; seeds its samples. Shape: (n,), 0 or more
        """
        classes = self.explainer.classes(X)
        values = np.empty((len(X), self.levels.shape[1], classes.shape[1]))
        fidelity = np.empty(classes.shape)
        for i, (x, explained, number) in enumerate(zip(X, classes.tolist(), numbers.tolist(), strict=True)):
            values[i], fidelity[i] = self._explain_row(x, tuple(explained), number)
        return LimeValues(classes, values, fidelity)

    def _explain_row(self, x: np.ndarray, explained: tuple[int, ...], number: int) -> tuple[np.ndarray, np.ndarray]:
        """Return values and fidelity of a row. Shape: (columns, outputs), (outputs,)"""
        levels = _levels(x[None], self.explainer, self.edges)[0]
        seed = int(np.random.SeedSequence((self.explainer.seed, number)).generate_state(1)[0])
        drawn: list[np.ndarray] = []  # all outputs are explained by the same samples

        def outputs(samples: np.ndarray) -> np.ndarray:
            if not drawn:
                drawn.append(self.explainer.outputs(self._fill(x, levels, samples.astype(np.int64), seed), explained))
            return drawn[0][:, output]

        values, fidelity = np.zeros((len(levels), len(explained))), np.zeros(len(explained))
        for output in range(len(explained)):
            found = self._lime(seed).explain_instance(levels, outputs, num_features=len(levels), num_samples=_SAMPLES)
            for column, value in found.as_map()[1]:
                values[column, output] = value
            fidelity[output] = found.score
        return values, fidelity

    def _lime(self, seed: int) -> Any:
        from lime.lime_tabular import LimeTabularExplainer

        return LimeTabularExplainer(
            self.levels,
            mode="regression",
            categorical_features=range(self.levels.shape[1]),
            feature_selection="none",
            discretize_continuous=False,
            random_state=np.random.RandomState(seed),  # what lime takes
        )

    def _fill(self, x: np.ndarray, levels: np.ndarray, samples: np.ndarray, seed: int) -> np.ndarray:
        """Return encoded rows with the sampled levels: the row's own value, or that of a random background row of the level.

        Shape: (width,), (columns,), (samples, columns) -> (samples, width)
        """
        generator = np.random.default_rng(seed)
        rows = np.repeat(x[None], len(samples), axis=0)
        for column, block in enumerate(self.explainer.classifier.encoder.blocks.values()):
            order = np.argsort(self.levels[:, column], kind="stable")
            of_level = self.levels[order, column]
            other = np.flatnonzero(samples[:, column] != levels[column])
            first, last = (np.searchsorted(of_level, samples[other, column], side) for side in ("left", "right"))
            chosen = order[first + (generator.random(len(other)) * (last - first)).astype(np.int64)]
            rows[other, block] = self.explainer.X[chosen, block]
        return rows


def _edges(values: np.ndarray, column: EncodedColumn) -> np.ndarray:
    """Return the quartiles of the known values of a number or date. Shape: (m, encoded columns) -> (up to 3,)"""
    if column.kind not in ("number", "date"):
        return np.empty(0)
    there = values[values[:, -1] == 0, 0] if column.indicator else values[:, 0]
    return np.unique(np.quantile(there, _QUARTERS)) if len(there) else np.empty(0)


def _levels(X: np.ndarray, explainer: Explainer, edges: Sequence[np.ndarray]) -> np.ndarray:
    """Return the level of each value. Shape: (n, width) -> (n, columns) int64"""
    encoder = explainer.classifier.encoder
    found = np.empty((len(X), len(encoder.columns)), dtype=np.int64)
    for i, (column, block) in enumerate(zip(encoder.columns, encoder.blocks.values(), strict=True)):
        first = X[:, block.start]
        if column.kind in ("number", "date"):
            found[:, i] = np.searchsorted(edges[i], first, side="left")
        else:
            found[:, i] = first.astype(np.int64) if column.kind == "category" else first > 0
        if column.indicator:
            found[:, i] = np.where(X[:, block.stop - 1] > 0, -1, found[:, i])
    return found
