"""Wrap a trained classifier as a scikit-learn estimator: `veritable.load(folder)`."""

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin

from veritable.errors import UserError
from veritable.models.classifier import Classifier
from veritable.serving.rows import cell_texts, encode_rows
from veritable.tables.typing.target import as_labels

if TYPE_CHECKING:
    from veritable.explanation.explainer import Explainer
    from veritable.serving.checking.verdict import Check


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

    def explain(self, X: pd.DataFrame, *, error: float = 0.05) -> Any:
        """Explain rows by Shapley values, compared with the train rows that the classifier was saved with.

        With two classes, the values are in log-odds of the positive class; with more, they are in log-probability relative to
        the mean of all classes. A row and its place in the frame determine its values.

        Parameters
        ----------
        error
            Mean standard error of the values of a row to reach, relative to their mean absolute value. A smaller one takes
            longer.

        Returns
        -------
        A `shap.Explanation`. `error_std` has the standard errors. `data` has the cells as numbers: categories as codes, dates
        as seconds since 1970, NaN where missing; `display_data` has them as texts. With two classes, or with more than ten,
        each row has one output, that of the positive or the predicted class. Otherwise it has one for each class, in the order
        of `classes_`, which `output_names` names. Shape: (n, columns) or (n, columns, n_classes)

        Raises
        ------
        UserError
            The classifier was saved without train rows.
        TableError
            A column is absent that had no missing values in the train part.
        """
        from veritable.explanation.library import shap  # shap takes seconds to import

        names = [column.name for column in self.classifier.encoder.columns]
        rows = encode_rows(self.classifier.contract.columns_of(X, names), self.classifier, len(X))
        found = self._explainer.estimate(rows.X, rows.numbers, error=error)
        each_class = found.classes.shape[1] == len(self.classes_)
        output: Any = self._order if each_class else 0
        return shap.Explanation(
            found.values[:, :, output],
            found.base[:, output],
            data=np.stack(rows.read.values, axis=1),
            display_data=cell_texts(rows, self.classifier),
            feature_names=names,
            output_names=[str(label) for label in self.classes_] if each_class else None,
            error_std=found.errors[:, :, output],
        )

    def check(self, X: pd.DataFrame, *, truth: str | None = None) -> "Check":
        """Check whether rows are like those that the classifier was trained on.

        Parameters
        ----------
        truth
            Column of the frame with the classes; None if they are not known.

        Returns
        -------
        What was found. `retrain` says whether to train again, `sentence` why, and `str` gives it all as text.

        Raises
        ------
        UserError
            The classifier was trained before this check existed, a required column is absent, or the classes cannot be read.

        Examples
        --------
        >>> found = model.check(new, truth="churn")  # doctest: +SKIP
        >>> found.retrain, found.columns[0].index  # doctest: +SKIP
        """
        from veritable.serving.check import check_frame  # LightGBM's scikit-learn interface takes a second to import

        return check_frame(self.classifier, Path(self.folder), X, truth)

    @cached_property
    def _explainer(self) -> "Explainer":
        from veritable.explanation.explainer import Explainer

        return Explainer.fit(self.classifier)


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
