"""The simple models that a network must beat: the majority class, logistic regression, gradient boosting.

Each is set up as one would without tuning, and as well as that goes: a weak opponent proves nothing.
"""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from veritable.errors import UserError
from veritable.evaluation.intervals import FloatArray

_MOST_LEVELS = 255  # of a categorical feature in HistGradientBoostingClassifier
_L2_REGULARIZATION = 1.0  # without it, boosting on a table with a class of one row ended with a log loss of 18
_ROUNDS_UNCHECKED = 50  # where no class has enough rows to hold one out


class Baseline(Protocol):
    """A fitted simple model."""

    classes_: NDArray[Any]  # codes of the classes that it was fitted on

    def predict_proba(self, X: NDArray[Any]) -> NDArray[Any]:
        """Shape (n, d) -> (n, len(classes_))."""


def fit_baselines(
    X_train: NDArray[Any],
    y_train: NDArray[Any],
    *,
    n_classes: int,
    categorical: NDArray[np.bool_],
    seed: int,
    max_iter: int = 500,
) -> dict[str, Baseline]:
    """Fit `majority`, `logistic_regression` and `gradient_boosting` on the training part.

    Parameters
    ----------
    X_train
        Encoded columns without missing values: numbers standardised, categories as codes (0: missing or unseen).
        Shape (n, d).
    y_train
        Codes of the classes, 0 to n_classes - 1; a class may be absent. Shape (n,).
    categorical
        Which columns hold codes. Shape (d,).
    max_iter
        The most rounds of gradient boosting. How many of them are made is decided on a tenth of the training rows, held
        out with the seed; then all rows are fitted for so many rounds.

    Raises
    ------
    UserError
        The training part has fewer than two classes.
    ValueError
        The shapes do not match.
    """
    X, y, categorical = np.asarray(X_train, dtype=np.float64), np.asarray(y_train), np.asarray(categorical, dtype=bool)
    if X.ndim != 2 or y.shape != X.shape[:1] or categorical.shape != X.shape[1:]:
        raise ValueError(
            "X_train, y_train, categorical must have Shape (n, d), (n,), (d,), "
            f"however: {X.shape}, {y.shape}, {categorical.shape}"
        )
    present = np.unique(y)
    if present.size < 2 or n_classes < 2:
        raise UserError(
            f"the training part must have at least two classes for a model to tell apart, however it has {present.size} "
            f"({y.size:,} rows). Check the target column and the share of rows for training in params.yaml."
        )
    unfitted = {
        "majority": DummyClassifier(strategy="prior"),
        "logistic_regression": _logistic_regression(categorical),
        "gradient_boosting": _gradient_boosting(X, y, categorical, seed=seed, max_iter=max_iter),
    }
    return {name: model.fit(X, y) for name, model in unfitted.items()}


def predict_baselines(baselines: Mapping[str, Baseline], X: NDArray[Any], *, n_classes: int) -> dict[str, FloatArray]:
    """Probabilities of all classes by each baseline; 0 for a class that the training part lacked. Shape (n, d) -> (n, K)."""
    X = np.asarray(X, dtype=np.float64)
    predicted = {}
    for name, model in baselines.items():
        y_prob = np.zeros((len(X), n_classes))
        y_prob[:, model.classes_] = model.predict_proba(X)
        predicted[name] = y_prob
    return predicted


def _logistic_regression(categorical: NDArray[np.bool_]) -> Any:
    columns = ColumnTransformer(
        [
            ("numbers", "passthrough", np.flatnonzero(~categorical)),
            ("categories", OneHotEncoder(handle_unknown="ignore"), np.flatnonzero(categorical)),
        ]
    )
    return make_pipeline(columns, LogisticRegression(max_iter=10_000))


def _gradient_boosting(X: NDArray[Any], y: NDArray[Any], categorical: NDArray[np.bool_], *, seed: int, max_iter: int) -> Any:
    few_levels = np.array([np.unique(column).size <= _MOST_LEVELS for column in X.T], dtype=bool)
    model = HistGradientBoostingClassifier(
        categorical_features=categorical & few_levels,  # a column with more levels is taken as a number
        l2_regularization=_L2_REGULARIZATION,
        early_stopping=True,
        max_iter=max_iter,
        random_state=seed,
    )
    held_out = _held_out(y, seed)
    rounds = min(max_iter, _ROUNDS_UNCHECKED)
    if held_out.any():
        model.fit(X[~held_out], y[~held_out], X_val=X[held_out], y_val=y[held_out])
        rounds = max(1, int(np.argmax(model.validation_score_)))  # the first score is that before any round
    return model.set_params(early_stopping=False, max_iter=rounds)


def _held_out(y: NDArray[Any], seed: int) -> NDArray[np.bool_]:
    """Mark a tenth of each class's rows, none of fewer than five; scikit-learn's own split refuses a class of one row."""
    generator = np.random.default_rng(seed)
    held_out = np.zeros(y.size, dtype=bool)
    for code in np.unique(y):
        rows = np.flatnonzero(y == code)
        held_out[generator.permutation(rows)[: (rows.size + 5) // 10]] = True
    return held_out
