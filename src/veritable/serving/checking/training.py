"""What new rows are compared with: values of the train rows, and predictions for rows that the models were not fitted on."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from veritable.errors import UserError
from veritable.evaluation.predictions import read_held_out
from veritable.files import read_json
from veritable.metrics.outcomes import Outcomes, compute_outcomes
from veritable.models.classifier import Classifier
from veritable.tables.profile import Profile

SEED = 0  # of the resamples and samples of a check
_FILES = {
    "the profile of the train rows": ("profile.json",),
    "the predictions for the rows held out": ("valid.parquet", "fold-1.parquet"),
}


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
            A file does not exist.
        """
        for what, names in _FILES.items():
            if not any((folder / name).is_file() for name in names):
                raise UserError(
                    f"'{folder}' must hold {what}, but '{folder / names[0]}' does not exist. Train the classifier again with "
                    "this version."
                )
        rows, _ = read_held_out(folder, classifier.classes)
        outcomes = compute_outcomes(rows.y_prob, rows.y_pred, rows.y_true, weight=rows.weight, seed=SEED)
        return cls(Profile.from_json(read_json(folder / "profile.json")), outcomes)
