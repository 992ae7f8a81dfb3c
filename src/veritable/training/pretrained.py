"""A pretrained model as a member of the blend: it is not fitted, but shown the train rows."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np

from veritable.models.pretrained import Pretrained
from veritable.tables.encoding.parts import Part
from veritable.training.class_weights import weigh
from veritable.training.learner import Fitted


class PretrainedLearner:
    """Shows a pretrained model the rows of a part. Weights of rows and classes have no effect on it."""

    name: ClassVar[str] = "a pretrained model"

    def __init__(self, folder: Path, cardinalities: np.ndarray, n_classes: int):
        self.folder, self.cardinalities, self.n_classes = folder, cardinalities.astype(np.int64), n_classes

    def fit(self, train: Part, valid: Part, number: int) -> Fitted:
        return Fitted((self._show(train),))

    def refit(self, pool: Part, fits: Sequence[Fitted]) -> Pretrained:
        return self._show(pool)

    def _show(self, part: Part) -> Pretrained:
        part = weigh(part, "none", self.n_classes)
        return Pretrained.open(self.folder, np.ascontiguousarray(part.X), part.y, self.cardinalities)
