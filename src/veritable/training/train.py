"""Train a classifier on encoded parts: networks, boosted trees or a blend of both, calibrated."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.optimize import minimize, minimize_scalar
from scipy.special import softmax
from torch import nn

from veritable.metrics.losses import log_losses, negative_log
from veritable.models.classifier import Classifier, build_network
from veritable.models.ensemble import Ensemble, apply_temperature
from veritable.models.features import find_bins
from veritable.models.transfer import adopt_bins, copy_weights
from veritable.models.trees import Trees
from veritable.tables.encoding.parts import Part
from veritable.training.boosting import fit_trees
from veritable.training.fit import EpochCallback, TrainingError, fit
from veritable.training.folds import Fold, split_folds
from veritable.training.inputs import TrainingInputs
from veritable.training.params import MLPParams
from veritable.training.streaming import in_memory

_PRIOR_ROWS = 5  # weight of the prior, in rows: with few valid rows, the shares stay near equal and the temperature near 1
_BIN_ROWS = 200_000  # sample of a streamed part; find_bins uses as many rows of a part in memory


@dataclass(frozen=True)
class HeldOut:
    """Rows that the models were not fitted on, and the predictions for them.

    Attributes
    ----------
    part
        The valid part; with folds, all rows of train and valid.
    y_prob
        Blended and calibrated probabilities; with folds, of the models that did not see the row. Shape: (n, classes)
    fold
        Fold of each row, from 0; all 0 without folds. Shape: (n,)
    """

    part: Part
    y_prob: np.ndarray
    fold: np.ndarray

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
        """Summarize what was trained, in one to three lines."""
        best, facts = self.history.iloc[self.history["valid_loss"].argmin()], self.classifier.facts
        lines = [f"Copied {len(self.copied)} parameters of the network from the earlier classifier."] if self.copied else []
        lines.append(
            f"Trained {len(self.history)} epochs; kept epoch {int(best['epoch'])}, validation loss {best['valid_loss']:.4f}."
        )
        if facts["trees"]:
            lines.append(
                f"Blended {facts['share']:.0%} {facts['network']} with {1 - facts['share']:.0%} boosted trees "
                f"({facts['trees']} models)."
            )
        return "\n".join(lines)


@dataclass(frozen=True)
class FittedFold:
    """The models fitted on one fold.

    Attributes
    ----------
    history
        Losses of the networks, as in `Trained`.
    held_out
        Rows held out from the fit.
    y_prob
        Probabilities for these rows: of the mean of the networks, and of each boosted model. Shape: (n, classes) each
    copied
        As in `Trained`.
    """

    networks: list[nn.Module]
    trees: Trees | None
    history: pd.DataFrame
    held_out: Part
    y_prob: list[np.ndarray]
    copied: list[str]

    @property
    def n_models(self) -> int:
        """Number of boosted models."""
        return len(self.trees.texts) if self.trees else 0


def train_classifier(inputs: TrainingInputs, callback: EpochCallback | None = None) -> Trained:
    """Fit networks and trees, on each fold if there are folds; then blend and calibrate them on rows they were not fitted on.

    Parameters
    ----------
    callback
        Called after each epoch of the first network: see `fit`.

    Raises
    ------
    TrainingError
        No weights of the earlier classifier fit, or a parameter to freeze does not exist.
    UserError
        There are fewer rows than folds.
    """
    plan, spec = inputs.plan, network_spec(inputs)
    fitted: list[FittedFold] = []
    for fold in split_folds(inputs.train, inputs.valid, plan.n_splits, plan.seed):
        n_models = fitted[0].n_models if fitted else None
        fitted.append(fit_fold(inputs, fold, spec, number=len(fitted), n_models=n_models, callback=callback))
        callback = None
    ensemble, held_out = blend(fitted, calibrate=plan.calibrate)
    classifier = Classifier(ensemble, spec, inputs.encoder, inputs.contract, None)
    history = pd.concat([each.history for each in fitted], ignore_index=True)
    return Trained(classifier, history, held_out, fitted[-1].copied)


def network_spec(inputs: TrainingInputs) -> dict[str, Any]:
    """Return what `build_network` needs; bins of known numbers are those of the earlier classifier.

    Raises
    ------
    TrainingError
        The earlier classifier has another kind of network.
    """
    plan, earlier, recipe = inputs.plan, inputs.earlier, inputs.plan.recipe
    if earlier is not None and earlier.spec["name"] != plan.network:
        kind = earlier.spec["name"]
        raise TrainingError(
            f"train.init must be a classifier with the network '{plan.network}', but its network is '{kind}'. Set "
            f"train.network to '{kind}'."
        )
    if isinstance(recipe, MLPParams):
        return recipe.spec
    X = in_memory(inputs.train, plan, inputs.n_classes, _BIN_ROWS).X
    bins = find_bins(X, inputs.encoder.cardinalities.tolist(), recipe.n_bins, plan.seed)
    return {**recipe.spec, "bins": bins if earlier is None else adopt_bins(bins, inputs.encoder, earlier)}


def fit_fold(
    inputs: TrainingInputs,
    fold: Fold,
    spec: dict[str, Any],
    *,
    number: int = 0,
    n_models: int | None = None,
    callback: EpochCallback | None = None,
) -> FittedFold:
    """Fit the networks and trees of a fold, and predict the rows held out.

    Parameters
    ----------
    number
        Number of the fold, from 0; all models of all folds have different seeds.
    n_models
        Number of boosted models, the same in every fold; None: as the plan says.
    callback
        Called after each epoch of the first network.
    """
    plan, n_classes = inputs.plan, inputs.n_classes
    networks, histories, copied = list[nn.Module](), list[pd.DataFrame](), list[str]()
    first = number * plan.n_networks
    for i in range(first, first + plan.n_networks):
        seeded = plan.with_seed(i)
        torch.manual_seed(seeded.seed)
        network = build_network(inputs.encoder, n_classes, spec)
        copied = _initialize(network, inputs, i)
        scratch = inputs.scratch / f"network-{i + 1}"
        scratch.mkdir(exist_ok=True)
        history = fit(
            network,
            seeded,
            fold.train,
            fold.valid,
            n_classes=n_classes,
            scratch=scratch,
            threads=inputs.threads,
            callback=callback if i == first else None,
        )
        history.insert(0, "network", i + 1)
        networks.append(network)
        histories.append(history)
    held_out = in_memory(fold.held_out, plan, n_classes)
    trees = None
    if plan.trees is not None and n_models != 0:
        if n_models is not None:
            plan = plan.model_copy(update={"trees": plan.trees.model_copy(update={"n_models": n_models})})
        trees = fit_trees(
            plan.with_seed(number * (n_models or 0)),
            inputs.encoder.cardinalities,
            in_memory(fold.train, plan, n_classes),
            held_out if fold.valid is fold.held_out else in_memory(fold.valid, plan, n_classes),
            n_classes=n_classes,
            threads=inputs.threads,
        )
    y_prob = list(Ensemble(tuple(networks), trees).predict_each(held_out.X))
    return FittedFold(networks, trees, pd.concat(histories, ignore_index=True), held_out, y_prob, copied)


def _initialize(network: nn.Module, inputs: TrainingInputs, number: int) -> list[str]:
    """Copy weights of the earlier classifier, if there is one, and freeze those of `freeze`; return the names copied."""
    if inputs.earlier is None:
        return []
    plan = inputs.plan
    copied = copy_weights(network, inputs.encoder, inputs.contract.classes, inputs.earlier, number)
    if not copied:
        raise TrainingError(
            "train.init must be a classifier whose weights fit, but no weights of its network do. Give "
            f"train.{plan.network} the sizes that it was trained with, or train without train.init."
        )
    for prefix in plan.freeze:
        if not any(name.startswith(prefix) for name in copied):
            raise TrainingError(
                f"train.freeze must name parameters that were copied from train.init, but none starts with '{prefix}'. Copied "
                f"are: {', '.join(copied)}."
            )
    for name, weight in network.named_parameters():
        weight.requires_grad_(not name.startswith(tuple(plan.freeze)))
    return copied


def blend(folds: Sequence[FittedFold], *, calibrate: bool) -> tuple[Ensemble, HeldOut]:
    """Blend the models of all folds, with the shares and the temperature that minimize the loss on the rows held out."""
    part = Part.together([fold.held_out for fold in folds])
    of_each = [np.concatenate(each) for each in zip(*(fold.y_prob for fold in folds), strict=True)]
    shares = _choose_shares(of_each, part)
    y_prob = np.sum([share * each for share, each in zip(shares, of_each, strict=True)], axis=0)
    temperature = _choose_temperature(y_prob, part) if calibrate else 1.0
    texts = [text for fold in folds if fold.trees for text in fold.trees.texts]
    ensemble = Ensemble(
        tuple(network for fold in folds for network in fold.networks),
        Trees(texts) if texts else None,
        (shares[0], *(share / len(folds) for _ in folds for share in shares[1:])),
        temperature,
    )
    fold_of_row = np.repeat(np.arange(len(folds)), [len(fold.held_out) for fold in folds])
    return ensemble, HeldOut(part, apply_temperature(y_prob, temperature), fold_of_row)


def _choose_shares(of_each: Sequence[np.ndarray], part: Part) -> list[float]:
    """Find the shares of the networks and of each boosted model that minimize the loss of the blend.

    The prior is half for the networks and equal shares of the boosted models. Shape: (n, classes) each
    """
    n_models = len(of_each) - 1
    if not n_models:
        return [1.0]
    prior = np.array([0.5, *[0.5 / n_models] * n_models])
    p_true, weight = np.stack([each[np.arange(len(part)), part.y] for each in of_each]), _scaled_weight(part)

    def loss(scores: np.ndarray) -> float:
        shares = softmax(scores)
        penalty = 2 * _PRIOR_ROWS * prior @ np.log(prior / shares)
        return float(penalty + weight @ negative_log(shares @ p_true))

    shares = softmax(minimize(loss, np.log(prior), method="L-BFGS-B").x).round(3)
    shares[shares.argmax()] += 1 - shares.sum()
    return [float(share) for share in shares]


def _choose_temperature(y_prob: np.ndarray, part: Part) -> float:
    """Find the temperature that minimizes the loss, with a prior at 1. Shape: (n, classes)"""
    rows, weight = np.arange(len(part)), _scaled_weight(part)

    def loss(log_temperature: float) -> float:
        p_true = apply_temperature(y_prob, np.exp(log_temperature))[rows, part.y]
        return float(_PRIOR_ROWS * log_temperature**2 + weight @ negative_log(p_true))

    return round(float(np.exp(minimize_scalar(loss, bounds=(-2, 2), method="bounded").x)), 3)


def _scaled_weight(part: Part) -> np.ndarray:
    """Return the row weights, scaled to a mean of 1."""
    return np.ones(len(part)) if part.weight is None else part.weight / part.weight.mean()
