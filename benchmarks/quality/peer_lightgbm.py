"""LightGBM with its defaults, pandas categories and at most 2,000 rounds, of which the best on valid by log loss is kept."""

from frames import Categories, Kinds, Limits, Part
from lightgbm import LGBMClassifier, early_stopping
from worker import Predict

ROUNDS, PATIENCE = 2_000, 50


def fit(train: Part, valid: Part, kinds: Kinds, limits: Limits) -> Predict:
    take = Categories.of(train.X, kinds).cast
    model = LGBMClassifier(n_estimators=ROUNDS, random_state=limits.seed, n_jobs=limits.threads, verbosity=-1)
    stop = early_stopping(PATIENCE, verbose=False)
    model.fit(take(train.X), train.y, eval_set=[(take(valid.X), valid.y)], callbacks=[stop])
    return lambda X: model.predict_proba(take(X))
