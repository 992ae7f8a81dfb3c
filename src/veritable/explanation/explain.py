"""Explain rows of the test part against a background from train: the numbers, the facts and the figures.

A column of the table may be several encoded ones: they come and go together, so that it gets one value.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from veritable.explanation import figures
from veritable.explanation.library import shap
from veritable.explanation.params import ExplainParams
from veritable.explanation.shapley import additivity_error, attribute, importance, mix, origins
from veritable.models.classifier import Classifier
from veritable.tables.encoding.parts import Part


@dataclass(frozen=True)
class Explained:
    """Attributions of some rows.

    Attributes
    ----------
    values
        Of one class: the positive of two, the commonest prediction of more.
        Shape: values (n, columns), base_values (n,), data (n, columns)
    attributions
        row, column, class, attribution: a line for each. Shape: (n * columns * classes, 4)
    importance
        column, importance (mean absolute attribution), the greatest first.
    shown
        Which of the rows the waterfall shows.
    """

    values: shap.Explanation
    attributions: pd.DataFrame
    importance: pd.DataFrame
    shown: int
    facts: dict[str, Any]

    def draw(self, folder: Path) -> None:
        """importance.png, beeswarm.png and waterfall.png into a folder."""
        figures.draw_importance(self.values, folder / "importance.png")
        figures.draw_beeswarm(self.values, folder / "beeswarm.png")
        figures.draw_waterfall(self.values[self.shown], folder / "waterfall.png")


def explain_rows(classifier: Classifier, train: Part, test: Part, params: ExplainParams) -> Explained:
    """Explain up to `params.rows` rows of the test part, by what each raw column adds to the class probabilities."""
    encoder, classes = classifier.encoder, classifier.classes
    rows, background = (
        np.random.default_rng(params.seed).permutation(len(part.y))[:count]
        for part, count in ((test, params.rows), (train, params.background_rows))
    )
    pool = np.concatenate([test.X[rows], train.X[background]])

    def predict(taken_from: np.ndarray) -> np.ndarray:
        return classifier.predict_proba(mix(taken_from, pool, encoder.blocks.values()))

    explained, behind = origins(len(rows), len(background), len(encoder.columns))
    explanation = attribute(predict, explained, behind, rounds=params.n_permutations, seed=params.seed)
    predicted = predict(explained)
    names = [column.name for column in encoder.columns]
    code = 1 if len(classes) == 2 else int(np.bincount(predicted.argmax(axis=1)).argmax())
    mean_absolute = importance(explanation)
    order = np.argsort(-mean_absolute, kind="stable")
    shown = _most_wrong(predicted, test.y[rows])
    shown_values = encoder.decode(test.X[rows]).astype(object)
    return Explained(
        values=shap.Explanation(
            explanation.values[:, :, code],
            explanation.base_values[:, code],
            data=test.X[rows][:, [block.start for block in encoder.blocks.values()]],
            display_data=shown_values.where(shown_values.notna(), "missing").to_numpy(dtype=object),
            feature_names=names,
        ),
        attributions=_long(explanation.values, test.row[rows], classes, names),
        importance=pd.DataFrame({"column": np.array(names)[order], "importance": mean_absolute[order]}),
        shown=shown,
        facts={
            "base_values": dict(zip(classes, explanation.base_values[0].tolist(), strict=True)),
            "rows": len(rows),
            "background_rows": len(background),
            "class": classes[code],
            "additivity_error": additivity_error(explanation, predicted),
            "shown_row": int(test.row[rows][shown]),
            "shown_actual": classes[test.y[rows][shown]],
            "shown_probability": float(predicted[shown, code]),
        },
    )


def _most_wrong(predicted: np.ndarray, y_true: np.ndarray) -> int:
    """The row whose true class was given the least probability: the one that a person will be asked about."""
    return int(predicted[np.arange(len(y_true)), y_true].argmin())


def _long(values: np.ndarray, row: np.ndarray, classes: list[str], names: list[str]) -> pd.DataFrame:
    """A line for each value: row, class, column, attribution. Shape of `values`: (n, columns, classes)"""
    index = pd.MultiIndex.from_product([row, names, classes], names=["row", "column", "class"])
    return pd.Series(values.reshape(-1), index, name="attribution").reset_index()
