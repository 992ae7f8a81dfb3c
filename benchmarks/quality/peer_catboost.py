"""CatBoost with its defaults, its own categories and at most 2,000 rounds, of which the best on valid by log loss is kept."""

import pandas as pd
from catboost import CatBoostClassifier
from frames import Kinds, Limits, Part
from worker import Predict

ROUNDS, PATIENCE = 2_000, 50


def fit(train: Part, valid: Part, kinds: Kinds, limits: Limits) -> Predict:
    def take(X: pd.DataFrame) -> pd.DataFrame:  # CatBoost rejects NaN in a category
        return X.assign(**{name: X[name].fillna("(missing)") for name in kinds.categories})

    model = CatBoostClassifier(
        iterations=ROUNDS,
        early_stopping_rounds=PATIENCE,
        cat_features=kinds.categories,
        random_seed=limits.seed,
        thread_count=limits.threads,
        allow_writing_files=False,
        verbose=False,
    )
    model.fit(take(train.X), train.y, eval_set=(take(valid.X), valid.y))
    return lambda X: model.predict_proba(take(X))
