"""Explain test rows, and check and sum up the values."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from veritable.explanation.effects import compute_importance, deletion_curve, partial_dependence, permutation_importance
from veritable.explanation.explainer import MAX_CLASSES, Estimate, Explainer
from veritable.explanation.library import shap
from veritable.explanation.mistake import explain_mistake
from veritable.explanation.params import ExplainParams
from veritable.explanation.relations import interactions, shared_information
from veritable.models.background import Background
from veritable.models.classifier import Classifier
from veritable.tables.encoding.gate import Gate
from veritable.tables.encoding.parts import Part

_SHOWN_COLUMNS = 12
_DEPENDENCES = 4
_INTERACTING = 5
_INTERACTION_ROWS = 40


@dataclass(frozen=True)
class Explained:
    """Shapley values of test rows, and what they say together.

    Attributes
    ----------
    values
        One line per row, column and explained class, with the columns row, column, class, value and standard_error.
    importance
        Mean absolute value of each column, its interval, and its permutation importance: see `effects`.
    frames
        Further tables for the report by name: points, effects, interactions, deletion, waterfall and importance_by_class.
    facts
        Numbers for the report.
    """

    values: pd.DataFrame
    importance: pd.DataFrame
    frames: Mapping[str, pd.DataFrame]
    facts: dict[str, Any]


def explain_test(
    classifier: Classifier, background: Background, test: Part, params: ExplainParams, min_count: int = 1
) -> Explained:
    """Explain up to `params.rows` test rows.

    Parameters
    ----------
    min_count
        Number of rows that hold a value before it is shown: see `Gate`.

    Raises
    ------
    UserError
        See `Explainer.fit` and `nearest_change`.
    """
    classifier = replace(classifier, background=background)
    explainer = Explainer.fit(classifier, output=params.output, groups=params.groups, seed=params.seed)
    part = test.take(np.random.default_rng(params.seed).permutation(len(test))[: params.rows])
    estimate = explainer.estimate(part.X, part.row, error=params.error)
    importance = compute_importance(explainer, estimate)
    ranked = importance["column"].tolist()
    shown, explained = _select_class(estimate)
    top = ranked[:_DEPENDENCES]
    permuted = permutation_importance(explainer, test, ranked, params.seed)
    renamed = permuted.rename(columns={"low": "loss_increase_low", "high": "loss_increase_high"})
    deletion, difference = deletion_curve(explainer, part.X, estimate, params.seed)
    pairs = interactions(explainer, part.X[:_INTERACTION_ROWS], ranked[:_INTERACTING], explained, params.seed)
    gate = Gate.of(classifier.encoder, test.X, min_count)
    known = Gate.of(classifier.encoder, background.X, min_count)
    worst, waterfall = explain_mistake(explainer, test, error=params.error, fixed=params.fixed, gate=gate, known=known)
    return Explained(
        values=_to_long_frame(explainer, estimate, part.row),
        importance=importance.merge(renamed, on="column", how="left"),
        frames={
            "points": _points(explainer, estimate, part, ranked[:_SHOWN_COLUMNS], shown, explained, gate),
            "effects": partial_dependence(explainer, top, explained, known),
            "interactions": pairs,
            "deletion": deletion,
            "waterfall": waterfall,
            "importance_by_class": _importance_by_class(explainer, estimate),
        },
        facts={
            "output": params.output,
            "rows": len(part),
            "background_rows": len(explainer.X),
            "train_rows": explainer.n_train,
            "class": classifier.classes[explained],
            "each_row_its_class": len(classifier.classes) > MAX_CLASSES,
            "dependences": _partners(explainer, estimate, part.X, top, ranked[:_SHOWN_COLUMNS], shown),
            "deletion": difference,
            "gap": estimate.gap,
            "shared": shared_information(explainer, ranked),
            "worst": worst,
            "errors": _summarize_errors(estimate),
        },
    )


def _select_class(estimate: Estimate) -> tuple[int, int]:
    """Return the output that is shown, and its class: the one explained, or having the largest output, most often."""
    if estimate.classes.shape[1] == 1:
        return 0, int(np.bincount(estimate.classes[:, 0]).argmax())
    shown = int(np.bincount(estimate.outputs.argmax(axis=1)).argmax())
    return shown, int(estimate.classes[0, shown])


def _to_long_frame(explainer: Explainer, estimate: Estimate, row: np.ndarray) -> pd.DataFrame:
    """Return one line per row, column and explained class."""
    n, players, outputs = estimate.values.shape
    names = np.array(explainer.classifier.classes, dtype=object)
    return pd.DataFrame(
        {
            "row": np.repeat(row, players * outputs),
            "column": np.tile(np.repeat(np.array(explainer.players, dtype=object), outputs), n),
            "class": np.repeat(names[estimate.classes], players, axis=0).ravel(),
            "value": estimate.values.ravel(),
            "standard_error": estimate.errors.ravel(),
        }
    )


def _importance_by_class(explainer: Explainer, estimate: Estimate) -> pd.DataFrame:
    """Return the mean absolute value of each column by explained class, with the columns class, column, rows and importance."""
    frames = []
    for code in np.unique(estimate.classes):
        row, output = np.nonzero(estimate.classes == code)
        mean = np.abs(estimate.values[row, :, output]).mean(axis=0)
        name = explainer.classifier.classes[code]
        frames.append(pd.DataFrame({"class": name, "column": list(explainer.players), "rows": len(row), "importance": mean}))
    return pd.concat(frames, ignore_index=True)


def _points(
    explainer: Explainer, estimate: Estimate, part: Part, players: list[str], shown: int, explained: int, gate: Gate
) -> pd.DataFrame:
    """Return a line per row and column for one class: column, row, value, text, number and rank (0 to 1, or NaN)."""
    rows = np.flatnonzero(estimate.classes[:, shown] == explained)
    text, number = explainer.show(part.X[rows], gate)
    ranks = explainer.show(part.X[rows])[1].rank(pct=True)
    frames = [
        pd.DataFrame(
            {
                "column": player,
                "row": part.row[rows],
                "value": estimate.values[rows, explainer.players.index(player), shown],
                "text": text[player].to_numpy(object),
                "number": number[player].to_numpy(),
                "rank": ranks[player].to_numpy(),
            }
        )
        for player in players
    ]
    return pd.concat(frames, ignore_index=True)


def _partners(
    explainer: Explainer, estimate: Estimate, X: np.ndarray, players: list[str], partners: list[str], shown: int
) -> list[dict[str, str]]:
    """Return each player as `column`, and as `partner` the one whose values change its effect most, by shap's approximation."""
    if len(explainer.players) < 2 or len(X) < 4:
        return [{"column": player, "partner": player} for player in players]
    first = np.array([np.flatnonzero(explainer.owner == player)[0] for player in range(len(explainer.players))])
    places = [explainer.players.index(player) for player in players]
    found = []
    for player, place in zip(players, places, strict=True):
        order = shap.utils.approximate_interactions(place, estimate.values[:, :, shown], X[:, first])
        others = [explainer.players[i] for i in order if i != place]
        found.append({"column": player, "partner": next(each for each in others if each in partners)})
    return found


def _summarize_errors(estimate: Estimate) -> dict[str, float]:
    """Return errors relative to the mean absolute value: mean, largest of a row, and that of the choice of background rows."""
    scale = np.abs(estimate.values).mean()
    of_row = np.abs(estimate.values).mean(axis=(1, 2))
    worst = np.divide(estimate.errors.mean(axis=(1, 2)), of_row, out=np.zeros_like(of_row), where=of_row > 0)
    mean, background = (
        float(each / scale) if scale else 0.0
        for each in (estimate.errors.mean(), np.sqrt(np.square(estimate.background_errors).mean()))
    )
    return {"mean": mean, "worst_row": float(worst.max()), "background": background}
