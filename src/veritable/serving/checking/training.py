"""What new rows are compared with: values of the train rows, and predictions for rows that the models were not fitted on."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from veritable.evaluation.predictions import read_held_out
from veritable.metrics.outcomes import Outcomes, compute_outcomes
from veritable.models.classifier import Classifier
from veritable.models.folder import ModelFolder
from veritable.tables.profile import Profile

SEED = 0  # of the resamples and samples of a check


@dataclass(frozen=True)
class Training:
    """What the folder of a classifier holds of its training.

    Attributes
    ----------
    profile
        Counts of the values of each feature in "train" and "valid".
    held_out
        Predictions for the valid part; with folds, for all rows of train and valid.
    """

    profile: Profile
    held_out: Outcomes

    @classmethod
    def load(cls, folder: Path, classifier: Classifier) -> Self:
        """Read what the stage `train` wrote.

        Raises
        ------
        UserError
            A file does not exist or is damaged.
        """
        model = ModelFolder.open(folder)
        profile = model.parse("profile.json", lambda data: Profile.parse(data, classifier.encoder, ("train", "valid")))
        rows, _ = read_held_out(folder, classifier.classes)
        outcomes = compute_outcomes(rows.y_prob, rows.y_pred, rows.y_true, weight=rows.weight, seed=SEED)
        return cls(profile, outcomes)
