"""CatBoost with its defaults and its own categories: 1,000 rounds, without a validation set."""

import pandas as pd
from catboost import CatBoostClassifier
from frames import Kinds, Limits, Part
from worker import Predict


def fit(train: Part, kinds: Kinds, limits: Limits) -> Predict:
    def take(X: pd.DataFrame) -> pd.DataFrame:  # CatBoost rejects NaN in a category
        return X.assign(**{name: X[name].fillna("(missing)") for name in kinds.categories})

    model = CatBoostClassifier(
        cat_features=kinds.categories,
        random_seed=limits.seed,
        thread_count=limits.threads,
        allow_writing_files=False,
        verbose=False,
    )
    model.fit(take(train.X), train.y)
    return lambda X: model.predict_proba(take(X))
