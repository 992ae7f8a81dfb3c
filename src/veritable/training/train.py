"""From encoded parts to a classifier: networks, boosted trees or a blend of both, calibrated."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.optimize import minimize_scalar
from torch import nn

from veritable.networks.classifier import Classifier, build_network
from veritable.networks.features import find_bins
from veritable.networks.members import Members, tempered
from veritable.tables.contract import Contract
from veritable.tables.encoder import Encoder
from veritable.tables.parts import Part
from veritable.training.boosting import count_models, fit_trees
from veritable.training.fit import Told, fit
from veritable.training.params import MLPParams, TrainParams

_DOUBT_ROWS = 10  # that speak for equal shares and a temperature of 1: of few valid rows, chance must not decide
_LEAST = 1e-15


def train_classifier(
    params: TrainParams,
    encoder: Encoder,
    contract: Contract,
    train: Part,
    valid: Part,
    scratch: Path,
    *,
    told: Told | None = None,
) -> tuple[Classifier, pd.DataFrame]:
    """Fit what `train.network` and `train.trees` ask for on train; valid ends each fit, weighs networks against trees and
    calibrates. The threshold is left open.

    Parameters
    ----------
    scratch
        An existing folder that outlives a killed run: see `fit`.
    told
        Called after each epoch of the first network: see `fit`.

    Returns
    -------
    The classifier, and the history of its networks: network (from 1), epoch (from 1), train_loss, valid_loss.
    """
    n_classes, cardinalities = len(contract.classes), encoder.cardinalities
    spec = _spec(params, cardinalities, train)
    networks: list[nn.Module] = []
    histories = []
    for i in range(params.networks):
        own = params.model_copy(update={"seed": (params.seed + i) % 2**32})
        folder = scratch / f"network-{i + 1}"
        folder.mkdir(exist_ok=True)
        torch.manual_seed(own.seed)
        networks.append(build_network(encoder, n_classes, spec))
        history = fit(networks[-1], own, train, valid, n_classes=n_classes, scratch=folder, told=None if i else told)
        history.insert(0, "network", i + 1)
        histories.append(history)
    models = count_models(params, len(train), n_classes)
    trees = fit_trees(params, models, cardinalities, train, valid, n_classes=n_classes) if models else None
    members = Members(tuple(networks), trees)
    if trees is not None:
        members = _blend(members, valid)
    if params.calibrate:
        members = _calibrate(members, valid)
    return Classifier(members, spec, encoder, contract, None), pd.concat(histories, ignore_index=True)


def _spec(params: TrainParams, cardinalities: np.ndarray, train: Part) -> dict[str, Any]:
    recipe = params.recipe
    if isinstance(recipe, MLPParams):
        return recipe.spec
    return {**recipe.spec, "bins": find_bins(train.X, cardinalities.tolist(), recipe.bins, params.seed)}


def _blend(members: Members, valid: Part) -> Members:
    """With the share of the networks that has the least loss on valid."""
    of_networks, of_trees = members.of_networks(valid.X), members.of_trees(valid.X)

    def loss(share: float) -> float:
        doubt = -_DOUBT_ROWS * np.log(4 * share * (1 - share))
        return float(_loss(share * of_networks + (1 - share) * of_trees, valid) + doubt)

    return replace(members, share=round(float(minimize_scalar(loss, bounds=(1e-3, 1 - 1e-3), method="bounded").x), 3))


def _calibrate(members: Members, valid: Part) -> Members:
    """With the temperature that has the least loss on valid."""
    y_prob = members.probabilities(valid.X)

    def loss(log_temperature: float) -> float:
        return float(_loss(tempered(y_prob, np.exp(log_temperature)), valid) + _DOUBT_ROWS * log_temperature**2)

    found = minimize_scalar(loss, bounds=(-2, 2), method="bounded").x
    return replace(members, temperature=round(float(np.exp(found)), 3))


def _loss(y_prob: np.ndarray, part: Part) -> float:
    """Sum of the rows' losses, their weights being 1 on average."""
    losses = -np.log(np.maximum(y_prob[np.arange(len(part)), part.y], _LEAST))
    return float(losses.sum() if part.weight is None else (losses * part.weight).sum() / part.weight.mean())
