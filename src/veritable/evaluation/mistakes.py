"""The mistakes of which a classifier was most confident."""

from typing import Any

import numpy as np

from veritable.evaluation.predictions import PartPredictions
from veritable.models.classifier import Classifier
from veritable.tables.encoding.gate import HIDDEN, Gate

MAX_MISTAKES = 20


def list_mistakes(predictions: PartPredictions, X: np.ndarray, classifier: Classifier, min_count: int = 1) -> dict[str, Any]:
    """List the wrong predictions whose actual class has the lowest probability.

    Parameters
    ----------
    X
        Encoded rows. Shape: (n, width)
    min_count
        Number of rows that agree on the values shown of one: see `Gate`.

    Returns
    -------
    A dict for JSON: `wrong_rows`, the number of rows predicted wrongly; and `mistakes`, up to twenty, each with `row` (its
    number in the table, the first row is 0), `actual`, `predicted`, their probabilities `actual_probability` and
    `predicted_probability`, and `values` (text by column, of the columns that are shown). Rows with weight 0 are excluded.
    """
    wrong = predictions.y_true != predictions.y_pred
    if predictions.weight is not None:
        wrong &= predictions.weight > 0
    places = np.flatnonzero(wrong)
    of_actual = predictions.y_prob[places, predictions.y_true[places]]
    worst = places[np.lexsort((predictions.row[places], of_actual))][:MAX_MISTAKES]
    gate, names = Gate.of(classifier.encoder, X, min_count), list(classifier.encoder.blocks)
    return {
        "wrong_rows": len(places),
        "mistakes": [
            {
                "row": int(predictions.row[place]),
                "actual": classifier.classes[predictions.y_true[place]],
                "predicted": classifier.classes[predictions.y_pred[place]],
                "actual_probability": float(predictions.y_prob[place, predictions.y_true[place]]),
                "predicted_probability": float(predictions.y_prob[place, predictions.y_pred[place]]),
                "values": {name: text for name, text in gate.show_row(X[place], names).items() if text != HIDDEN},
            }
            for place in worst
        ],
    }
