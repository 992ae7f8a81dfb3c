"""Explain the most confident mistake among the test rows: why the predicted class and not the actual one."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from veritable.explanation.counterfactual import nearest_change
from veritable.explanation.explainer import MAX_CLASSES, Explainer
from veritable.models.classifier import Classifier
from veritable.tables.encoding.gate import Gate
from veritable.tables.encoding.parts import Part
from veritable.tables.encoding.show import decode_rounded, format_value


def explain_mistake(
    explainer: Explainer,
    test: Part,
    *,
    error: float,
    fixed: Sequence[str] = (),
    gate: Gate | None = None,
    known: Gate | None = None,
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Explain the row whose actual class has the lowest probability among all rows that are predicted wrongly.

    With two classes, the output of the positive class is explained. With more, that of the predicted class minus that of the
    actual one: the Shapley values of a difference are the differences of the values. If no row is predicted wrongly, the row
    whose actual class has the lowest probability is explained, for its predicted class alone.

    Parameters
    ----------
    gate, known
        What may be shown of the test rows, and of the background rows; None for everything.

    Returns
    -------
    Facts of the row for JSON (`row`: its number in the table, counted from 0; `against`: the class that is subtracted, or None;
    `probability` and `other_probability`: those of `class` and of `against`), and its columns with the largest values first:
    column, text, value, standard_error. The errors of a difference are the sums of both errors, which they do not exceed.

    Raises
    ------
    UserError
        See `nearest_change`.
    """
    classes, y_prob = explainer.classifier.classes, explainer.classifier.predict_proba(test.X)
    row, decision = find_mistake(test.y, y_prob, explainer.classifier.decide(y_prob))
    actual = int(test.y[row])
    code = 1 if len(classes) == 2 else decision
    against = None if len(classes) == 2 or decision == actual else actual
    base, output, values, errors = _difference(explainer, test.take(np.array([row])), code, against, error)
    gate = gate or Gate.of(explainer.classifier.encoder, test.X, 1)
    order = np.argsort(-np.abs(values), kind="stable")
    cells = gate.show_row(test.X[row], [column for i in order for column in explainer.columns_of(explainer.players[i])])
    frame = pd.DataFrame(
        {
            "column": list(explainer.players),
            "text": [", ".join(cells[column] for column in explainer.columns_of(player)) for player in explainer.players],
            "value": values,
            "standard_error": errors,
        }
    )
    facts = {
        "row": int(test.row[row]),
        "of_rows": len(test),
        "actual": classes[actual],
        "predicted": classes[decision],
        "class": classes[code],
        "probability": float(y_prob[row, code]),
        "against": None if against is None else classes[against],
        "other_probability": None if against is None else float(y_prob[row, against]),
        "base": base,
        "output": output,
        "change": _change(explainer.classifier, test.X[row], fixed, cells, known),
    }
    return facts, frame.iloc[order].reset_index(drop=True)


def find_mistake(y_true: np.ndarray, y_prob: np.ndarray, decisions: np.ndarray) -> tuple[int, int]:
    """Return the place and the decision of the most confident mistake, or of the least sure row without mistakes.

    Shape: (n,), (n, classes), (n,)
    """
    of_actual = y_prob[np.arange(len(y_true)), y_true]
    wrong = decisions != y_true
    place = int(np.where(wrong, of_actual, np.inf).argmin() if wrong.any() else of_actual.argmin())
    return place, int(decisions[place])


def _difference(
    explainer: Explainer, one: Part, code: int, against: int | None, error: float
) -> tuple[float, float, np.ndarray, np.ndarray]:
    """Return base, output, values and errors of a class, minus those of another if there is one."""
    base, output, values, errors = _of_class(explainer, one, code, error)
    if against is None:
        return base, output, values, errors
    other_base, other_output, other_values, other_errors = _of_class(explainer, one, against, error)
    return base - other_base, output - other_output, values - other_values, errors + other_errors


def _of_class(explainer: Explainer, one: Part, code: int, error: float) -> tuple[float, float, np.ndarray, np.ndarray]:
    few = len(explainer.classifier.classes) <= MAX_CLASSES
    found = explainer.estimate(one.X, one.row, error=error, classes=None if few else np.array([[code]]))
    place = found.classes[0].tolist().index(code)
    return float(found.base[0, place]), float(found.outputs[0, place]), found.values[0, :, place], found.errors[0, :, place]


def _change(
    classifier: Classifier, row: np.ndarray, fixed: Sequence[str], cells: Mapping[str, str], known: Gate | None
) -> dict[str, Any] | None:
    """Return the nearest change that turns the decision: the class then predicted, and the columns with their values."""
    found = nearest_change(classifier, row, fixed)
    if found is None:
        return None
    after = decode_rounded(classifier.encoder, found.x[None])
    columns = [
        {
            "column": name,
            "before": cells[name],
            "after": format_value((known.show_column(name, after[name]) if known else after[name]).iloc[0]),
        }
        for name in found.columns
    ]
    return {"predicted": classifier.classes[found.decision], "columns": columns}
