"""LightGBM with its defaults and pandas categories: 100 rounds, without a validation set."""

from frames import Categories, Kinds, Limits, Part
from lightgbm import LGBMClassifier
from worker import Predict


def fit(train: Part, kinds: Kinds, limits: Limits) -> Predict:
    take = Categories.of(train.X, kinds).cast
    model = LGBMClassifier(random_state=limits.seed, n_jobs=limits.threads, verbosity=-1)
    model.fit(take(train.X), train.y)
    return lambda X: model.predict_proba(take(X))
