"""A pretrained model, such as a foundation model for tables, as a member: it predicts from train rows that it is shown.

The person who adds it brings a folder with the weights and a file member.json, and an installed package that can run them.
Nothing is downloaded, and no code is read from the folder: docs/pretrained.md.
"""

import shutil
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import ClassVar, Protocol, Self

import numpy as np
from safetensors.numpy import save_file

from veritable.errors import UserError
from veritable.metrics.losses import MIN_PROBABILITY
from veritable.models.arrays import check_cardinalities, check_rows, load_arrays
from veritable.stored import STRICT, read_stored
from veritable.tables.encoding.encoder import Encoder

ENTRY_POINTS = "veritable.members"
FACTS = "member.json"


class InContextModel(Protocol):
    """What the class behind an entry point must provide. It is constructed with the folder and the cardinalities."""

    def predict_proba(self, X_train: np.ndarray, y_train: np.ndarray, X: np.ndarray) -> np.ndarray:
        """Predict probabilities from train rows. A row must not depend on the other rows of X; equal inputs give equal bits.

        Shape: X_train (m, width) float32, y_train (m,) int64 (every class is present), X (n, width) float32 -> (n, classes)
        """


@dataclass(frozen=True)
class MemberFacts:
    """Content of member.json.

    Attributes
    ----------
    model
        Name of an entry point in the group "veritable.members" of an installed package.
    package
        Package and version that the weights are run with, such as "tabicl==2.0.1".
    license
        Licence of the weights.
    """

    __pydantic_config__ = STRICT
    model: str
    package: str
    license: str

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read the file of a folder.

        Raises
        ------
        UserError
            The file does not exist, is not as described, or another version of the package is installed.
        """
        facts = read_stored(cls, folder / FACTS, "Correct it: see docs/pretrained.md.")
        name, _, version = facts.package.partition("==")
        try:
            installed = metadata.version(name)
        except metadata.PackageNotFoundError:
            raise UserError(
                f"the pretrained model in '{folder}' must run with the package '{facts.package}', but it is not installed. "
                "Install it, and add it to requirements.lock."
            ) from None
        if installed != version:
            raise UserError(
                f"the pretrained model in '{folder}' must run with the package '{facts.package}', but version {installed} is "
                f"installed. Install version {version}, or change {FACTS}."
            )
        return facts

    def load(self, folder: Path, cardinalities: np.ndarray) -> InContextModel:
        """Construct the model.

        Raises
        ------
        UserError
            No installed package provides it.
        """
        known = {each.name: each for each in metadata.entry_points(group=ENTRY_POINTS)}
        if self.model not in known:
            names = ", ".join(sorted(known)) or "there is none"
            raise UserError(
                f"the pretrained model '{self.model}' must be an entry point '{ENTRY_POINTS}' of an installed package, but "
                f"known are: {names}. See docs/pretrained.md."
            )
        model: InContextModel = known[self.model].load()(folder, cardinalities)
        return model


@dataclass(frozen=True)
class Pretrained:
    """A pretrained model with the train rows that it is shown. Its scores are log-probabilities.

    Attributes
    ----------
    folder
        Folder of the weights.
    X, y
        Train rows, which are saved with the classifier. Shape: (m, width) float32, (m,) int64
    cardinalities
        Number of codes of each encoded column, 0 for a number (`Encoder.cardinalities`). Shape: (width,) int64
    """

    folder: Path
    facts: MemberFacts
    model: InContextModel
    X: np.ndarray
    y: np.ndarray
    cardinalities: np.ndarray
    kind: ClassVar[str] = "pretrained"

    @classmethod
    def open(cls, folder: Path, X: np.ndarray, y: np.ndarray, cardinalities: np.ndarray) -> Self:
        """Load the weights of a folder, and show them train rows. Raises what `MemberFacts` raises."""
        facts = MemberFacts.read(folder)
        return cls(folder, facts, facts.load(folder, cardinalities), X, y, cardinalities)

    @classmethod
    def load(cls, folder: Path, data: bytes, encoder: Encoder, n_classes: int) -> Self:
        """Read what `save` wrote.

        Parameters
        ----------
        data
            Content of the file with the train rows.

        Raises
        ------
        ValueError
            The file with the rows is damaged, or they are not rows of the encoder.
        UserError
            As `MemberFacts.read` and `MemberFacts.load`.
        """
        forms = {"X": "float32 rows width", "y": "int64 rows", "cardinalities": "int64 width"}
        arrays = load_arrays(data, forms, width=len(encoder.names))
        check_cardinalities(arrays["cardinalities"], encoder.cardinalities)
        check_rows(arrays["X"], arrays["y"], encoder, n_classes)
        return cls.open(folder, **arrays)

    def save(self, stem: Path) -> None:
        """Copy the folder of the weights to `stem`, and write the train rows to `stem`.safetensors."""
        shutil.copytree(self.folder, stem)
        rows = {"X": np.ascontiguousarray(self.X), "y": self.y, "cardinalities": self.cardinalities}
        save_file(rows, stem.with_suffix(".safetensors"))

    def scores(self, X: np.ndarray) -> np.ndarray:
        """Return the log-probabilities. Shape: (n, width) -> (n, classes), float64"""
        y_prob = np.asarray(self.model.predict_proba(self.X, self.y, np.ascontiguousarray(X)), dtype=np.float64)
        return np.log(np.maximum(y_prob, MIN_PROBABILITY))
