"""Wrap a trained classifier as a scikit-learn estimator: `veritable.load(folder)`."""

from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin

from veritable.errors import UserError
from veritable.models.classifier import Classifier
from veritable.tables.typing.target import as_labels


class TableClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Trained classifier that predicts raw rows, given as a frame with the columns of the table.

    Attributes
    ----------
    classes_
        Sorted class labels with the type that pandas reads them as: integers, floats, booleans or texts.
    classifier
        The wrapped classifier.
    """

    def __init__(self, folder: str | Path):
        self.folder = folder
        self.classifier = Classifier.load(Path(folder))
        labels = as_labels(self.classifier.classes)
        self._order = np.argsort(labels, kind="stable")
        self.classes_ = labels[self._order]

    def fit(self, X: Any, y: Any = None) -> Self:
        """Raise an error, because the classifier is trained already.

        Raises
        ------
        UserError
            Always.
        """
        raise UserError("a loaded classifier cannot be fitted again. Train a new one with `dvc repro`.")

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def predict_proba(self, X: pd.DataFrame) -> np.ndarray:
        """Predict probabilities, one column per class in the order of `classes_`. Shape: (n, n_classes)"""
        return self.classifier.predict_proba(X)[:, self._order]

    def predict(self, X: pd.DataFrame) -> np.ndarray:
        """Predict labels; with two classes, at the threshold that was chosen on the valid part. Shape: (n,)"""
        codes = self.classifier.predict(X)
        return np.asarray(self.classes_[np.argsort(self._order)[codes]])


def load(folder: str | Path) -> TableClassifier:
    """Load a classifier that `dvc repro` trained.

    Parameters
    ----------
    folder
        Folder of the classifier, such as "models/classifier".

    Raises
    ------
    UserError
        The folder does not hold a classifier.

    Examples
    --------
    >>> import pandas as pd, veritable
    >>> model = veritable.load("models/classifier")  # doctest: +SKIP
    >>> model.predict_proba(pd.read_csv("data/raw/demo.csv"))  # doctest: +SKIP
    """
    return TableClassifier(folder)
