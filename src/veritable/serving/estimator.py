"""A trained classifier as scikit-learn knows classifiers, for its inspection and plots: `veritable.load(folder)`."""

from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin

from veritable.errors import UserError
from veritable.metrics.thresholds import predict_classes
from veritable.models.classifier import Classifier
from veritable.tables.typing.labels import as_labels


class TableClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A trained classifier: raw rows in, as a frame with the table's columns.

    Attributes
    ----------
    classes_
        The labels, sorted, as a reader of the table has them: whole numbers, numbers, booleans or texts.
    classifier
        What is behind it.
    """

    def __init__(self, folder: str | Path):
        self.folder = folder
        self.classifier = Classifier.load(Path(folder))
        labels = as_labels(self.classifier.classes)
        self._order = np.argsort(labels, kind="stable")
        self.classes_ = labels[self._order]

    def fit(self, X: Any, y: Any = None) -> Self:
        """There is none: it comes trained.

        Raises
        ------
        UserError
            Always.
        """
        raise UserError("a loaded classifier is trained already. Train another one with `dvc repro`.")

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def predict_proba(self, X: pd.DataFrame) -> np.ndarray:
        """Shape: (n, classes), in the order of `classes_`."""
        return self.classifier.predict_proba(X)[:, self._order]

    def predict(self, X: pd.DataFrame) -> np.ndarray:
        """The predicted labels, of two classes at the threshold that was chosen on valid. Shape: (n,)"""
        codes = predict_classes(self.classifier.predict_proba(X), self.classifier.threshold)
        return np.asarray(self.classes_[np.argsort(self._order)[codes]])


def load(folder: str | Path) -> TableClassifier:
    """Load a classifier that `dvc repro` trained.

    Raises
    ------
    UserError
        The folder holds no classifier.
    """
    return TableClassifier(folder)
