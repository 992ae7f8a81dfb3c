"""Train a classifier on encoded parts: networks, boosted trees, a forest and a linear model, blended and calibrated."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache

import numpy as np
import pandas as pd

from veritable.metrics.losses import log_losses
from veritable.models.classifier import Classifier
from veritable.models.ensemble import Ensemble, Member, blend_scores
from veritable.progress import progress
from veritable.tables.encoding.parts import Part
from veritable.training.blending import choose_weights
from veritable.training.boosting import BoostingLearner, count_models
from veritable.training.class_weights import row_weights
from veritable.training.fit import EpochCallback
from veritable.training.folds import Fold, split_folds
from veritable.training.forest import ForestLearner
from veritable.training.inputs import TrainingInputs
from veritable.training.learner import Fitted, Learner
from veritable.training.linear import LinearLearner
from veritable.training.network import NetworkLearner
from veritable.training.pretrained import PretrainedLearner
from veritable.training.privacy import compute_spent
from veritable.training.streaming import in_memory

_MIN_NETWORK_SHARE = 0.05  # after the first fold; networks take most of the time, so a small share does not pay


@dataclass(frozen=True)
class HeldOut:
    """Rows that the models were not fitted on, and the predictions for them.

    Attributes
    ----------
    part
        The valid part; with folds, all rows of train and valid.
    y_prob
        Blended probabilities of the models that did not see the row. Shape: (n, classes)
    fold
        Fold of each row, from 0; all 0 without folds. Shape: (n,)
    n_folds
        Number of folds; 0 without folds.
    """

    part: Part
    y_prob: np.ndarray
    fold: np.ndarray
    n_folds: int

    @property
    def log_loss(self) -> float:
        """Weighted mean log loss."""
        return float(np.average(log_losses(self.part.y, self.y_prob), weights=self.part.weight))


@dataclass(frozen=True)
class Trained:
    """Result of `train_classifier`.

    Attributes
    ----------
    classifier
        The classifier; its threshold is not chosen yet.
    history
        Losses of the networks: network (from 1), epoch (from 1), train_loss, valid_loss.
    held_out
        Predictions for rows that the models were not fitted on.
    copied
        Names of the parameters that were copied from the earlier classifier, at least in part.
    """

    classifier: Classifier
    history: pd.DataFrame
    held_out: HeldOut
    copied: list[str]

    def __str__(self) -> str:
        """Summarize what was trained, in two to four lines."""
        best, blend = self.history.iloc[self.history["valid_loss"].argmin()], self.classifier.facts["blend"]
        lines = [f"Copied {len(self.copied)} parameters of the network from the earlier classifier."] if self.copied else []
        losses = self.history.groupby("network")["valid_loss"].min()
        if len(losses) == 1:
            kept = f"kept epoch {int(best['epoch'])}, validation loss {best['valid_loss']:.4f}"
        else:
            kept = f"{len(losses)} networks with validation losses of {losses.min():.4f} to {losses.max():.4f}"
        lines.append(f"Trained {len(self.history)} epochs; {kept}.")
        shares = ", ".join(f"{each['kind']} {each['share']:.0%} ({each['models']})" for each in blend)
        if privacy := self.classifier.privacy:
            lines.append(f"Spent a privacy budget of epsilon {privacy['epsilon']:.3g} at delta {privacy['delta']:.3g}.")
        lines.append(f"Blended, by weight and number of models: {shares}.")
        return "\n".join(lines)


@dataclass
class _Candidate:
    """A member in the making: what trains it, its fits, and its scores for the rows held out, by fold."""

    learner: Learner
    fits: list[Fitted] = field(default_factory=list)
    scores: list[np.ndarray] = field(default_factory=list)


@dataclass(frozen=True)
class FoldFits:
    """The fits on all folds, and the blend of their scores.

    Attributes
    ----------
    candidates
        The members that were fitted on all folds.
    weights
        Weight of each candidate.
    history, copied
        As in `Trained`, of the networks.
    """

    network: NetworkLearner
    candidates: Sequence[_Candidate]
    weights: Sequence[float]
    history: pd.DataFrame
    held_out: HeldOut


def train_classifier(inputs: TrainingInputs) -> Trained:
    """Fit the members on each fold, weigh them on the rows they were not fitted on, and fit them again on all rows.

    Raises
    ------
    TrainingError
        No weights of the earlier classifier fit, or a parameter to freeze does not exist.
    UserError
        There are fewer rows than folds.
    """
    fitted = fit_folds(inputs)
    members, weights = list[Member](), list[float]()
    pool = cache(
        lambda: Part.together([in_memory(part, inputs.plan, inputs.n_classes) for part in (inputs.train, inputs.valid)])
    )
    chosen = [(candidate, weight) for candidate, weight in zip(fitted.candidates, fitted.weights, strict=True) if weight]
    with progress() as bar:
        for candidate, weight in bar.track(chosen, description="fitting on all rows"):
            again = candidate.learner.refit(pool(), candidate.fits) if inputs.plan.refit else None
            made = [again] if again else [member for fit in candidate.fits for member in fit.members]
            members += made
            weights += [weight / len(made)] * len(made)
    ensemble = Ensemble(tuple(members), tuple(weights))
    spent = compute_spent(inputs.plan, inputs.train, epochs=len(fitted.history)) if inputs.plan.privacy else None
    classifier = Classifier(ensemble, fitted.network.spec, inputs.encoder, inputs.contract, None, privacy=spent)
    return Trained(classifier, fitted.history, fitted.held_out, fitted.network.copied)


def fit_folds(inputs: TrainingInputs, callback: EpochCallback | None = None) -> FoldFits:
    """Fit all members on each fold, and weigh them on the rows held out. Raises what `train_classifier` raises.

    After the first of several folds, the members without a share are dropped, and the networks if their share is small, so that
    they cost no further time.

    Parameters
    ----------
    callback
        Called after each epoch of the first network: see `fit`.
    """
    plan = inputs.plan
    network = NetworkLearner(inputs, callback)
    candidates, dropped_history = [_Candidate(network)], list[pd.DataFrame]()
    candidates += [_Candidate(learner) for learner in _blended(inputs)]
    held_out = list[Part]()
    for number, fold in enumerate(split_folds(inputs.train, inputs.valid, plan)):
        held_out.append(in_memory(fold.valid, plan, inputs.n_classes))
        _fit_fold(candidates, fold, held_out[-1], number, inputs)
        if number == 0 and plan.n_splits:
            weights = choose_weights([each.scores[0] for each in candidates], _weighed(held_out[0], inputs), plan.seed)
            if weights[0] < _MIN_NETWORK_SHARE * sum(weights):
                weights[0] = 0.0
                dropped_history = [fit.history for fit in candidates[0].fits if fit.history is not None]
            candidates = [each for each, weight in zip(candidates, weights, strict=True) if weight]
    part = Part.together(held_out)
    scores = [np.concatenate(each.scores) for each in candidates]
    weights = choose_weights(scores, _weighed(part, inputs), plan.seed)
    histories = [fit.history for each in candidates for fit in each.fits if fit.history is not None] or dropped_history
    fold_of_row = np.repeat(np.arange(len(held_out)), [len(each) for each in held_out])
    predicted = HeldOut(part, blend_scores(scores, weights), fold_of_row, len(held_out) if len(held_out) > 1 else 0)
    return FoldFits(network, candidates, weights, pd.concat(histories, ignore_index=True), predicted)


def _weighed(part: Part, inputs: TrainingInputs) -> Part:
    """Return a part with the class weights: without them, the blend prefers the members on which they have the least effect."""
    return replace(part, weight=row_weights(part, inputs.plan.class_weight, inputs.n_classes))


def _blended(inputs: TrainingInputs) -> list[Learner]:
    """Return what trains the members beside the networks."""
    plan, n_classes, cardinalities = inputs.plan, inputs.n_classes, inputs.encoder.cardinalities
    n_models = count_models(plan, len(inputs.train), n_classes)
    learners: list[Learner] = [BoostingLearner(plan, cardinalities, n_classes, i, inputs.threads) for i in range(n_models)]
    if plan.forest is not None:
        learners.append(ForestLearner(plan, n_classes))
    if plan.linear:
        learners.append(LinearLearner(plan, cardinalities, n_classes))
    if inputs.member is not None:
        learners.append(PretrainedLearner(inputs.member, cardinalities, n_classes))
    return learners


def _fit_fold(candidates: Sequence[_Candidate], fold: Fold, held_out: Part, number: int, inputs: TrainingInputs) -> None:
    """Fit the candidates on a fold, and score the rows held out."""
    plan = inputs.plan
    train = cache(lambda: in_memory(fold.train, plan, inputs.n_classes))
    of_folds = f", fold {number + 1} of {plan.n_splits}" if plan.n_splits else ""
    for candidate in candidates:
        learner = candidate.learner
        if isinstance(learner, NetworkLearner):  # it shows its own progress
            fit = learner.fit(fold.train, fold.valid, number)
        else:
            with progress() as bar:
                bar.add_task(f"fitting {learner.name}{of_folds}", total=None)
                fit = learner.fit(train(), held_out, number)
        candidate.fits.append(fit)
        candidate.scores.append(fit.scores(held_out.X))
