"""The simple models that a network must beat: the majority class, logistic regression, gradient boosting.

Each is set up as one would without tuning, and as well as that goes: a weak opponent proves nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from threadpoolctl import threadpool_limits

from veritable.errors import UserError
from veritable.metrics.checks import check_weight
from veritable.metrics.intervals import FloatArray
from veritable.progress import progress

_MOST_LEVELS = 255  # of a categorical feature in HistGradientBoostingClassifier
_L2_REGULARIZATION = 1.0  # without it, boosting on a table with a class of one row ended with a log loss of 18
_ROUNDS_UNCHECKED = 50  # where no class has enough rows to hold one out
_MOST_TREES = 2000  # a round grows a tree per class
_MOST_BOOSTED = 100  # classes: of 1,000, so many trees took minutes and were ten times as far off as logistic regression
_CELLS_PER_BLOCK = 2**22  # 32 MB of probabilities are predicted at once


class Baseline(Protocol):
    """A fitted simple model."""

    classes_: NDArray[Any]  # codes of the classes that it was fitted on

    def predict_proba(self, X: NDArray[Any]) -> NDArray[Any]:
        """Shape (n, d) -> (n, len(classes_))."""


@dataclass(frozen=True)
class Baselines:
    """The fitted simple models.

    Attributes
    ----------
    rows, of_rows
        Train rows that logistic regression and boosting were fitted on, and how many there are with any weight.
    """

    models: Mapping[str, Baseline]
    n_classes: int
    rows: int
    of_rows: int

    def predict(self, name: str, X: NDArray[Any]) -> FloatArray:
        """Probabilities of all classes by one model. Shape (n, d) -> (n, K).

        A class that the train part lacks counts as if one row more had been of it: improbable, but not impossible.
        """
        model = self.models[name]
        absent = np.setdiff1d(np.arange(self.n_classes), model.classes_)
        y_prob = np.full((len(X), self.n_classes), 1 / (self.of_rows + absent.size))
        rows_per_block = max(1, _CELLS_PER_BLOCK // self.n_classes)
        for start in range(0, len(X), rows_per_block):
            block = slice(start, start + rows_per_block)
            with threadpool_limits(1):
                predicted = model.predict_proba(np.asarray(X[block], dtype=np.float64))
            y_prob[block, model.classes_] = predicted * (self.of_rows / (self.of_rows + absent.size))
        return y_prob


def fit_baselines(
    X_train: NDArray[Any],
    y_train: NDArray[Any],
    *,
    n_classes: int,
    categorical: NDArray[np.bool_],
    seed: int,
    weight: NDArray[Any] | None = None,
    most_rows: int | None = None,
    max_iter: int = 500,
) -> Baselines:
    """Fit `majority`, `logistic_regression` and, for up to 100 classes, `gradient_boosting` on the training part.

    Parameters
    ----------
    X_train
        Encoded columns without missing values: numbers standardised, categories as codes (0: missing or unseen).
        Shape (n, d).
    y_train
        Codes of the classes, 0 to n_classes - 1; a class may be absent. Shape (n,).
    categorical
        Which columns hold codes. Shape (d,).
    weight
        How much each row counts; None: all the same. Shape (n,).
    most_rows
        Of more rows, a sample of so many is fitted, with the same shares of classes and a row at least of each; the majority is
        counted on all.
    max_iter
        The most rounds of gradient boosting; with many classes there are fewer and larger ones, for about 2,000 trees. How many
        of them are made is decided on a tenth of the training rows, held out with the seed; then all rows are fitted for so
        many rounds.

    Raises
    ------
    UserError
        The training part has fewer than two classes, or its weights are none.
    ValueError
        The shapes do not match.
    """
    X, y, categorical = np.asarray(X_train), np.asarray(y_train), np.asarray(categorical, dtype=bool)
    if X.ndim != 2 or y.shape != X.shape[:1] or categorical.shape != X.shape[1:]:
        raise ValueError(
            "X_train, y_train, categorical must have Shape (n, d), (n,), (d,), "
            f"however: {X.shape}, {y.shape}, {categorical.shape}"
        )
    if weight is not None:
        weighty = np.flatnonzero(check_weight(weight, y.size))
        X, y, weight = X[weighty], y[weighty], np.asarray(weight, dtype=np.float64)[weighty]
        weight = weight / weight.mean()  # penalties are set against losses of weight 1
    present, of_rows = np.unique(y), y.size
    if present.size < 2 or n_classes < 2:
        raise UserError(
            f"the training part must have at least two classes for a model to tell apart, however it has {present.size} "
            f"({y.size:,} rows). Check the target column and the share of rows for training in params.yaml."
        )
    models: dict[str, Baseline] = {
        "majority": DummyClassifier(strategy="prior").fit(np.zeros((y.size, 1)), y, sample_weight=weight)
    }
    if most_rows is not None and most_rows < y.size:
        sample = stratified_sample(y, max(most_rows, present.size), seed)
        X, y, weight = X[sample], y[sample], None if weight is None else weight[sample]
    X = np.asarray(X, dtype=np.float64)
    # one thread: more add in another order, so other bits on another machine; and boosting's wait for each other, which made it
    # 20 times as slow where another process had one of two cores
    with threadpool_limits(1), progress() as bar:
        task = bar.add_task("fitting logistic regression", total=None)
        models["logistic_regression"] = _logistic_regression(X, y, weight, categorical)
        if present.size <= _MOST_BOOSTED:
            bar.update(task, description="fitting gradient boosting")
            models["gradient_boosting"] = _gradient_boosting(X, y, weight, categorical, seed=seed, max_iter=max_iter)
    return Baselines(models, n_classes, y.size, of_rows)


def stratified_sample(y: NDArray[Any], rows: int, seed: int) -> NDArray[np.intp]:
    """So many rows, a share of each class as near the same as can be, and a row at least of each. Rising, Shape (rows,)."""
    shuffled = np.random.default_rng(seed).permutation(y.size)
    by_class = shuffled[np.argsort(y[shuffled], kind="stable")]
    _, first, sizes = np.unique(y[by_class], return_index=True, return_counts=True)
    share_before = (np.arange(y.size) - np.repeat(first, sizes)) / np.repeat(sizes, sizes)  # of the class: 0 is its first row
    return np.sort(by_class[np.argsort(share_before, kind="stable")[:rows]])


def _logistic_regression(
    X: NDArray[Any], y: NDArray[Any], weight: FloatArray | None, categorical: NDArray[np.bool_]
) -> Baseline:
    columns = ColumnTransformer(
        [
            ("numbers", "passthrough", np.flatnonzero(~categorical)),
            ("categories", OneHotEncoder(handle_unknown="ignore"), np.flatnonzero(categorical)),
        ]
    )
    pipeline = make_pipeline(columns, LogisticRegression(max_iter=10_000))
    model: Baseline = pipeline.fit(X, y, logisticregression__sample_weight=weight)
    return model


def _gradient_boosting(
    X: NDArray[Any],
    y: NDArray[Any],
    weight: FloatArray | None,
    categorical: NDArray[np.bool_],
    *,
    seed: int,
    max_iter: int,
) -> Baseline:
    few_levels = np.array([np.unique(column).size <= _MOST_LEVELS for column in X.T], dtype=bool)
    trees_per_round = len(np.unique(y)) if len(np.unique(y)) > 2 else 1
    most_rounds = min(max_iter, _MOST_TREES // trees_per_round)
    model = HistGradientBoostingClassifier(
        categorical_features=categorical & few_levels,  # a column with more levels is taken as a number
        l2_regularization=_L2_REGULARIZATION,
        early_stopping=True,
        max_iter=most_rounds,
        learning_rate=0.1 if most_rounds == max_iter else max(0.1, 10 / most_rounds),  # fewer rounds, larger ones
        random_state=seed,
    )
    held_out = _held_out(y, seed)
    rounds = min(most_rounds, _ROUNDS_UNCHECKED)
    if held_out.any():
        weights = (None, None) if weight is None else (weight[~held_out], weight[held_out])
        model.fit(X[~held_out], y[~held_out], weights[0], X_val=X[held_out], y_val=y[held_out], sample_weight_val=weights[1])
        rounds = max(1, int(np.argmax(model.validation_score_)))  # the first score is that before any round
    fitted: Baseline = model.set_params(early_stopping=False, max_iter=rounds).fit(X, y, weight)
    return fitted


def _held_out(y: NDArray[Any], seed: int) -> NDArray[np.bool_]:
    """Mark a tenth of each class's rows, none of fewer than five; scikit-learn's own split refuses a class of one row."""
    generator = np.random.default_rng(seed)
    held_out = np.zeros(y.size, dtype=bool)
    for code in np.unique(y):
        rows = np.flatnonzero(y == code)
        held_out[generator.permutation(rows)[: (rows.size + 5) // 10]] = True
    return held_out
