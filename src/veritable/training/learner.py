"""What trains one member of the blend: the interface of the networks, the boosted trees, the forest and the linear model."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
import pandas as pd

from veritable.models.ensemble import Member
from veritable.tables.encoding.parts import Part


@dataclass(frozen=True)
class Fitted:
    """Result of one fit.

    Attributes
    ----------
    members
        Fitted models, whose scores are averaged.
    setting
        What the rows held out chose, as `refit` uses it: the number of boosting rounds, the strength of a penalty.
    history
        Losses of the networks: network (from 1), epoch (from 1), train_loss, valid_loss; None for other learners.
    """

    members: tuple[Member, ...]
    setting: float = 0.0
    history: pd.DataFrame | None = None

    def scores(self, X: np.ndarray) -> np.ndarray:
        """Return the mean of the members' scores. Shape: (n, width) -> (n, classes)"""
        return np.asarray(np.mean([member.scores(X) for member in self.members], axis=0))


class Learner(Protocol):
    """Trains one member of the blend.

    Attributes
    ----------
    name
        What is fitted, for the progress bar.
    """

    name: ClassVar[str]

    def fit(self, train: Part, valid: Part, number: int) -> Fitted:
        """Fit on train; valid stops the fit or chooses its setting.

        Parameters
        ----------
        number
            Number of the fold, from 0; the fits of different folds have different seeds.
        """

    def refit(self, pool: Part, fits: Sequence[Fitted]) -> Member | None:
        """Fit on all rows with the mean setting of the earlier fits; None if the earlier fits are kept instead."""
