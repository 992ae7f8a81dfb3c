"""XGBoost with its defaults and pandas categories: 100 rounds, without a validation set."""

from frames import Categories, Kinds, Limits, Part
from worker import Predict
from xgboost import XGBClassifier


def fit(train: Part, kinds: Kinds, limits: Limits) -> Predict:
    take = Categories.of(train.X, kinds).cast
    model = XGBClassifier(enable_categorical=True, random_state=limits.seed, n_jobs=limits.threads)
    model.fit(take(train.X), train.y)
    return lambda X: model.predict_proba(take(X))
