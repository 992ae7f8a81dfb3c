"""Baselines that the classifier must beat: the class shares, logistic regression, explainable and gradient boosting.

Each baseline has the settings that a practitioner would choose without tuning. A weak baseline would prove nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol, Self

import numpy as np
from interpret.glassbox import ExplainableBoostingClassifier
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
from veritable.metrics.goals import Goal
from veritable.metrics.intervals import FloatArray
from veritable.metrics.thresholds import predict_classes
from veritable.progress import progress

_MAX_LEVELS = 255  # limit of HistGradientBoostingClassifier for a categorical feature
_L2_REGULARIZATION = 1.0  # without it, boosting on a table with a class of one row ended with a log loss of 18
_DEFAULT_ROUNDS = 50  # used where no class has enough rows to hold one out
_MAX_TREES = 2000  # a round grows one tree per class
MAX_BOOSTED_CLASSES = (
    100  # with 1,000 classes, boosting took minutes and its log loss was ten times that of logistic regression
)
_MAX_EXPLAINED_CLASSES = 10  # a round of explainable boosting grows a tree per column and class
_MIN_CLASS_ROWS = 5  # explainable boosting holds out rows of each class
_MAX_OUTER_BAGS, _BAGGED_ROWS = (
    4,
    20_000,
)  # bags of explainable boosting, and rows of all bags together: decisions/0016-baselines.md
_CELLS_PER_BATCH = 2**22  # probabilities predicted at once: 32 MB


class Baseline(Protocol):
    """A fitted baseline."""

    classes_: NDArray[Any]  # codes of the classes in its training rows

    def predict_proba(self, X: NDArray[Any]) -> NDArray[Any]:
        """Predict class probabilities. Shape: (n, d) -> (n, len(classes_))"""


@dataclass(frozen=True)
class Baselines:
    """The fitted baselines.

    Attributes
    ----------
    models
        Fitted models by name.
    rows
        Number of train rows that logistic regression and gradient boosting were fitted on.
    total_rows
        Number of train rows with a weight above 0.
    """

    models: Mapping[str, Baseline]
    n_classes: int
    rows: int
    total_rows: int

    def with_model(self, name: str, model: Baseline) -> Self:
        """Return these baselines and a further one."""
        return replace(self, models={**self.models, name: model})

    def predict(self, name: str, X: NDArray[Any]) -> FloatArray:
        """Predict the probabilities of all classes with one model. Shape: (n, d) -> (n, n_classes)

        A class without train rows gets the probability of one additional row: improbable, but not impossible.
        """
        model = self.models[name]
        absent = np.setdiff1d(np.arange(self.n_classes), model.classes_)
        y_prob = np.full((len(X), self.n_classes), 1 / (self.total_rows + absent.size))
        rows_per_batch = max(1, _CELLS_PER_BATCH // self.n_classes)
        for start in range(0, len(X), rows_per_batch):
            batch = slice(start, start + rows_per_batch)
            with threadpool_limits(1):
                predicted = model.predict_proba(np.asarray(X[batch], dtype=np.float64))
            y_prob[batch, model.classes_] = predicted * (self.total_rows / (self.total_rows + absent.size))
        return y_prob


def decide(name: str, y_prob: FloatArray, threshold: float | None, goal: Goal) -> NDArray[np.int64]:
    """Return the classes that a baseline predicts; the class shares always predict the commonest. Shape: (n, K) -> (n,)

    At a threshold, the class shares would predict one class for all rows as well, but with F1 the rare one.
    """
    if name == "majority":
        commonest: NDArray[np.int64] = y_prob.argmax(axis=1).astype(np.int64)
        return commonest
    return predict_classes(y_prob, threshold, goal.cost_matrix)


def fit_baselines(
    X_train: NDArray[Any],
    y_train: NDArray[Any],
    *,
    n_classes: int,
    categorical: NDArray[np.bool_],
    seed: int,
    weight: NDArray[Any] | None = None,
    max_rows: int | None = None,
    max_iter: int = 500,
) -> Baselines:
    """Fit `majority`, `logistic_regression`, `explainable_boosting` and `gradient_boosting` on the train part.

    Gradient boosting is fitted with at most 100 classes; explainable boosting with at most 10, of at least 5 rows each.

    Parameters
    ----------
    X_train
        Encoded columns without missing values: standardized numbers, and category codes (0 is missing or unseen).
        Shape: (n, d)
    y_train
        Class codes from 0 to n_classes - 1; a class may be absent. Shape: (n,)
    categorical
        Whether each column holds category codes. Shape: (d,)
    weight
        Weight of each row; None if all rows count the same. Shape: (n,)
    max_rows
        Maximum number of rows to fit on. Of more rows a stratified sample is drawn, with at least one row of each class; the
        class shares are always computed from all rows.
    max_iter
        Maximum number of boosting rounds. With many classes there are fewer, larger rounds, for about 2,000 trees. The number
        of rounds is chosen on a tenth of the train rows, held out at random; then the model is refitted on all rows.

    Raises
    ------
    UserError
        The train part has fewer than two classes, or its weights are invalid.
    ValueError
        The shapes do not match.
    """
    X, y, categorical = np.asarray(X_train), np.asarray(y_train), np.asarray(categorical, dtype=bool)
    if X.ndim != 2 or y.shape != X.shape[:1] or categorical.shape != X.shape[1:]:
        raise ValueError(
            "X_train, y_train and categorical must have the shapes (n, d), (n,) and (d,), "
            f"but have {X.shape}, {y.shape} and {categorical.shape}"
        )
    if weight is not None:
        weighty = np.flatnonzero(check_weight(weight, y.size))
        X, y, weight = X[weighty], y[weighty], np.asarray(weight, dtype=np.float64)[weighty]
        weight = weight / weight.mean()  # the penalties assume losses of mean weight 1
    present, total_rows = np.unique(y), y.size
    if present.size < 2 or n_classes < 2:
        raise UserError(
            f"the train part must have at least two classes, but has {present.size} ({y.size:,} rows). Check the target column "
            "and the shares of the parts."
        )
    models: dict[str, Baseline] = {
        "majority": DummyClassifier(strategy="prior").fit(np.zeros((y.size, 1)), y, sample_weight=weight)
    }
    if max_rows is not None and max_rows < y.size:
        sample = stratified_sample(y, max(max_rows, present.size), seed)
        X, y, weight = X[sample], y[sample], None if weight is None else weight[sample]
    X = np.asarray(X, dtype=np.float64)
    # One thread: more threads add in another order, which changes the bits from machine to machine. They also wait for each
    # other, which made boosting 20 times as slow when another process used one of two cores.
    with threadpool_limits(1), progress() as bar:
        task = bar.add_task("fitting logistic regression", total=None)
        models["logistic_regression"] = _logistic_regression(X, y, weight, categorical)
        if present.size <= _MAX_EXPLAINED_CLASSES and np.unique_counts(y).counts.min() >= _MIN_CLASS_ROWS:
            bar.update(task, description="fitting explainable boosting")
            models["explainable_boosting"] = _explainable_boosting(X, y, weight, categorical, seed=seed)
        if present.size <= MAX_BOOSTED_CLASSES:
            bar.update(task, description="fitting gradient boosting")
            models["gradient_boosting"] = gradient_boosting(X, y, weight, categorical, seed=seed, max_iter=max_iter)
    return Baselines(models, n_classes, y.size, total_rows)


def stratified_sample(y: NDArray[Any], rows: int, seed: int) -> NDArray[np.intp]:
    """Draw a sample with the same class shares and at least one row of each class, in ascending order. Shape: (rows,)"""
    shuffled = np.random.default_rng(seed).permutation(y.size)
    by_class = shuffled[np.argsort(y[shuffled], kind="stable")]
    _, first, sizes = np.unique(y[by_class], return_index=True, return_counts=True)
    share_before = (np.arange(y.size) - np.repeat(first, sizes)) / np.repeat(
        sizes, sizes
    )  # within its class: 0 is the first row
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


def _explainable_boosting(
    X: NDArray[Any], y: NDArray[Any], weight: FloatArray | None, categorical: NDArray[np.bool_], *, seed: int
) -> Baseline:
    """Fit a sum of one curve per column (Lou et al. 2012, "Intelligible models for classification and regression")."""
    model = ExplainableBoostingClassifier(
        feature_types=["nominal" if each else "continuous" for each in categorical],
        outer_bags=max(1, min(_MAX_OUTER_BAGS, _BAGGED_ROWS // len(X))),
        interactions=0,
        n_jobs=1,
        random_state=seed,
    )
    fitted: Baseline = model.fit(X, y, sample_weight=weight)
    return fitted


def gradient_boosting(
    X: NDArray[Any],
    y: NDArray[Any],
    weight: FloatArray | None,
    categorical: NDArray[np.bool_],
    *,
    seed: int,
    max_iter: int = 500,
) -> Baseline:
    """Fit gradient boosting: see `fit_baselines`, which fits it on the same rows in the same way."""
    few_levels = np.array([np.unique(column).size <= _MAX_LEVELS for column in X.T], dtype=bool)
    trees_per_round = len(np.unique(y)) if len(np.unique(y)) > 2 else 1
    max_rounds = min(max_iter, _MAX_TREES // trees_per_round)
    model = HistGradientBoostingClassifier(
        categorical_features=categorical & few_levels,  # a column with more levels is treated as numeric
        l2_regularization=_L2_REGULARIZATION,
        early_stopping=True,
        max_iter=max_rounds,
        learning_rate=0.1 if max_rounds == max_iter else max(0.1, 10 / max_rounds),  # fewer rounds take larger steps
        random_state=seed,
    )
    held_out = _held_out(y, seed)
    rounds = min(max_rounds, _DEFAULT_ROUNDS)
    if held_out.any():
        weights = (None, None) if weight is None else (weight[~held_out], weight[held_out])
        model.fit(X[~held_out], y[~held_out], weights[0], X_val=X[held_out], y_val=y[held_out], sample_weight_val=weights[1])
        rounds = max(1, int(np.argmax(model.validation_score_)))  # the first score is computed before the first round
    fitted: Baseline = model.set_params(early_stopping=False, max_iter=rounds).fit(X, y, weight)
    return fitted


def _held_out(y: NDArray[Any], seed: int) -> NDArray[np.bool_]:
    """Mark a tenth of the rows of each class, but none of a class with fewer than five rows.

    scikit-learn's own split rejects a class with a single row.
    """
    generator = np.random.default_rng(seed)
    held_out = np.zeros(y.size, dtype=bool)
    for code in np.unique(y):
        rows = np.flatnonzero(y == code)
        held_out[generator.permutation(rows)[: (rows.size + 5) // 10]] = True
    return held_out
