"""What travels with a classifier so that later rows can be compared with those that it was trained on."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from veritable.errors import UserError
from veritable.files import read_json, write_json
from veritable.metrics.outcomes import Outcomes
from veritable.tables.profile import Profile

_FILE = "profile.json"


@dataclass(frozen=True)
class TrainingProfile:
    """Values of the train and valid rows, and predictions for rows that the models were not fitted on.

    Attributes
    ----------
    profile
        Counts of the values of each feature in "train" and "valid".
    held_out
        Predictions for the valid part; with folds, for all rows of train and valid.
    n_folds
        Number of folds; 0 without folds.
    """

    profile: Profile
    held_out: Outcomes
    n_folds: int

    def save(self, folder: Path) -> None:
        """Write profile.json to the folder of a classifier."""
        own = {"held_out": self.held_out.to_json(), "n_folds": self.n_folds}
        write_json(folder / _FILE, self.profile.to_json() | own)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote.

        Raises
        ------
        UserError
            There is no such file.
        """
        if not (folder / _FILE).is_file():
            raise UserError(
                f"'{folder}' must hold the profile of the train rows, but '{folder / _FILE}' does not exist. Train the "
                "classifier again with this version."
            )
        content = read_json(folder / _FILE)
        return cls(Profile.from_json(content), Outcomes.from_json(content["held_out"]), content["n_folds"])
