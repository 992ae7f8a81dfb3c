"""Explain test rows against a background of train rows.

A column of the table may be encoded as several columns. They are replaced together, so that the column gets one value.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from veritable.explanation import figures
from veritable.explanation.library import shap
from veritable.explanation.params import ExplainParams
from veritable.explanation.shapley import additivity_error, attribute, importance, worst_relative_error
from veritable.models.classifier import Classifier
from veritable.tables.encoding.parts import Part


@dataclass(frozen=True)
class Explained:
    """Attributions of the explained rows.

    Attributes
    ----------
    values
        Attributions for one class: the positive one of two, else the class predicted most often.
        Shape: values (n, columns), base_values (n,), data (n, columns)
    attributions
        Attributions for all classes, with the columns row, column, class, attribution and standard_error. The error is that of
        the values as estimates of those against all train rows. Shape: (n * columns * n_classes, 5)
    importance
        Mean absolute attribution per column, in descending order, with the columns column and importance.
    shown
        Position of the row that the waterfall plot shows.
    facts
        Numbers for the report.
    """

    values: shap.Explanation
    attributions: pd.DataFrame
    importance: pd.DataFrame
    shown: int
    facts: dict[str, Any]

    def draw(self, folder: Path) -> None:
        """Draw importance.png, beeswarm.png and waterfall.png into a folder."""
        figures.draw_importance(self.values, folder / "importance.png")
        figures.draw_beeswarm(self.values, folder / "beeswarm.png")
        figures.draw_waterfall(self.values[self.shown], folder / "waterfall.png")


def explain_rows(classifier: Classifier, train: Part, test: Part, params: ExplainParams) -> Explained:
    """Explain up to `params.rows` test rows: how much does each raw column change the class probabilities?"""
    encoder, classes = classifier.encoder, classifier.classes
    rows, background = (
        np.random.default_rng(params.seed).permutation(len(part.y))[:count]
        for part, count in ((test, params.rows), (train, params.background_rows))
    )
    explanation = attribute(
        classifier.predict_proba,
        test.X[rows],
        train.X[background],
        list(encoder.blocks.values()),
        numbers=test.row[rows],
        n_permutations=params.n_permutations,
        seed=params.seed,
    )
    predicted = classifier.predict_proba(test.X[rows])
    names = [column.name for column in encoder.columns]
    code = 1 if len(classes) == 2 else int(np.bincount(predicted.argmax(axis=1)).argmax())
    mean_absolute = importance(explanation)
    order = np.argsort(-mean_absolute, kind="stable")
    shown = _worst_prediction(predicted, test.y[rows])
    shown_values = encoder.decode(test.X[rows]).astype(object)
    return Explained(
        values=shap.Explanation(
            explanation.values[:, :, code],
            explanation.base_values[:, code],
            data=test.X[rows][:, [block.start for block in encoder.blocks.values()]],
            display_data=shown_values.where(shown_values.notna(), "missing").to_numpy(dtype=object),
            feature_names=names,
        ),
        attributions=_to_long_frame(explanation, test.row[rows], classes, names),
        importance=pd.DataFrame({"column": np.array(names)[order], "importance": mean_absolute[order]}),
        shown=shown,
        facts={
            "base_values": dict(zip(classes, explanation.base_values[0].tolist(), strict=True)),
            "rows": len(rows),
            "background_rows": len(background),
            "class": classes[code],
            "additivity_error": additivity_error(explanation, predicted),
            "worst_relative_error": worst_relative_error(explanation),
            "shown_row": int(test.row[rows][shown]),
            "shown_actual": classes[test.y[rows][shown]],
            "shown_probability": float(predicted[shown, code]),
        },
    )


def _worst_prediction(predicted: np.ndarray, y_true: np.ndarray) -> int:
    """Return the position of the row whose actual class has the lowest predicted probability."""
    return int(predicted[np.arange(len(y_true)), y_true].argmin())


def _to_long_frame(explanation: shap.Explanation, row: np.ndarray, classes: list[str], names: list[str]) -> pd.DataFrame:
    """Return one line per row, column and class."""
    index = pd.MultiIndex.from_product([row, names, classes], names=["row", "column", "class"])
    numbers = {"attribution": explanation.values.reshape(-1), "standard_error": explanation.error_std.reshape(-1)}
    return pd.DataFrame(numbers, index).reset_index()
