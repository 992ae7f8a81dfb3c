"""The built-in demo table: a random classification problem."""

import pandas as pd
from sklearn.datasets import make_classification

from veritable.tables.params import GenerateParams


def make_table(params: GenerateParams) -> pd.DataFrame:
    """Return the data of scikit-learn's make_classification with columns feature_0, feature_1, ... and `target`.

    Shape: (n_samples, n_features + 1)
    """
    X, y = make_classification(
        n_samples=params.n_samples,
        n_features=params.n_features,
        n_informative=params.n_informative,
        n_redundant=params.n_redundant,
        n_classes=params.n_classes,
        random_state=params.seed,
    )
    frame = pd.DataFrame(X, columns=[f"feature_{i}" for i in range(params.n_features)])
    return frame.assign(target=y)
