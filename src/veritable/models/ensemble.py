"""The models that a classifier predicts with, blended: a weighted sum of their scores."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

import numpy as np
from scipy.special import softmax

from veritable.errors import UserError


class Member(Protocol):
    """A fitted model that scores the classes of encoded rows."""

    kind: ClassVar[str]

    def scores(self, X: np.ndarray) -> np.ndarray:
        """Return a score per class; a larger one is more probable. A row does not depend on the other rows.

        Shape: (n, width) -> (n, classes), float64
        """

    def save(self, stem: Path) -> None:
        """Write the model to a file that cannot run code: the stem with a suffix."""


@dataclass(frozen=True)
class Ensemble:
    """Models whose weighted scores are added. Predicts from encoded rows.

    The scores are logarithms of probabilities up to a constant per row, so their sum is a product of experts (Genest & Zidek
    1986, "Combining probability distributions"). A sum of weights below 1 makes probabilities more equal, one above 1 more
    extreme: its inverse is the temperature of the blend (Guo et al. 2017, "On calibration of modern neural networks").

    Attributes
    ----------
    members
        The models.
    weights
        Weight of each model, 0 or more.
    """

    members: tuple[Member, ...]
    weights: tuple[float, ...]

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Predict probabilities, the same bits whatever the other rows in X. Shape: (n, width) -> (n, classes), float64

        Raises
        ------
        UserError
            A probability is not finite: finite weights can overflow.
        """
        y_prob = blend_scores([member.scores(X) for member in self.members], self.weights)
        if not np.isfinite(y_prob).all():
            raise UserError(
                "a classifier must predict finite probabilities, but its weights overflow. Train it again, or fetch it again."
            )
        return y_prob


def blend_scores(scores: Sequence[np.ndarray], weights: Sequence[float]) -> np.ndarray:
    """Return the probabilities of a weighted sum of scores. Shape: (n, classes) each -> (n, classes), float64"""
    total = np.zeros(scores[0].shape)
    for weight, each in zip(weights, scores, strict=True):
        total += weight * each
    return np.asarray(softmax(total, axis=1))
