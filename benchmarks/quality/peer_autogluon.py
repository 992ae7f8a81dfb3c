"""AutoGluon: two presets with a time limit, evaluated by log loss."""

import tempfile

import autogluon.tabular.models.fastainn.imports_helper  # noqa: F401  (otherwise AutoGluon imports these five during the fit)
import catboost  # noqa: F401
import lightgbm  # noqa: F401
import torch  # noqa: F401
import xgboost  # noqa: F401
from autogluon.tabular import TabularPredictor
from frames import Kinds, Limits, Part
from worker import Predict

CLASS = "(class)"


def medium(train: Part, kinds: Kinds, limits: Limits) -> Predict:
    """Fit boosted trees, forests and two networks once, and choose the weights of their blend on rows that it holds out."""
    return _fit(train, kinds, limits, "medium_quality")


def good(train: Part, kinds: Kinds, limits: Limits) -> Predict:
    """Fit the same models bagged over eight folds, stack them and refit them."""
    return _fit(train, kinds, limits, "good_quality")


def _fit(train: Part, kinds: Kinds, limits: Limits, presets: str) -> Predict:
    predictor = TabularPredictor(
        CLASS,
        problem_type="binary" if kinds.n_classes == 2 else "multiclass",
        eval_metric="log_loss",
        path=tempfile.mkdtemp(),  # inside the folder of the run, which is deleted at the end
        verbosity=0,
        learner_kwargs={"random_state": limits.seed},
    )
    table = train.X.assign(**{CLASS: train.y})
    predictor.fit(table, presets=presets, time_limit=limits.seconds, num_cpus=limits.threads, num_gpus=0)
    return lambda X: predictor.predict_proba(X).reindex(columns=range(kinds.n_classes), fill_value=0.0).to_numpy()
