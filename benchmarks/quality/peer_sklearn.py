"""scikit-learn: histogram gradient boosting and logistic regression."""

from frames import Categories, Kinds, Limits, Part
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from worker import Predict

ROUNDS = 2_000


def boosting(train: Part, valid: Part, kinds: Kinds, limits: Limits) -> Predict:
    """Fit with the defaults and at most 2,000 rounds, until ten have not lowered the log loss on valid. These ten are kept."""
    take = Categories.of(train.X, kinds).cast
    model = HistGradientBoostingClassifier(max_iter=ROUNDS, early_stopping=True, random_state=limits.seed)
    model.fit(take(train.X), train.y, X_val=take(valid.X), y_val=valid.y)
    return lambda X: model.predict_proba(take(X))


def logistic(train: Part, valid: Part, kinds: Kinds, limits: Limits) -> Predict:
    """Fit with the defaults, without valid, on one-hot categories and on imputed, standardized numbers."""
    encoder = make_column_transformer(
        (make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler()), kinds.numbers),
        (OneHotEncoder(handle_unknown="ignore"), kinds.categories),
    )
    model = make_pipeline(encoder, LogisticRegression(max_iter=1_000, random_state=limits.seed))
    return model.fit(train.X, train.y).predict_proba
