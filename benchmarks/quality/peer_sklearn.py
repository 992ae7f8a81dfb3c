"""scikit-learn: histogram gradient boosting and logistic regression."""

from frames import Categories, Kinds, Limits, Part
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from worker import Predict


def boosting(train: Part, kinds: Kinds, limits: Limits) -> Predict:
    """Fit with the defaults: 100 rounds, and above 10,000 rows early stopping on a tenth of them, which it draws itself."""
    take = Categories.of(train.X, kinds).cast
    model = HistGradientBoostingClassifier(random_state=limits.seed)
    model.fit(take(train.X), train.y)
    return lambda X: model.predict_proba(take(X))


def logistic(train: Part, kinds: Kinds, limits: Limits) -> Predict:
    """Fit with the defaults on one-hot categories and on imputed, standardized numbers."""
    encoder = make_column_transformer(
        (make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler()), kinds.numbers),
        (OneHotEncoder(handle_unknown="ignore"), kinds.categories),
    )
    model = make_pipeline(encoder, LogisticRegression(max_iter=1_000, random_state=limits.seed))
    return model.fit(train.X, train.y).predict_proba
