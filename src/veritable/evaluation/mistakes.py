"""The mistakes of which a classifier was most confident."""

from typing import Any

import numpy as np

from veritable.evaluation.predictions import PartPredictions
from veritable.models.classifier import Classifier
from veritable.tables.encoding.show import show_columns

MAX_MISTAKES = 20


def list_mistakes(predictions: PartPredictions, X: np.ndarray, classifier: Classifier) -> dict[str, Any]:
    """List the wrong predictions whose actual class has the lowest probability.

    Parameters
    ----------
    X
        Encoded rows. Shape: (n, width)

    Returns
    -------
    A dict for JSON: `wrong_rows`, the number of rows predicted wrongly; `withheld`, whether the values are withheld; and
    `mistakes`, up to twenty, each with `row` (its number in the table, the first row is 0), `actual`, `predicted`, their
    probabilities `actual_probability` and `predicted_probability`, and `values` (text by column; None if they are withheld).
    Rows with weight 0 are excluded.
    """
    wrong = predictions.y_true != predictions.y_pred
    if predictions.weight is not None:
        wrong &= predictions.weight > 0
    places = np.flatnonzero(wrong)
    of_actual = predictions.y_prob[places, predictions.y_true[places]]
    worst = places[np.lexsort((predictions.row[places], of_actual))][:MAX_MISTAKES]
    withheld = withholds_values(classifier, predictions)
    texts = None if withheld or not len(worst) else show_columns(classifier.encoder, X[worst]).to_dict("records")
    return {
        "wrong_rows": len(places),
        "withheld": withheld,
        "mistakes": [
            {
                "row": int(predictions.row[place]),
                "actual": classifier.classes[predictions.y_true[place]],
                "predicted": classifier.classes[predictions.y_pred[place]],
                "actual_probability": float(predictions.y_prob[place, predictions.y_true[place]]),
                "predicted_probability": float(predictions.y_prob[place, predictions.y_pred[place]]),
                "values": None if texts is None else texts[number],
            }
            for number, place in enumerate(worst)
        ],
    }


def withholds_values(classifier: Classifier, predictions: PartPredictions) -> bool:
    """Return whether single rows of the table must not be shown.

    They are not if the classifier was saved without rows of the table (`train.background_rows: 0`), or if a sensitive column is
    withheld from it (`data.withhold_sensitive`).
    """
    return classifier.background is None or any(name not in classifier.encoder.blocks for name in predictions.sensitive)
