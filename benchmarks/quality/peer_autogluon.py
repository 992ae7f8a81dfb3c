"""AutoGluon: two presets with a time limit, evaluated by log loss."""

import tempfile

import autogluon.tabular.models.fastainn.imports_helper  # noqa: F401  (otherwise AutoGluon imports these five during the fit)
import catboost  # noqa: F401
import lightgbm  # noqa: F401
import pandas as pd
import torch  # noqa: F401
import xgboost  # noqa: F401
from autogluon.tabular import TabularPredictor
from frames import Kinds, Limits, Part
from worker import Predict

CLASS = "(class)"


def medium(train: Part, valid: Part, kinds: Kinds, limits: Limits) -> Predict:
    """Fit boosted trees, forests and two networks once, and choose the weights of their blend on valid."""
    return _fit(kinds, limits, train_data=_frame(train), tuning_data=_frame(valid), presets="medium_quality")


def good(train: Part, valid: Part, kinds: Kinds, limits: Limits) -> Predict:
    """Fit the same models bagged over eight folds of train and valid together, stack them and refit them."""
    together = pd.concat([_frame(train), _frame(valid)], ignore_index=True)
    return _fit(kinds, limits, train_data=together, presets="good_quality")


def _frame(part: Part) -> pd.DataFrame:
    return part.X.assign(**{CLASS: part.y})


def _fit(kinds: Kinds, limits: Limits, **settings: object) -> Predict:
    predictor = TabularPredictor(
        CLASS,
        problem_type="binary" if kinds.n_classes == 2 else "multiclass",
        eval_metric="log_loss",
        path=tempfile.mkdtemp(),  # inside the folder of the run, which is deleted at the end
        verbosity=0,
        learner_kwargs={"random_state": limits.seed},
    )
    predictor.fit(time_limit=limits.seconds, num_cpus=limits.threads, num_gpus=0, **settings)
    return lambda X: predictor.predict_proba(X).reindex(columns=range(kinds.n_classes), fill_value=0.0).to_numpy()
