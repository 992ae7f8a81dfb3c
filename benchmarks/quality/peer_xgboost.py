"""XGBoost with its defaults, pandas categories and at most 2,000 rounds, of which the best on valid by log loss is kept."""

from frames import Categories, Kinds, Limits, Part
from worker import Predict
from xgboost import XGBClassifier

ROUNDS, PATIENCE = 2_000, 50


def fit(train: Part, valid: Part, kinds: Kinds, limits: Limits) -> Predict:
    take = Categories.of(train.X, kinds).cast
    model = XGBClassifier(
        n_estimators=ROUNDS,
        early_stopping_rounds=PATIENCE,
        enable_categorical=True,
        random_state=limits.seed,
        n_jobs=limits.threads,
    )
    model.fit(take(train.X), train.y, eval_set=[(take(valid.X), valid.y)], verbose=False)
    return lambda X: model.predict_proba(take(X))
